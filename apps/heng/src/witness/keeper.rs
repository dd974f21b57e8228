//! What a witness keeps: its key, and of each log the largest tree that it has cosigned.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};
use heng_security::evidence::{
    Algorithm, Checkpoint, Cosigned, NoteSigner, SECRET_LEN, SubmitRequest, Verdict, VerifierKey, base64_hash, cosign,
    hash_from_base64, hex, review,
};

/// Media types of the answers.
const TEXT: &str = "text/plain; charset=utf-8";
const SIZE: &str = "text/x.tlog.size";

/// An answer of a witness.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) text: String,
}

impl Answer {
    fn of(status: u16, text: impl Into<String>) -> Self {
        Self { status, kind: TEXT, text: format!("{}\n", text.into()) }
    }

    /// Our own failure.
    pub(super) fn failed(failure: &dyn std::fmt::Display) -> Self {
        eprintln!("error: {failure}");
        Self::of(500, "the witness failed; its log tells why")
    }
}

/// See above.
pub(super) struct Keeper {
    signer: NoteSigner,
    logs: BTreeMap<String, Vec<VerifierKey>>,
    folder: PathBuf,
    /// Held from the look at what is known until it is replaced, so that two requests cannot roll it back.
    known: Mutex<BTreeMap<String, Cosigned>>,
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(bytes)
}

/// Writes a file for its owner alone, whole and durable.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = || -> std::io::Result<()> {
        let temporary = path.with_extension("tmp");
        let mut file = File::create(&temporary)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    written().with_context(|| format!("write {}", path.display()))
}

/// The key in the folder, or a new one.
fn signer(data: &Path, name: Option<&str>) -> anyhow::Result<NoteSigner> {
    let path = data.join("key");
    if !path.exists() {
        let name = match name {
            Some(name) => name.to_owned(),
            None => format!("heng.local/witness-{}", hex(&random::<4>()?)),
        };
        let secret = random::<SECRET_LEN>()?;
        NoteSigner::new(&name, Algorithm::Cosignature, secret).context("make the key")?;
        write(&path, &format!("{name}\n{}\n", hex(&secret)))?;
    }
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let (found, secret) = text.trim_end().split_once('\n').context("the key file has another form")?;
    if name.is_some_and(|name| name != found) {
        bail!("the key in {} is called {found}", path.display());
    }
    let digits = |at: usize| secret.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..secret.len()).step_by(2).map(digits).collect();
    let secret = bytes.and_then(|bytes| bytes.try_into().ok()).context("the key file has another form")?;
    Ok(NoteSigner::new(found, Algorithm::Cosignature, secret)?)
}

/// Where the state of a log is kept. An origin may hold slashes, so it is spelt out in hexadecimal.
fn state_file(folder: &Path, origin: &str) -> PathBuf {
    // Longer than a file name may be; the end tells logs apart.
    let name = hex(origin.as_bytes());
    folder.join(&name[name.len().saturating_sub(200)..])
}

fn read_state(path: &Path, origin: &str) -> anyhow::Result<Cosigned> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Cosigned::default()),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let mut lines = text.lines();
    let (told, size, root) = (lines.next(), lines.next(), lines.next());
    let wrong = || format!("{} has another form; what was cosigned last is not known", path.display());
    let (Some(told), Some(size), Some(root)) = (told, size, root) else { bail!(wrong()) };
    anyhow::ensure!(told == origin, "{} is of another log", path.display());
    Ok(Cosigned { size: size.parse().with_context(wrong)?, root: hash_from_base64(root)? })
}

impl Keeper {
    /// Opens the folder `data` for these logs; keys of one name are of one log.
    pub(super) fn open(data: &Path, name: Option<&str>, log_keys: &[VerifierKey]) -> anyhow::Result<Self> {
        let folder = data.join("logs");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let mut logs: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for key in log_keys {
            logs.entry(key.name().to_owned()).or_default().push(key.clone());
        }
        let mut known = BTreeMap::new();
        for origin in logs.keys() {
            known.insert(origin.clone(), read_state(&state_file(&folder, origin), origin)?);
        }
        Ok(Self { signer: signer(data, name)?, logs, folder, known: Mutex::new(known) })
    }

    pub(super) const fn key(&self) -> &VerifierKey {
        self.signer.verifier()
    }

