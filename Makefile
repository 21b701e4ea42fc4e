# The things one does here. Each says what it installs, and does nothing twice.
.PHONY: run test test-all nightly check web schema bench soak

SERVER := counterweight-server
PAGE := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*')

# Serves on http://127.0.0.1:8080, with its data in ./data. Flags: make run ARGS="--listen 127.0.0.1:9000"
run: web
	cargo build --locked --release -p $(SERVER)
	target/release/counterweight serve $(ARGS)

# What guards every landing.
test:
	scripts/setup.sh
	scripts/check.sh

# Both clients on both databases, and the long runs.
test-all:
	scripts/setup.sh
	scripts/check.sh --all

# What takes a night: ten thousand seeds of the simulation, and each guard taken out of it. See docs/SIMULATION.md.
nightly: web
	scripts/setup.sh
	scripts/simulate.sh 10000
	scripts/simulate.sh 1000 postgres
	scripts/mutations.sh

# The checks alone, on a machine that is set up.
check:
	scripts/check.sh

web: web/dist/index.html

web/dist/index.html: $(PAGE)
	scripts/setup.sh web
	npm --prefix web run build
	touch $@

# Writes schema.graphql, which a test compares with the program.
schema: web
	cargo run --locked --quiet -p $(SERVER) -- schema > schema.graphql.new
	mv schema.graphql.new schema.graphql

# Clients at work while servers and workers are killed; then everything is compared. Longer: make soak ARGS="--minutes 40"
soak: web
	scripts/setup.sh
	cargo build --locked --release -p $(SERVER)
	scripts/soak.sh $(ARGS)

# Measures the built program beside its bounds and its peers; see bench/README.md.
# One row alone: make bench ARGS="chart --sizes 1000,100000"
bench: web
	bench/setup.sh
	cargo build --locked --release -p $(SERVER) -p counterweight-bench
	target/release/counterweight-bench $(ARGS)
