//! Sessions of `PostgreSQL`, and what they are told.

use counterweight_domain::Env;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::support::{Backend, TestDatabase};

#[tokio::test]
async fn what_a_url_sets_stays_as_it_is() {
    let database = TestDatabase::create(Backend::Postgres).await;
    for (db, wait) in
        [(database.open(1, Env::system()).await, "3s"), (database.open_patient(1, Env::system()).await, "0")]
    {
        for (name, expected) in [("lock_timeout", wait), ("jit", "off")] {
            let asked = Statement::from_string(DbBackend::Postgres, format!("SHOW {name}"));
            let row = db.migration_connection().query_one_raw(asked).await.unwrap().unwrap();
            let value: String = row.try_get_by_index(0).unwrap();
            assert_eq!(value, expected, "{name}");
        }
    }
    database.drop().await;
}
