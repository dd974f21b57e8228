//! `heng keys drill`: the crypto-agility drill, in a ring that lives as long as it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use heng_security::keys::{Approval, Credential, DrillOptions, DrillReport, FileMaster, Unlock, drill};
use heng_security::provider::Algorithm;
use serde_json::json;

use super::output::Answer;

/// Writes and reads records while algorithm, data keys and master key are changed in turn, then opens the ring anew and
/// reads what was kept of every phase. 写入和读取记录的同时轮流更换算法、数据密钥和主密钥，最后重新打开密钥环逐条核对。
#[derive(Args, Debug)]
pub(super) struct DrillArgs {
    /// Folder in which the temporary ring is made [default: the system's] 临时目录所在位置
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How long records are written 持续秒数
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Threads that write, and as many that read 写线程数（读线程数相同）
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    threads: u8,
    /// Bytes of a record 每条记录的字节数
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(8..))]
    record: u16,
    /// Print exactly one JSON object 以 JSON 输出
    #[arg(long)]
    json: bool,
}

/// A folder that goes when the drill ends.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn officers() -> anyhow::Result<Approval> {
    let credential = |name| Credential::new(name, b"nobody needs it after the drill");
    Ok(Approval([credential("drill.one")?, credential("drill.two")?]))
}

pub(super) fn run(args: &DrillArgs) -> anyhow::Result<ExitCode> {
    let parent = args.data.clone().unwrap_or_else(std::env::temp_dir);
    let folder = Temporary(parent.join(format!("heng-keys-drill-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).with_context(|| format!("make {}", folder.0.display()))?;
    let unlock = Unlock::Passphrase(b"nobody needs it after the drill".to_vec().into());
    let master = FileMaster::create(&folder.0.join("master.key"), Algorithm::Sm4Gcm, &unlock)?;
    let (duration, threads) = (Duration::from_secs(args.seconds), usize::from(args.threads));
    let options = DrillOptions { duration, threads, record: usize::from(args.record) };
    let report = drill(&folder.0, Arc::new(master), &officers()?, options)?;
    answer(&report).print(args.json)?;
    let good = report.unreadable == 0 && report.unwritten == 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn answer(report: &DrillReport) -> Answer {
    let rate = |count: u64| count * 1_000 / report.millis.max(1);
    let DrillReport {
        written,
        read,
        kept,
        unreadable,
        unwritten,
        algorithm_changes,
        master_rotations,
        data_rotations,
        keys,
        millis,
    } = *report;
    let text = format!(
        "{written} records written ({}/s), {read} read ({}/s), {unreadable} unreadable, {unwritten} not written; {kept} kept through all changes and read at the end\n\
         {algorithm_changes} changes of the algorithm, {master_rotations} rotations of the master key, {data_rotations} of \
         the data keys, {keys} data keys, {millis} ms\n",
        rate(written),
        rate(read),
    );
    let json = json!({
        "written": written, "read": read, "kept_to_the_end": kept, "unreadable": unreadable, "unwritten": unwritten,
        "written_per_s": rate(written), "read_per_s": rate(read), "algorithm_changes": algorithm_changes,
        "master_rotations": master_rotations, "data_rotations": data_rotations, "keys": keys, "millis": millis,
    });
    Answer { text, json }
}
