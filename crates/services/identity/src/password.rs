//! Passwords: argon2id in a few threads of low priority behind a bounded queue, so that a storm of sign-ins costs
//! sign-ins and nothing else.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::error::IdentityError;
use crate::secret::random;

/// Memory of one hash in KiB: 19 MiB, passes 2, lanes 1 (OWASP Password Storage Cheat Sheet, argon2id).
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// What a stored hash begins with; another beginning is not verified.
const PREFIX: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// Shortest password in characters (NIST SP 800-63B-4 asks for 15 where it is the only factor, 8 beside a second one;
/// we take 12 for both), and longest, in characters.
pub(crate) const PASSWORD_MIN: usize = 12;
pub(crate) const PASSWORD_MAX: usize = 128;
/// Seconds after which a refused caller may try again.
const BUSY_RETRY_S: u32 = 1;

struct Job {
    password: Zeroizing<String>,
    /// What to compare with; none = make a new hash.
    stored: Option<String>,
    done: oneshot::Sender<Hashed>,
}

/// What a thread answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Hashed {
    Made(String),
    Matches(bool),
}

/// The threads that hash. They end when the pool is dropped.
pub(crate) struct HashPool {
    jobs: SyncSender<Job>,
    /// A hash of nothing that anybody knows: unknown users cost as much as known ones.
    decoy: String,
}

impl HashPool {
    /// `threads` threads (at least 1) and a queue of `queue_len_max` jobs.
    pub(crate) fn new(threads: usize, queue_len_max: usize) -> Self {
        let (jobs, waiting) = sync_channel::<Job>(queue_len_max.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads.max(1) {
            let waiting = Arc::clone(&waiting);
            let thread = std::thread::Builder::new().name(format!("password-{number}"));
            thread.spawn(move || work(&waiting)).expect("the system can start a thread");
        }
        let decoy = encode(&random::<16>(), &random::<32>());
        Self { jobs, decoy }
    }

    async fn run(&self, password: &str, stored: Option<String>) -> Result<Hashed, IdentityError> {
        let (done, answer) = oneshot::channel();
        let job = Job { password: Zeroizing::new(password.to_owned()), stored, done };
        match self.jobs.try_send(job) {
            Ok(()) => answer.await.map_err(|_| IdentityError::Slow(BUSY_RETRY_S)),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(IdentityError::Slow(BUSY_RETRY_S)),
        }
    }

    /// Whether `password` is the one behind `stored`; without `stored` it is not, at the same cost.
    pub(crate) async fn matches(&self, password: &str, stored: Option<&str>) -> Result<bool, IdentityError> {
        let against = stored.unwrap_or(&self.decoy).to_owned();
        let matches = self.run(password, Some(against)).await? == Hashed::Matches(true);
        Ok(matches && stored.is_some())
    }

    /// A salted hash to be stored.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, IdentityError> {
        match self.run(password, None).await? {
            Hashed::Made(text) => Ok(text),
            Hashed::Matches(_) => unreachable!("a job without a stored hash makes one"),
        }
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    // Orders go first, at once. A system that refuses it only makes sign-ins as urgent as the rest.
    let _ = heng_journal::run_when_idle();
    let argon = argon();
    let mut memory = vec![Block::default(); argon.params().block_count()];
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if job.done.is_closed() {
            continue;
        }
        let hashed = match &job.stored {
            None => {
                let salt = random::<16>();
                Hashed::Made(encode(&salt, &hash_of(&argon, &job.password, &salt, &mut memory)))
            }
            Some(stored) => Hashed::Matches(decode(stored).is_some_and(|(salt, expected)| {
                hash_of(&argon, &job.password, &salt, &mut memory).ct_eq(&expected).into()
            })),
        };
        // Whoever asked may have gone.
        let _ = job.done.send(hashed);
    }
}

fn argon() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).expect("the parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash_of(argon: &Argon2<'_>, password: &str, salt: &[u8], memory: &mut [Block]) -> [u8; 32] {
    let mut out = [0; 32];
    let hashed = argon.hash_password_into_with_memory(password.as_bytes(), salt, &mut out, memory);
    hashed.expect("lengths of password, salt and output are in range");
    out
}

