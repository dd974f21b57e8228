//! `heng evidence`: proofs out of a data folder or a server, and their check without either.

mod source;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use heng_compliance::{Archive, BUNDLE_BYTES_MAX, EvidenceBundle, Wanted};
use heng_identity::{Identity, IdentityOptions};
use heng_ports::ActionSource;
use heng_runtime::{Clock as _, SystemClock};
use heng_security::evidence::{Checkpoint, NOTE_BYTES_MAX, SignedNote, hex};
use heng_store::StoreUrl;
use heng_transport::{AskRequest, ask};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::at_rest::AtRest;
use crate::serve::config::Config;
use crate::serve::process;
use crate::show::say;
use source::FolderSource;
use verify::{VerifyArgs, read_bounded};

/// How long a server may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The evidence log.
#[derive(Args, Debug)]
pub struct EvidenceArgs {
    #[command(subcommand)]
    what: EvidenceCommand,
}

#[derive(Subcommand, Debug)]
enum EvidenceCommand {
    /// Write records with their salts and proofs, of an account, an order or a range of commands 导出证明
    Export(ExportArgs),
    /// Prove one record: what a command did to an account 证明一条记录
    Prove(ProveArgs),
    /// Check a bundle against keys that you trust, without any server 离线验证
    Verify(VerifyArgs),
    /// Size, roots, keys and the checkpoint 日志状态
    Status(StatusArgs),
    /// Build the tree again from the record and compare the roots 由事件日志重建并比对
    Rebuild(FolderArgs),
    /// Make new signing keys and sign the newest checkpoint with them too; nothing may run on the folder 换钥重签
    Resign(FolderArgs),
}

/// Where the log is.
#[derive(Args, Clone, Debug, Default)]
struct Where {
    /// The data folder of the process with the doors 数据目录
    #[arg(long, required_unless_present = "url")]
    data: Option<PathBuf>,
    /// The data folder of the core, if it is another one 核心数据目录
    #[arg(long, value_name = "DIR", requires = "data")]
    core_data: Option<PathBuf>,
    /// Its configuration file, if its tables are not in the folder 配置文件
    #[arg(long, value_name = "FILE", requires = "data")]
    config: Option<PathBuf>,
    /// A server instead of a folder, for example http://127.0.0.1:8600 服务器地址
    #[arg(long, conflicts_with = "data")]
    url: Option<String>,
    /// Token for the server [default: $HENG_TOKEN] 令牌
    #[arg(long, requires = "url")]
    token: Option<String>,
}

#[derive(Args, Debug)]
struct ExportArgs {
    #[command(flatten)]
    place: Where,
    /// Only of this account 账户
    #[arg(long, value_name = "ID")]
    account: Option<u64>,
    /// Only what speaks of this order 委托
    #[arg(long, value_name = "ID")]
    order: Option<u64>,
    /// First command 起始指令序号
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// Last command [default: the last under the checkpoint] 结束指令序号
    #[arg(long)]
    to: Option<u64>,
    /// Leaves at most 条数上限
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    form: Form,
}

#[derive(Args, Debug)]
struct ProveArgs {
    #[command(flatten)]
    place: Where,
    /// The command 指令序号
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    sequence: u64,
    /// The account; 0 = the house 账户
    #[arg(long, value_name = "ID")]
    account: u64,
    #[command(flatten)]
    form: Form,
}

