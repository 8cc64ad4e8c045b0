//! One suite over both databases: what is true of the store on SQLite is true of it on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod calls;
mod faults;
mod inbox;
mod intake;
mod jobs;
mod keys;
mod killed;
mod lists;
mod make;
mod nodes;
mod place;
mod purge;
mod quota;
mod work;

/// Runs each test of a module on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::place::Place::sqlite().await).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::place::Place::postgres().await).await;
            })*
        }
    };
}
use on_both;