/// The form that other programs know (PHC string format).
fn encode(salt: &[u8; 16], hash: &[u8; 32]) -> String {
    format!("{PREFIX}{}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash))
}

fn decode(stored: &str) -> Option<([u8; 16], [u8; 32])> {
    let (salt, hash) = stored.strip_prefix(PREFIX)?.split_once('$')?;
    let salt = STANDARD_NO_PAD.decode(salt).ok()?.try_into().ok()?;
    Some((salt, STANDARD_NO_PAD.decode(hash).ok()?.try_into().ok()?))
}

/// Whether a stored hash is of the kind that is verified here.
pub(crate) fn is_kept(stored: &str) -> bool {
    decode(stored).is_some()
}

/// Whether a password is neither too short nor too long for anybody.
pub(crate) fn check_length(password: &str, pointer: &'static str) -> Result<(), IdentityError> {
    let refused = |detail: String| Err(IdentityError::field(pointer, detail));
    match password.chars().count() {
        count if count < PASSWORD_MIN => refused(format!("is shorter than {PASSWORD_MIN} characters")),
        count if count > PASSWORD_MAX => refused(format!("is longer than {PASSWORD_MAX} characters")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_of_the_reference() {
        // The value is that of OpenSSL's Argon2id (PyPI cryptography 50) for the same salt and parameters.
        let argon = argon();
        let mut memory = vec![Block::default(); argon.params().block_count()];
        let found = hash_of(&argon, "password", b"somesaltsomesalt", &mut memory);
        let again = hash_of(&argon, "password", b"somesaltsomesalt", &mut memory);
        let hex: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "2b5dc4054886ec957ef59c73b661c54dd6fb274590b278f657c6d96aac8fa6d1");
        assert_eq!(found, again, "the memory is used again and changes nothing");
        let (salt, hash) = decode(&encode(b"somesaltsomesalt", &found)).expect("what was encoded is decoded");
        assert_eq!((&salt, hash), (b"somesaltsomesalt", found));
    }

    #[tokio::test]
    async fn passwords_match_their_own_hash_only() {
        let pool = HashPool::new(1, 4);
        let stored = pool.hash("correct horse battery").await.expect("a hash");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(pool.matches("correct horse battery", Some(&stored)).await.expect("an answer"));
        assert!(!pool.matches("correct horse batterz", Some(&stored)).await.expect("an answer"));
        assert!(!pool.matches("correct horse battery", None).await.expect("an answer"));
        assert!(!pool.matches("x", Some("$argon2id$v=19$m=1,t=1,p=1$AA$AA")).await.expect("an answer"));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_gives_way_to_everything_else() {
        let pool = HashPool::new(1, 1);
        // Once it has answered, its thread has made its wish.
        pool.hash("correct horse battery").await.expect("a hash");
        let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
        // State is the first field behind the name, the policy the thirty-ninth; SCHED_IDLE is 5.
        let policy = |stat: String| stat.rsplit_once(')')?.1.split_whitespace().nth(38).map(str::to_owned);
        let policies: Vec<String> = stats.filter(|stat| stat.contains("(password-0)")).filter_map(policy).collect();
        assert!(policies.contains(&"5".to_owned()), "{policies:?}");
    }

    #[test]
    fn passwords_have_a_length() {
        let check = |password: &str| check_length(password, "/password").map_err(|error| error.to_string());
        assert_eq!(check("correct horse battery"), Ok(()));
        assert_eq!(check("short"), Err("/password is shorter than 12 characters".to_owned()));
        assert_eq!(check(&"短".repeat(11)), Err("/password is shorter than 12 characters".to_owned()));
        assert_eq!(check(&"短".repeat(128)), Ok(()));
        assert_eq!(check(&"x1".repeat(100)), Err("/password is longer than 128 characters".to_owned()));
    }
}
