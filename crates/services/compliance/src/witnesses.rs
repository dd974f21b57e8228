//! Witnesses (C2SP tlog-witness): each second the newest checkpoint is handed to all of them. They hold up nobody: who
//! does not answer in time is told by name, and the log goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heng_security::evidence::{SignatureLine, SignedNote, SubmitRequest, VerifierKey};
use heng_transport::{AskRequest, ask};
use tokio::sync::watch;

use crate::files::{Files, write_whole};
use crate::publish::Published;
use crate::status::EvidenceStatus;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// How long a witness may take.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Questions in one round: the first may only tell what the witness knows.
const TRIES: usize = 3;

/// A witness whom the log asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// What its addresses begin with, for example `http://127.0.0.1:8650`.
    pub url: String,
    /// Its key, of the kind cosignature/v1.
    pub key: VerifierKey,
}

/// Asks the witnesses until it is told to stop.
pub(crate) struct Rounds {
    pub(crate) witnesses: watch::Receiver<Vec<Witness>>,
    pub(crate) published: watch::Receiver<Option<Arc<Published>>>,
    /// The newest checkpoint that witnesses have cosigned.
    pub(crate) witnessed: watch::Sender<Option<Arc<Published>>>,
    pub(crate) status: Arc<EvidenceStatus>,
    pub(crate) files: Files,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Rounds {
    pub(crate) async fn run(self) {
        let (mut ticks, mut known) = (tokio::time::interval(ROUND), Vec::new());
        let mut asked = String::new();
        while !self.stop.load(Ordering::Relaxed) {
            ticks.tick().await;
            let witnesses = self.witnesses.borrow().clone();
            known.resize(witnesses.len(), 0);
            let newest = self.published.borrow().clone();
            let Some(newest) = newest.filter(|newest| !witnesses.is_empty() && newest.note.text != asked) else {
                continue;
            };
            let lines = self.ask_all(&witnesses, &mut known, &newest).await;
            if lines.len() == witnesses.len() {
                asked.clone_from(&newest.note.text);
            }
            self.keep(&newest, lines);
        }
    }

    async fn ask_all(&self, witnesses: &[Witness], known: &mut [u64], newest: &Arc<Published>) -> Vec<SignatureLine> {
        let questions = witnesses.iter().zip(known.iter().copied()).map(|(witness, known)| {
            let (witness, newest) = (witness.clone(), Arc::clone(newest));
            tokio::spawn(async move { submit(&witness, &newest, known).await })
        });
        let questions: Vec<_> = questions.collect();
        let mut lines = Vec::new();
        for (at, question) in questions.into_iter().enumerate() {
            let answered = question.await.unwrap_or_else(|failure| Err(failure.to_string()));
            self.status.witness(at, |state| {
                state.name = witnesses[at].key.name().to_owned();
                match &answered {
                    Ok((_, time)) => (state.size, state.at, state.trouble) = (newest.tree.size(), *time, None),
                    Err(why) => state.trouble = Some(why.clone()),
                }
            });
            match answered {
                Ok((line, _)) => {
                    known[at] = newest.tree.size();
                    lines.push(line);
                }
                Err(why) => tracing::warn!(witness = witnesses[at].key.name(), why, "ask a witness"),
            }
        }
        lines
    }

    /// Keeps the cosigned checkpoint for proofs, and publishes it where it is still the newest.
    fn keep(&self, newest: &Arc<Published>, lines: Vec<SignatureLine>) {
        if lines.is_empty() {
            return;
        }
        let mut note = newest.note.clone();
        note.signatures.extend(lines);
        let path = self.files.public.join("checkpoint.witnessed");
        if let Err(error) = write_whole(&path, note.to_string().as_bytes(), false) {
            tracing::warn!(%error, "keep the witnessed checkpoint");
        }
        let cosigned = Published { note, tree: Arc::clone(&newest.tree) };
        self.witnessed.send_replace(Some(Arc::new(cosigned)));
    }
}

/// Hands a checkpoint to a witness who is believed to know `known` leaves.
async fn submit(witness: &Witness, newest: &Published, mut known: u64) -> Result<(SignatureLine, u64), String> {
    let size = newest.tree.size();
    for _ in 0..TRIES {
        if known > size {
            return Err(format!("it has cosigned {known} leaves, this log has {size}"));
        }
        let (proof, _) = newest.tree.consistency(known).map_err(|error| error.to_string())?;
        let request = SubmitRequest { old_size: known, proof, note: newest.note.clone() };
        let url = format!("{}/add-checkpoint", witness.url);
        let body = request.body().into_bytes();
        let (time_max, answer_max) = (ANSWER_MAX, ANSWER_BYTES_MAX);
        let asked = AskRequest { method: "POST", url: &url, token: None, body, time_max, answer_max };
        let answer = ask(asked).await.map_err(|error| error.to_string())?;
        let text = String::from_utf8(answer.body).map_err(|_| "its answer is no text".to_owned())?;
        match answer.status {
            200 => return cosignature(witness, &newest.note, &text),
            409 => {
                let told = text.trim_end().parse().map_err(|_| format!("it refuses: {text:.200}"))?;
                if told == known {
                    return Err(format!("it has cosigned another tree of {told} leaves"));
                }
                known = told;
            }
            status => return Err(format!("it answers {status}: {text:.200}")),
        }
    }
    Err("it knows another size each time".to_owned())
}

/// The witness's own line of its answer. Lines of other keys are ignored.
fn cosignature(witness: &Witness, note: &SignedNote, answer: &str) -> Result<(SignatureLine, u64), String> {
    let lines = SignatureLine::parse_all(answer).map_err(|error| error.to_string())?;
    let line = lines.into_iter().find(|line| witness.key.signed(line)).ok_or("its key has not signed")?;
    let time = witness.key.verify(&note.text, &line.signature).map_err(|error| error.to_string())?;
    Ok((line, time.ok_or("its key is none of a witness")?))
}
