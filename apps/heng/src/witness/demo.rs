//! The two witnesses of a demonstration: processes of their own, which end with the one that started them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use heng_compliance::Witness;
use heng_security::evidence::VerifierKey;
use serde_json::Value;

/// How long a witness may take to answer for the first time.
const START_MAX: Duration = Duration::from_secs(30);
/// How long it may take to end.
const END_MAX: Duration = Duration::from_secs(3);
/// How many there are.
const COUNT: usize = 2;

/// A running witness. Its stdin is a pipe to this process, so that it ends also if this process is killed.
struct Running {
    child: Child,
    witness: Witness,
}

/// Witnesses beside the process. Dropping them ends them.
pub(crate) struct DemoWitnesses(Vec<Running>);

impl DemoWitnesses {
    /// Starts them in folders of their own below `data`, for the log with these keys.
    pub(crate) fn start(data: &Path, log: &[VerifierKey]) -> anyhow::Result<Self> {
        let mut begun = Vec::new();
        for number in 1..=COUNT {
            let folder = data.join(format!("witness-{number}"));
            std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
            let ready = folder.join("ready.json");
            crate::serve::ready::clear(&ready)?;
            let mut command = Command::new(std::env::current_exe().context("find this program")?);
            command.args(["witness", "--port", "0", "--until-stdin-ends", "--data"]).arg(&folder);
            command.arg("--ready-file").arg(&ready);
            log.iter().for_each(|key| _ = command.arg("--log").arg(key.to_string()));
            let errors = std::fs::File::create(folder.join("stderr"))?;
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(errors);
            begun.push((command.spawn().context("start a witness")?, ready));
        }
        begun.into_iter().map(|(child, ready)| Running::wait(child, &ready)).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Where they are, and their keys.
    pub(crate) fn witnesses(&self) -> Vec<Witness> {
        self.0.iter().map(|running| running.witness.clone()).collect()
    }
}

impl Running {
    fn wait(mut child: Child, ready: &Path) -> anyhow::Result<Self> {
        let began = Instant::now();
        loop {
            if let Ok(told) = std::fs::read(ready) {
                let told: Value = serde_json::from_slice(&told).context("read what a witness tells")?;
                let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
                let witness = Witness { url: text("url"), key: text("key").parse()? };
                return Ok(Self { child, witness });
            }
            if let Some(status) = child.try_wait()? {
                bail!("a witness ended at once ({status}); {} tells why", ready.with_file_name("stderr").display());
            }
            if began.elapsed() > START_MAX {
                bail!("a witness did not answer within {} s", START_MAX.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let began = Instant::now();
        while began.elapsed() < END_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // It holds nothing that is not on its disk.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
