#!/usr/bin/env bash
# Takes one guard after the other out of a copy of the tree, and says how many seeds of the simulation it takes to notice.
#
#   scripts/mutations.sh [SEEDS] [NAME…]     all of tests/mutations, within 10000 seeds each
#
# Each patch asks `mutated("its name")`, so that one build has them all; the program itself has no such switch. Those that
# show only on PostgreSQL are played there, on one of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=${1:-10000}
[ $# -eq 0 ] || shift
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for patch in tests/mutations/*.patch; do
    names+=("$(basename "$patch" .patch)")
  done
fi

place=$(mktemp -d)
chmod 755 "$place"
trap 'scripts/postgres.sh stop "$place/postgres" || true; rm -rf "$place"' EXIT
trap 'exit 130' INT TERM
COUNTERWEIGHT_TEST_POSTGRES_URL=$(scripts/postgres.sh start "$place/postgres")
export COUNTERWEIGHT_TEST_POSTGRES_URL

# What it builds beside the tree's own code is the same.
export CARGO_TARGET_DIR=$PWD/target
copy=$place/tree
mkdir "$copy"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy"
cp -r --parents web/dist "$copy"
for patch in tests/mutations/*.patch; do
  patch --quiet -d "$copy" -p1 <"$patch"
done
cat >>"$copy/crates/domain/src/lib.rs" <<'RUST'

/// Whether the guard of this name is taken out.
#[allow(clippy::disallowed_methods)]
pub fn mutated(name: &str) -> bool {
    static OUT: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::env::var("COUNTERWEIGHT_MUTATION").unwrap_or_default());
    *OUT == name
}
RUST
play=(cargo test --locked --release --quiet -p counterweight-tests --test simulation)
(cd "$copy" && "${play[@]}" --no-run)

printf '| %-16s | %-8s | %6s | %s |\n|---|---|---:|---|\n' mutation database seeds 'what noticed'
missed=0
for name in "${names[@]}"; do
  database=sqlite
  ! grep -q '^# postgres' "tests/mutations/$name.patch" || database=postgres
  log=$place/$name.log
  if (cd "$copy" && COUNTERWEIGHT_MUTATION=$name COUNTERWEIGHT_SIMULATION_SEEDS=$seeds \
    "${play[@]}" -- --exact "what_must_always_hold_does::$database" >"$log" 2>&1); then
    printf '| %-16s | %-8s | %6s | %s |\n' "$name" $database "> $seeds" nothing
    missed=1
    continue
  fi
  # What ended otherwise says neither.
  took=$(grep -oE 'after [0-9]+ seeds' "$log" | grep -oE '[0-9]+' | tail -1 || true)
  why=$(grep -B1 -E '^seed [0-9]+, after' "$log" | head -1 || true)
  printf '| %-16s | %-8s | %6s | %s |\n' "$name" $database "${took:-?}" "$(printf %s "$why" | cut -c1-110)"
done
exit $missed