#[derive(Args, Clone, Debug)]
struct Form {
    /// Prove too that the log extends the checkpoint in this file 更早的检查点
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Under the newest checkpoint that witnesses have cosigned 使用见证检查点
    #[arg(long)]
    witnessed: bool,
    /// Write the bundle to this file instead of stdout 输出文件
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object 以 JSON 输出
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct StatusArgs {
    #[command(flatten)]
    place: Where,
    /// Print one JSON object 以 JSON 输出
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct FolderArgs {
    /// The data folder of the process with the doors 数据目录
    #[arg(long)]
    data: PathBuf,
    /// The data folder of the core, if it is another one 核心数据目录
    #[arg(long, value_name = "DIR")]
    core_data: Option<PathBuf>,
    /// Its configuration file, if its tables are not in the folder 配置文件
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object 以 JSON 输出
    #[arg(long)]
    json: bool,
}

impl FolderArgs {
    fn place(&self) -> Where {
        let (data, core_data) = (Some(self.data.clone()), self.core_data.clone());
        Where { data, core_data, config: self.config.clone(), ..Where::default() }
    }
}

/// Runs `heng evidence`.
///
/// # Errors
/// If there is no log, it cannot be read, or the output cannot be written.
pub fn run(args: &EvidenceArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match &args.what {
        EvidenceCommand::Verify(args) => verify::run(args),
        EvidenceCommand::Export(args) => export(args, &runtime),
        EvidenceCommand::Prove(args) => prove(args, &runtime),
        EvidenceCommand::Status(args) => status(args, &runtime),
        EvidenceCommand::Rebuild(args) => rebuild(args, &runtime),
        EvidenceCommand::Resign(args) => resign(args, &runtime),
    }
}

/// Opens the log of a folder.
fn archive(place: &Where, runtime: &Runtime) -> anyhow::Result<Archive> {
    let data = place.data.as_deref().context("there is no data folder")?;
    let folder = data.join("evidence");
    if !folder.is_dir() {
        bail!(
            "there is no evidence log in {}; give the folder that `heng up --data` or `heng serve` used",
            data.display()
        );
    }
    let config = Config::read_or_default(place.config.as_deref())?;
    let owned = data.join("owned");
    let url = match config.store.url.as_str() {
        "sqlite" => StoreUrl::Sqlite(owned.clone()),
        server => server.parse()?,
    };
    let keys = config.keys.url.as_deref();
    let source = Arc::new(FolderSource::new(place.core_data.as_deref().unwrap_or(data), keys)?);
    let tables = AtRest::open(data, keys)?.tables();
    runtime.block_on(async {
        let has_trail = config.store.url != "sqlite" || owned.join("identity.db").exists();
        let trail = if has_trail {
            let options = IdentityOptions::default();
            let opened =
                Identity::open(&url.store("identity").sealed_by(tables.clone()), options, Arc::new(SystemClock)).await;
            Some(opened.context("open the trail of actions")? as Arc<dyn ActionSource>)
        } else {
            None
        };
        Archive::open(&url.store("compliance").sealed_by(tables), &folder, source, trail)
            .await
            .context("open the evidence log")
    })
}

fn earlier(form: &Form) -> anyhow::Result<Option<(String, u64)>> {
    let Some(path) = &form.since else { return Ok(None) };
    let text = String::from_utf8(read_bounded(path, NOTE_BYTES_MAX)?).context("the checkpoint is no text")?;
    let note = SignedNote::parse(text.as_bytes()).with_context(|| format!("read {}", path.display()))?;
    Ok(Some((text, Checkpoint::parse(&note.text)?.size)))
}

fn fetch(place: &Where, path: &str, runtime: &Runtime) -> anyhow::Result<Vec<u8>> {
    let url = format!("{}{path}", place.url.as_deref().context("there is no server")?.trim_end_matches('/'));
    let token = place.token.clone().or_else(|| std::env::var("HENG_TOKEN").ok());
    let (time_max, answer_max) = (ANSWER_MAX, BUNDLE_BYTES_MAX);
    let question =
        AskRequest { method: "GET", url: &url, token: token.as_deref(), body: Vec::new(), time_max, answer_max };
    let answer = runtime.block_on(ask(question))?;
    if answer.status != 200 {
        let told = String::from_utf8_lossy(&answer.body).chars().take(500).collect::<String>();
        bail!("the server answers {}: {told}", answer.status);
    }
    Ok(answer.body)
}

/// The bundle of what is wanted, from the folder or the server.
fn bundle(place: &Where, mut wanted: Wanted, form: &Form, runtime: &Runtime) -> anyhow::Result<EvidenceBundle> {
    let earlier = earlier(form)?;
    wanted.since = earlier.as_ref().map(|(_, size)| *size);
    let file = if place.url.is_some() {
        let mut path = format!("/v1/evidence/proof?from={}&limit={}", wanted.from, wanted.limit.min(1_000));
        for (name, value) in [("account", wanted.client), ("order", wanted.order), ("since", wanted.since)] {
            value.iter().for_each(|value| path += &format!("&{name}={value}"));
        }
        if wanted.to != u64::MAX {
            path += &format!("&to={}", wanted.to);
        }
        path += &format!("&witnessed={}", form.witnessed);
        EvidenceBundle::parse(&fetch(place, &path, runtime)?)?
    } else {
        archive(place, runtime)?.prove(&wanted, form.witnessed)?
    };
    match earlier {
        Some((text, _)) => Ok(file.with_earlier(text)?),
        None => Ok(file),
    }
}

fn give(file: &EvidenceBundle, form: &Form) -> anyhow::Result<ExitCode> {
    let text = serde_json::to_string(file)?;
    let Some(path) = &form.out else {
        say(&format!("{text}\n"))?;
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))?;
    let closed = file.leaves.iter().filter(|leaf| leaf.record.is_none()).count();
    let (count, size) = (file.leaves.len(), file.size);
    let told = json!({ "file": path, "leaves": count, "without_record": closed, "size": size, "origin": file.origin });
    say(&if form.json {
        format!("{told}\n")
    } else {
        format!("{}: {count} of {size} leaves, {closed} without their record\n", path.display())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn export(args: &ExportArgs, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let usual = Wanted::all(args.limit as usize);
    let to = args.to.unwrap_or(u64::MAX);
    let wanted = Wanted { client: args.account, order: args.order, from: args.from, to, ..usual };
    give(&bundle(&args.place, wanted, &args.form, runtime)?, &args.form)
}

fn prove(args: &ProveArgs, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let (client, from, to) = (Some(args.account), args.sequence, args.sequence);
    let file = bundle(&args.place, Wanted { client, from, to, ..Wanted::all(1) }, &args.form, runtime)?;
    if file.leaves.is_empty() {
        bail!("command {} said nothing to account {}, or no checkpoint covers it yet", args.sequence, args.account);
    }
    give(&file, &args.form)
}

fn status(args: &StatusArgs, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let told: Value = if args.place.url.is_some() {
        serde_json::from_slice(&fetch(&args.place, "/v1/evidence", runtime)?)?
    } else {
        let told = archive(&args.place, runtime)?.status()?;
        let keys =
            |keys: &[heng_security::evidence::VerifierKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
        json!({ "origin": told.origin, "size": told.checkpoint.size, "root": hex(&told.checkpoint.root),
            "sm3_root": told.checkpoint.sm3_root().map(|root| hex(&root)), "signed_by": told.signed_by,
            "leaves": told.leaves, "next_sequence": told.next_sequence, "keys": keys(&told.keys),
            "retired": keys(&told.retired), "public": told.public })
    };
    say(&if args.json { format!("{told}\n") } else { format!("{}\n", serde_json::to_string_pretty(&told)?) })?;
    Ok(ExitCode::SUCCESS)
}

fn rebuild(args: &FolderArgs, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let rebuilt = archive(&args.place(), runtime)?.rebuild()?;
    let same = rebuilt.is_same();
    let told = json!({ "same": same, "size": rebuilt.size, "rebuilt": rebuilt.rebuilt, "root": hex(&rebuilt.root),
        "rebuilt_root": hex(&rebuilt.rebuilt_root), "sm3_root": hex(&rebuilt.sm3_root),
        "rebuilt_sm3_root": hex(&rebuilt.rebuilt_sm3_root), "destroyed": rebuilt.destroyed,
        "differing": rebuilt.differing });
    let words = if same { "the same 一致" } else { "DIFFERENT 不一致" };
    say(&if args.json { format!("{told}\n") } else { format!("{words}\n{}\n", serde_json::to_string_pretty(&told)?) })?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn resign(args: &FolderArgs, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let _lock = process::lock(&args.data)?;
    let mut archive = archive(&args.place(), runtime)?;
    let note = runtime.block_on(archive.resign(SystemClock.now()))?;
    let status = archive.status()?;
    let keys: Vec<String> = status.keys.iter().map(ToString::to_string).collect();
    let told = json!({ "origin": status.origin, "checkpoint": note.to_string(), "keys": keys });
    say(&if args.json {
        format!("{told}\n")
    } else {
        format!("new keys 新密钥:\n  {}\n{note}", keys.join("\n  "))
    })?;
    Ok(ExitCode::SUCCESS)
}
