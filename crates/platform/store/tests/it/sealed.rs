//! Encrypted files and sealed columns.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use heng_store::{Migration, OwnedStore, Sql, StoreError, StoreKeys, StoreOptions};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Keys that are good enough to tell whether they were used: the real ones are `heng-security`'s, and the binary's own
/// tests put both together.
#[derive(Debug)]
pub(crate) struct TestKeys(pub(crate) u8);

impl TestKeys {
    fn pad(&self, table: &str, about: &str) -> [u8; 32] {
        Sha256::digest([&[self.0], table.as_bytes(), b"/", about.as_bytes()].concat()).into()
    }
}

impl StoreKeys for TestKeys {
    fn seal(&self, table: &str, about: &str, secret: &[u8]) -> std::io::Result<Vec<u8>> {
        let pad = self.pad(table, about);
        let hidden = secret.iter().zip(pad.iter().cycle()).map(|(byte, pad)| byte ^ pad);
        Ok(pad.into_iter().chain(*b"padding to 44").take(44).chain(hidden).collect())
    }

    fn unseal(&self, table: &str, about: &str, sealed: &[u8]) -> std::io::Result<Zeroizing<Vec<u8>>> {
        let pad = self.pad(table, about);
        if sealed.get(..32) != Some(&pad) {
            return Err(std::io::Error::other("it was sealed by others"));
        }
        let plain = sealed[44..].iter().zip(pad.iter().cycle()).map(|(byte, pad)| byte ^ pad);
        Ok(Zeroizing::new(plain.collect()))
    }
}

pub(crate) const NOTES: [Migration; 1] = [Migration {
    version: 1,
    name: "notes",
    sql: "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, text TEXT NOT NULL)",
}];
const TEXT: &str = "what nobody may read on the disk";

fn options(folder: &Path, keys: Option<u8>) -> StoreOptions {
    let keys = keys.map(|number| Arc::new(TestKeys(number)) as Arc<dyn StoreKeys>);
    StoreOptions::at(folder.join("notes.db")).sealed_by(keys)
}

pub(crate) async fn note(store: &OwnedStore, id: i64) {
    let mut change = store.begin().await.expect("a change");
    let insert = Sql::new("INSERT INTO notes (id, text) VALUES ($1, $2)").bind(id).bind(TEXT);
    change.connection().execute(insert).await.expect("a row");
    change.commit().await.expect("a commit");
}

async fn count(store: &OwnedStore) -> i64 {
    let mut look = store.read().await.expect("a look");
    let found: Option<(i64,)> = look.find("SELECT COUNT(*) FROM notes").await.expect("a row");
    found.expect("a count").0
}

/// Whether the text stands in any file of the folder.
fn is_told(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let told = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).expect("a file");
        bytes.windows(TEXT.len()).any(|window| window == TEXT.as_bytes())
    };
    entries.filter(|path| path.is_file()).any(|path| told(&path))
}

#[tokio::test]
async fn an_encrypted_file_tells_nothing_and_opens_by_its_key_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = OwnedStore::open(&options(folder.path(), Some(1)), &NOTES).await.expect("it opens");
    note(&store, 1).await;
    assert!(!is_told(folder.path()), "while it is open, with its write-ahead file");
    store.close().await;
    assert!(!is_told(folder.path()));
    let refused = OwnedStore::open(&options(folder.path(), None), &NOTES).await.expect_err("there are no keys");
    assert!(matches!(refused, StoreError::Sealed { .. }), "{refused}");
    let refused = OwnedStore::open(&options(folder.path(), Some(2)), &NOTES).await.expect_err("other keys");
    assert!(refused.to_string().contains("it was sealed by others"), "{refused}");
    fs::rename(folder.path().join("notes.db"), folder.path().join("other.db")).expect("it moves");
    fs::rename(folder.path().join("notes.db.key"), folder.path().join("other.db.key")).expect("it moves");
    let other = StoreOptions {
        place: heng_store::Place::File(folder.path().join("other.db")),
        ..options(folder.path(), Some(1))
    };
    assert!(OwnedStore::open(&other, &NOTES).await.is_err(), "a key is bound to its file's name");
}

#[tokio::test]
async fn a_plain_file_is_encrypted_when_keys_come() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = OwnedStore::open(&options(folder.path(), None), &NOTES).await.expect("it opens");
    note(&store, 1).await;
    store.close().await;
    assert!(is_told(folder.path()), "or the search finds nothing");
    for id in 2..4 {
        let store = OwnedStore::open(&options(folder.path(), Some(1)), &NOTES).await.expect("it opens");
        note(&store, id).await;
        assert_eq!(count(&store).await, id);
        store.close().await;
        assert!(!is_told(folder.path()));
    }
}

#[tokio::test]
async fn an_encryption_that_was_cut_short_is_ended_or_begun_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let store = OwnedStore::open(&options(folder.path(), None), &NOTES).await.expect("it opens");
    note(&store, 1).await;
    store.close().await;
    // Ended before the file was exchanged.
    fs::write(at("notes.db.key.new"), "half").expect("a file");
    fs::write(at("notes.db.sealing"), "half").expect("a file");
    let store = OwnedStore::open(&options(folder.path(), Some(1)), &NOTES).await.expect("it begins again");
    assert_eq!(count(&store).await, 1);
    store.close().await;
    // Ended between the file and its key.
    fs::rename(at("notes.db.key"), at("notes.db.key.new")).expect("it moves");
    let store = OwnedStore::open(&options(folder.path(), Some(1)), &NOTES).await.expect("it goes on");
    assert_eq!(count(&store).await, 1);
    assert!(at("notes.db.key").exists() && !at("notes.db.key.new").exists() && !is_told(folder.path()));
}

#[tokio::test]
async fn a_secret_of_a_column_is_bound_to_its_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let sealing = OwnedStore::open(&options(folder.path(), Some(1)), &NOTES).await.expect("it opens");
    let plain = OwnedStore::open(&options(&folder.path().join("plain"), None), &NOTES).await.expect("it opens");
    let secret = [7; 20];
    let sealed = sealing.seals().seal("codes", "17", &secret).expect("it is sealed");
    assert!(heng_store::Seals::is_sealed(&sealed) && !sealed.windows(8).any(|window| window == [7; 8]));
    assert_eq!(*sealing.seals().unseal("codes", "17", sealed.clone()).expect("it is unsealed"), secret);
    assert!(sealing.seals().unseal("codes", "18", sealed.clone()).is_err(), "another row");
    assert!(sealing.seals().unseal("words", "17", sealed.clone()).is_err(), "another table");
    let refused = plain.seals().unseal("codes", "17", sealed).expect_err("there are no keys").to_string();
    assert!(refused.contains("no master key is configured"), "{refused}");
    let before = plain.seals().seal("codes", "17", &secret).expect("without keys it stands as it is");
    assert_eq!(*sealing.seals().unseal("codes", "17", before).expect("what was there before"), secret);
}
