//! One server per test, and what a test says to it.

mod app;
mod artifact;
mod backend;
mod client;
pub(crate) mod consistency;
mod cut;
mod run;
mod socket;
mod sweep;

pub(crate) use self::app::{
    ARCHIVE, CRASH_AFTER, GC, PREEMPT_GRACE, SETTLE_AFTER, START, TRASH, TestApp, URL_LIFETIME, sign_up,
    state, worker_settings,
};
pub(crate) use self::artifact::{TestArtifact, lookup};
pub(crate) use self::backend::{Backend, TestDatabase};
pub(crate) use self::client::{Answer, Client, Refusal, path_of};
pub(crate) use self::cut::{Cut, die_after};
pub(crate) use self::run::{CONSOLE, EVENTS, HISTORY, SUMMARY, TestRun, text, texts};
pub(crate) use self::socket::Socket;
pub(crate) use self::sweep::{GRID, TestSweep};

/// Waits for what something else brings about.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    while !holds().await {
        tokio::task::yield_now().await;
    }
}

/// Makes `name::sqlite` and `name::postgres` out of one body. At its end nothing may be left to do, and database and
/// object store must agree.
macro_rules! backend_test {
    ($name:ident, |$app:ident| $body:block) => {
        $crate::support::backend_test!($name, connections = 4, |$app| $body);
    };
    ($name:ident, connections = $connections:literal, |$app:ident| $body:block) => {
        async fn $name($app: &$crate::support::TestApp) $body

        mod $name {
            use $crate::support::{Backend, TestApp};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                check(Backend::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                check(Backend::Postgres).await;
            }

            async fn check(backend: Backend) {
                let app = TestApp::start(backend, $connections).await;
                Box::pin(super::$name(&app)).await;
                app.finish().await;
            }
        }
    };
}
pub(crate) use backend_test;

/// Makes `name::postgres` of a body in the same way: only `PostgreSQL` lets a writer begin while another is under way.
macro_rules! postgres_test {
    ($name:ident, |$app:ident| $body:block) => {
        async fn $name($app: &$crate::support::TestApp) $body

        mod $name {
            use $crate::support::{Backend, TestApp};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let app = TestApp::start(Backend::Postgres, 4).await;
                Box::pin(super::$name(&app)).await;
                app.finish().await;
            }
        }
    };
}
pub(crate) use postgres_test;