    /// Answers `add-checkpoint`; `now` in seconds since 1970.
    pub(super) fn add_checkpoint(&self, body: &[u8], now: u64) -> Answer {
        let read = SubmitRequest::parse(body);
        let read = read.and_then(|request| Checkpoint::parse(&request.note.text).map(|told| (request, told)));
        let (request, checkpoint) = match read {
            Ok(read) => read,
            Err(error) => return Answer::of(400, error.to_string()),
        };
        let origin = &checkpoint.origin;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(origin).copied().unwrap_or_default();
        let keys = self.logs.get(origin).map(Vec::as_slice);
        match review(&request, &checkpoint, keys, before) {
            Verdict::Cosign(after) => {
                let text = format!("{origin}\n{}\n{}\n", after.size, base64_hash(&after.root));
                if after != before
                    && let Err(error) = write(&state_file(&self.folder, origin), &text)
                {
                    return Answer::failed(&format!("{error:#}"));
                }
                known.insert(origin.clone(), after);
                match cosign(&self.signer, &request.note.text, now) {
                    Ok(line) => Answer { status: 200, kind: TEXT, text: line.to_string() },
                    Err(error) => Answer::failed(&error),
                }
            }
            Verdict::UnknownLog => Answer::of(404, "this log is not known"),
            Verdict::Untrusted => Answer::of(403, "no key of this log has signed"),
            Verdict::Backwards => Answer::of(400, "the old size is beyond the checkpoint's"),
            Verdict::OtherSize(size) => Answer { status: 409, kind: SIZE, text: format!("{size}\n") },
            Verdict::Forked(size) => {
                eprintln!("warning: {origin} shows two trees of {size} leaves");
                Answer { status: 409, kind: SIZE, text: format!("{size}\n") }
            }
            Verdict::Unproven(why) => {
                eprintln!("warning: {origin}: {why}");
                Answer::of(422, why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use heng_security::evidence::{EdgeTiles, Sha256Tree, SignatureLine, SignedNote};

    use super::*;

    fn log() -> NoteSigner {
        NoteSigner::new("log.example/1", Algorithm::Ed25519, [1; 32]).expect("a key")
    }

    /// A request for the first leaves `0, 1, 2 …`; the old size is 0 or the new one, which need no proof.
    fn body(signer: &NoteSigner, size: u8, old: u64, change: u8) -> Vec<u8> {
        let mut tree = EdgeTiles::<Sha256Tree>::default();
        (0..size).for_each(|leaf| tree.append(&[leaf ^ change], |_| ()));
        let text = Checkpoint::new("log.example/1", size.into(), tree.root(), [0; 32]).to_string();
        let signatures = vec![signer.sign(&text, 0).expect("signed")];
        SubmitRequest { old_size: old, proof: Vec::new(), note: SignedNote { text, signatures } }.body().into_bytes()
    }

    #[test]
    fn forks_rollbacks_and_strangers_are_refused_also_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = [log().verifier().clone()];
        let open = || Keeper::open(folder.path(), Some("w.example/1"), &keys).expect("it opens");
        let keeper = open();
        let answer = keeper.add_checkpoint(&body(&log(), 5, 0, 0), 77);
        assert_eq!(answer.status, 200, "{answer:?}");
        let line = SignatureLine::parse(answer.text.trim_end()).expect("a line");
        let note = SubmitRequest::parse(&body(&log(), 5, 0, 0)).expect("a request").note;
        assert_eq!(keeper.key().verify(&note.text, &line.signature), Ok(Some(77)));
        drop(keeper);
        let keeper = open();
        let status = |body: &[u8]| keeper.add_checkpoint(body, 78).status;
        assert_eq!(status(&body(&log(), 5, 5, 0)), 200, "the same again");
        assert_eq!(status(&body(&log(), 5, 5, 9)), 409, "another tree of one size");
        let told = keeper.add_checkpoint(&body(&log(), 4, 0, 0), 78);
        assert_eq!((told.status, told.kind, told.text.as_str()), (409, SIZE, "5\n"), "a rollback");
        assert_eq!(status(&body(&log(), 4, 5, 0)), 400, "backwards");
        assert_eq!(status(&body(&log(), 9, 5, 0)), 422, "without a proof");
        let stranger = NoteSigner::new("log.example/1", Algorithm::Ed25519, [2; 32]).expect("a key");
        assert_eq!(status(&body(&stranger, 9, 5, 0)), 403);
        assert_eq!(status(b"old 5\n\nnonsense"), 400);
        assert!(Keeper::open(folder.path(), Some("w.example/2"), &keys).is_err(), "the key has another name");
    }
}
