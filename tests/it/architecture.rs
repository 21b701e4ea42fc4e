//! Which crate may know which, which files are pure, and that no file is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What each of our crates depends on when it is built, not tested.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let normal = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"].is_null()).map(name).collect()
    };
    packages.iter().map(|package| (name(package), normal(package))).collect()
}

#[test]
fn crates_depend_in_one_direction() {
    let dependencies = dependencies();
    let ours = |of: &str| -> Vec<&str> {
        let all = dependencies[&format!("counterweight-{of}")].iter();
        all.filter_map(|name| name.strip_prefix("counterweight-")).collect()
    };
    assert_eq!(ours("storage"), Vec::<&str>::new());
    assert_eq!(ours("segment"), Vec::<&str>::new());
    assert_eq!(ours("migrations"), Vec::<&str>::new());
    assert_eq!(ours("domain"), ["segment", "storage"]);
    assert_eq!(ours("graphql"), ["domain", "storage"]);
    assert_eq!(ours("worker"), ["domain", "storage"]);
    assert_eq!(ours("server"), ["domain", "graphql", "migrations", "storage", "worker"]);
}

#[test]
fn each_crate_knows_only_its_own_trade() {
    const SQL: &[&str] = &["sea-orm", "sqlx", "sea-query"];
    const HTTP: &[&str] = &["axum", "tower-http", "reqwest"];
    const GRAPHQL: &[&str] = &["async-graphql"];
    const PARQUET: &[&str] = &["parquet"];
    let dependencies = dependencies();
    for (of, foreign) in [
        ("storage", [SQL, HTTP, GRAPHQL, PARQUET].concat()),
        ("segment", [SQL, HTTP, GRAPHQL, &["object_store", "tokio"]].concat()),
        ("domain", [HTTP, GRAPHQL, PARQUET, &["object_store"]].concat()),
        ("graphql", [SQL, HTTP, &["object_store"]].concat()),
        ("worker", [SQL, HTTP, GRAPHQL, &["object_store"]].concat()),
        ("server", [SQL, &["object_store"]].concat()),
    ] {
        let known = &dependencies[&format!("counterweight-{of}")];
        let met: Vec<_> = foreign.iter().filter(|name| known.contains(**name)).collect();
        assert!(met.is_empty(), "{of} knows {met:?}");
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates"), root().join("migrations/src"), root().join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.canonicalize().unwrap());
            }
        }
    }
    found
}

#[test]
fn what_says_that_it_is_pure_is_pure() {
    let mut pure = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let header: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        if !header.iter().any(|line| line.ends_with(" Pure.")) {
            continue;
        }
        for forbidden in
            ["async fn", "async move", ".await", "ConnectionTrait", "connection()", "impl Source", "WriteTx"]
        {
            assert!(!text.contains(forbidden), "{} has {forbidden:?}", path.display());
        }
        pure.push(path);
    }
    for needed in [
        "run/state.rs",
        "filter/parse.rs",
        "filter/order.rs",
        "filter/ast.rs",
        "file/name.rs",
        "file/grant.rs",
        "history/keys.rs",
        "history/sample.rs",
        "history/console.rs",
        "account/api_key.rs",
    ] {
        let path = root().join("crates/domain/src").join(needed);
        assert!(pure.contains(&path.canonicalize().unwrap()), "{needed} is to be pure, and to say so");
    }
}

/// The files that a source file declares with `mod`.
fn declared(file: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(file).unwrap();
    let folder = file.parent().unwrap();
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let inner = if ["lib", "main", "mod"].contains(&stem) { folder.to_owned() } else { folder.join(stem) };
    let mut found = Vec::new();
    let mut attribute = None;
    for line in text.lines().map(str::trim) {
        if let Some(path) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            attribute = Some(folder.join(path));
            continue;
        }
        let module = line.strip_suffix(';').and_then(|line| line.split_once("mod "));
        if let Some((visibility, name)) =
            module.filter(|(before, _)| before.is_empty() || before.starts_with("pub"))
        {
            assert!(!visibility.contains("//"));
            let flat = inner.join(format!("{name}.rs"));
            let nested = inner.join(name).join("mod.rs");
            found.push(attribute.take().unwrap_or(if flat.exists() { flat } else { nested }));
        }
    }
    found
}

#[test]
fn every_source_file_is_part_of_a_crate() {
    let all: BTreeSet<_> = sources().into_iter().collect();
    let is_root = |path: &&PathBuf| {
        let in_folder = |name: &str| path.parent().is_some_and(|folder| folder.ends_with(name));
        path.ends_with("build.rs")
            || in_folder("bin")
            || (in_folder("src") && (path.ends_with("lib.rs") || path.ends_with("main.rs")))
            || path.ends_with("it/main.rs")
    };
    let mut reached: BTreeSet<PathBuf> = BTreeSet::new();
    let mut open: Vec<_> = all.iter().filter(is_root).cloned().collect();
    while let Some(file) = open.pop() {
        open.extend(declared(&file).into_iter().map(|path| path.canonicalize().unwrap()));
        reached.insert(file);
    }
    let forgotten: Vec<_> = all.difference(&reached).collect();
    assert!(forgotten.is_empty(), "no `mod` reaches {forgotten:?}");
}
