//! Stores on real files and on a real PostgreSQL: the same suite on both.

mod derived;
mod exits;
mod owned;
mod sealed;
mod server;
mod statements;

use std::sync::Arc;

use heng_store::{StoreKeys, StoreOptions, StoreUrl};
use tempfile::TempDir;

use server::PostgresServer;

/// Gives each case stores of its own.
pub(crate) struct Places {
    url: StoreUrl,
    case: &'static str,
    keys: Option<Arc<dyn StoreKeys>>,
}

impl Places {
    /// The place of the store `name` of this case.
    pub(crate) fn store(&self, name: &str) -> StoreOptions {
        let short: String = self.case.chars().take(30).collect();
        self.url.store(&format!("{short}_{name}")).sealed_by(self.keys.clone())
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.url, StoreUrl::Postgres(_))
    }
}

macro_rules! suite {
    ($($module:ident :: $case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    let folder: super::TempDir = tempfile::tempdir().expect("a temporary folder");
                    let url = super::StoreUrl::Sqlite(folder.path().join("inner"));
                    crate::$module::$case(&super::Places { url, case: stringify!($case), keys: None }).await;
                }
            )+
        }

        mod encrypted {
            $(
                #[tokio::test]
                async fn $case() {
                    let folder: super::TempDir = tempfile::tempdir().expect("a temporary folder");
                    let url = super::StoreUrl::Sqlite(folder.path().join("inner"));
                    let keys: super::Arc<dyn super::StoreKeys> = super::Arc::new(crate::sealed::TestKeys(1));
                    crate::$module::$case(&super::Places { url, case: stringify!($case), keys: Some(keys) }).await;
                }
            )+
        }

        /// One server for the whole suite: each test may run in a process of its own.
        #[tokio::test]
        async fn postgres() {
            let Some(server) = PostgresServer::start("heng-store on PostgreSQL") else { return };
            $(
                println!("{}", stringify!($case));
                let url: StoreUrl = server.url.parse().expect("an address");
                crate::$module::$case(&Places { url, case: stringify!($case), keys: None }).await;
            )+
        }
    };
}

suite! {
    derived::a_store_goes_on_where_it_committed,
    derived::a_failed_batch_leaves_neither_rows_nor_position,
    derived::a_reader_sees_one_position_while_the_writer_goes_on,
    derived::readers_cannot_write,
    derived::tables_of_another_version_are_made_again,
    derived::tables_without_a_version_are_made_again,
    derived::a_second_writer_is_found_out,
    owned::steps_are_applied_once_and_never_changed,
    owned::a_step_that_fails_leaves_nothing,
    owned::a_dropped_change_leaves_nothing,
    owned::commits_are_synced,
    owned::writers_take_turns,
    owned::the_outbox_keeps_order_until_all_have_taken,
    owned::an_undone_change_publishes_nothing,
    owned::a_write_key_gets_its_first_answer_for_seven_days,
    statements::values_come_back_as_they_went_in,
    statements::many_rows_go_in_and_come_out,
    statements::rows_are_replaced,
    statements::built_statements_run_on_both,
    statements::a_taken_key_is_told_from_other_failures,
    statements::a_value_is_never_part_of_the_text,
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("notes.db");
    std::fs::write(&path, vec![b'x'; 8_192]).expect("the file");
    let opened = heng_store::OwnedStore::open(&StoreOptions::at(path), &[]).await;
    assert!(matches!(opened, Err(heng_store::StoreError::Sql { .. })));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_the_password() {
    let url: StoreUrl = "postgres://heng:secret@127.0.0.1:1/db".parse().expect("an address");
    let options = StoreOptions { wait_max: std::time::Duration::from_millis(100), ..url.store("notes") };
    let opened = heng_store::OwnedStore::open(&options, &[]).await;
    let error = opened.expect_err("nobody listens there");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}
