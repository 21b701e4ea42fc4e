//! One server per test, and what a test says to it.

mod app;
mod backend;
mod client;
mod consistency;
mod run;

pub(crate) use self::app::{ARCHIVE, CRASH_AFTER, GC, PREEMPT_GRACE, TRASH, TestApp, URL_LIFETIME};
pub(crate) use self::backend::Backend;
pub(crate) use self::client::{Answer, Client, Refusal, path_of};
pub(crate) use self::run::{CONSOLE, EVENTS, HISTORY, SUMMARY, TestRun, text, texts};

/// Makes `name::sqlite` and `name::postgres` out of one body. At its end nothing may be left to do, and database and
/// object store must agree.
macro_rules! backend_test {
    ($(#[$attribute:meta])* $name:ident, |$app:ident| $body:block) => {
        $(#[$attribute])*
        mod $name {
            use super::*;

            async fn check($app: &$crate::support::TestApp) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let app = $crate::support::TestApp::start($crate::support::Backend::Sqlite).await;
                Box::pin(check(&app)).await;
                app.finish().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let app = $crate::support::TestApp::start($crate::support::Backend::Postgres).await;
                Box::pin(check(&app)).await;
                app.finish().await;
            }
        }
    };
}
pub(crate) use backend_test;
