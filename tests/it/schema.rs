//! The schema that the program prints is the one in the repository.

use std::path::Path;

#[test]
fn schema_graphql_is_what_the_program_prints() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema.graphql");
    let committed = std::fs::read_to_string(file).expect("schema.graphql is written by `make schema`");
    let printed = counterweight_graphql::sdl();
    let differs = committed.trim().lines().zip(printed.trim().lines()).enumerate().find(|(_, (a, b))| a != b);
    if let Some((number, (committed, printed))) = differs {
        panic!(
            "schema.graphql:{}: {committed:?}, the program prints {printed:?}; run `make schema`",
            number + 1
        );
    }
    assert_eq!(committed.trim(), printed.trim(), "run `make schema`");
}
