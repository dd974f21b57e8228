//! `heng venue`: an exchange simulator in a process of its own, which speaks FIX 4.4 and can be told to fail.
//!
//! *Invariant:* what it tells about its trades (`/trades`) is what its books did, whatever faults its messages suffer.
//! *Invariant:* a fault spoils messages and connections, never the books.
//!
//! Deliberately absent: call auctions, phases and clearing; `docs/venues.md` says what it does and the faults it knows.

mod control;
mod desk;
mod exchange;
mod faults;
mod floor;
mod flow;
mod gate;
mod mail;
mod reports;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;

use anyhow::Context as _;
use clap::Args;
use heng_security::tls::{Door, PemFiles};
use heng_transport::fix::{
    FileStore, FixAcceptor, FixAcceptorOptions, FixApplicationKind, FixLimits, FixParts, FixRole, FixSession,
    FixSessionConfig, MemoryStore, MessageStore, SystemClock,
};
use heng_transport::{ChooseTls, Health, Metrics, Server, ServerOptions};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::serve::{process, ready};
use crate::show::say;
use crate::up::Lang;
use control::Control;
use exchange::Terms;
use faults::{Fault, Faults};
use floor::Floor;
use gate::Gate;
use mail::Mail;

/// The session's messages that are kept for a resend, in bytes.
const STORE_MAX: usize = 256 << 20;

/// An exchange simulator that speaks FIX 4.4, with fault injection.
///
/// The broker connects to it as the initiator (`[[venues]]` with kind = "fix"). Without --data its books live as long
/// as the process. 交易所模拟器：以 FIX 4.4 接受连接，可注入故障；不给 --data 时重启后簿记清空。
#[derive(Args, Debug)]
pub struct VenueArgs {
    /// Port of the first gateway; 0 = any free one 主网关端口
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Port of the second gateway, to cut over to; 0 = any free one 备网关端口
    #[arg(long, value_name = "N", default_value_t = 0)]
    backup_port: u16,
    /// Port of the control door (HTTP: /status /trades /orders /faults /gateways /close-day); 0 = any free one 控制端口
    #[arg(long, value_name = "N", default_value_t = 0)]
    control_port: u16,
    /// Write the addresses to this file as soon as the venue takes orders 就绪文件
    #[arg(long, value_name = "F")]
    ready_file: Option<PathBuf>,
    /// `CompID` of the venue 交易所的 `CompID`
    #[arg(long, value_name = "ID", default_value = "VENUE")]
    sender: String,
    /// `CompID` of the broker 券商的 `CompID`
    #[arg(long, value_name = "ID", default_value = "HENG")]
    target: String,
    /// Speak TLS at the gateways with this certificate chain (PEM); one on the SM2 curve makes it SM alone 网关 TLS 证书
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its key (PEM) 网关 TLS 私钥
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Instruments: JSON [{"symbol","reference","lower","upper","tick"}]; others are learnt from their first order 证券文件
    #[arg(long, value_name = "FILE")]
    instruments: Option<PathBuf>,
    /// Orders of other people in a second, so that clients' orders trade 背景委托（笔/秒）
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    flow: u32,
    /// Seed of the background flow and of the faults 随机种子
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Keep books and session in this folder 数据目录
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A fault from the start: slow, silent, duplicate, out-of-order, reject-storm, disconnect or drop, with rate=,
    /// `delay_ms`=, every= and `for_ms`=, as in slow:delay_ms=200,rate=50. May be given more than once 启动即注入的故障
    #[arg(long, value_name = "FAULT")]
    fault: Vec<Fault>,
    /// Print one JSON object 以 JSON 输出
    #[arg(long)]
    json: bool,
    /// Language of what is printed 输出语言
    #[arg(long, value_enum, default_value_t)]
    lang: Lang,
}

/// Runs `heng venue` until it is told to stop.
///
/// # Errors
/// If a port, a file or the data folder cannot be used.
pub fn run(args: &VenueArgs) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.ready_file {
        ready::clear(file)?;
    }
    let _lock = match &args.data {
        Some(data) => {
            std::fs::create_dir_all(data).with_context(|| format!("create the data folder {}", data.display()))?;
            Some(process::lock(data)?)
        }
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let stop = process::stop_signals(&runtime)?;
    runtime.block_on(serve(args, &stop))?;
    Ok(ExitCode::SUCCESS)
}

fn terms(path: Option<&Path>) -> anyhow::Result<Vec<Terms>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("read the instruments in {}", path.display()))
}

fn session(args: &VenueArgs, floor: &Arc<Floor>, faults: &Arc<Faults>) -> anyhow::Result<Arc<FixSession>> {
    let config = FixSessionConfig {
        begin: "FIX.4.4".to_owned(),
        default_appl_ver: None,
        sender: args.sender.clone(),
        target: args.target.clone(),
        heartbeat_s: 30,
        reset_on_logon: false,
        application: FixApplicationKind::Trading,
    };
    let store: Box<dyn MessageStore> = match &args.data {
        Some(data) => Box::new(FileStore::open(&data.join("session"), STORE_MAX as u64).context("open the session")?),
        None => Box::new(MemoryStore::new(STORE_MAX)),
    };
    let application = Arc::new(desk::Desk { floor: Arc::clone(floor), faults: Arc::clone(faults) });
    let clock = Arc::new(SystemClock::default());
    Ok(FixSession::open(
        &config,
        FixParts { role: FixRole::Acceptor, limits: FixLimits::default(), store, application, clock },
    )?)
}

fn tls(args: &VenueArgs) -> anyhow::Result<Option<ChooseTls>> {
    let Some((certificate, key)) = args.tls_certificate.clone().zip(args.tls_key.clone()) else { return Ok(None) };
    let files = PemFiles { certificate, key };
    // The key tells which suites it is for.
    let door = Door::open(Some(&files), None, &[]).or_else(|_| Door::open(None, Some(&files), &[]))?;
    Ok(Some(Arc::new(move |hello| door.choose(hello))))
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

async fn serve(args: &VenueArgs, stop: &watch::Sender<bool>) -> anyhow::Result<()> {
    let (reports, mailed) = channel();
    let floor = Arc::new(Floor::open(terms(args.instruments.as_deref())?, args.data.as_deref(), reports)?);
    let faults = Arc::new(Faults::new(args.seed));
    args.fault.iter().for_each(|fault| faults.begin(*fault));
    let session = session(args, &floor, &faults)?;
    let acceptor = FixAcceptor::bind(FixAcceptorOptions::at(local(0)), vec![Arc::clone(&session)]).await?;
    let acceptor = if let Some(tls) = tls(args)? { acceptor.with_tls(tls) } else { acceptor };
    let mut gates = Vec::new();
    for port in [args.port, args.backup_port] {
        let gate = Gate::open(local(port), acceptor.address(), stop.subscribe()).await;
        gates.push(gate.with_context(|| format!("listen at port {port}"))?);
    }
    let (ready, swapped) = (VecDeque::new(), None);
    let mail =
        Mail { session: Arc::clone(&session), gates: gates.clone(), faults: Arc::clone(&faults), ready, swapped };
    std::thread::Builder::new().name("mail".into()).spawn(move || mail.run(&mailed))?;
    let accepting = tokio::spawn(acceptor.serve(process::stopped(stop.subscribe())));
    let server =
        Server::bind(ServerOptions::at(local(args.control_port)), Arc::new(Metrics::default()), Health::default());
    let server = server.await?;
    let told = told(args, &gates, server.address());
    if args.flow > 0 {
        let (floor, rate, seed, stop) = (Arc::clone(&floor), args.flow, args.seed, stop.subscribe());
        std::thread::Builder::new().name("flow".into()).spawn(move || flow::run(&floor, rate, seed, &stop))?;
    }
    let routes = control::routes(Arc::new(Control { floor, faults, session, gates }));
    let controlling = tokio::spawn(server.serve(routes, process::stopped(stop.subscribe())));
    say(&shown(args, &told))?;
    if let Some(file) = &args.ready_file {
        ready::write(file, &told)?;
    }
    accepting.await.context("the acceptor's task ended")?;
    controlling.await.context("the control door's task ended")??;
    Ok(())
}

/// What clients need to know. `sender` and `target` are the venue's view: the broker's `sender` is our `target`.
fn told(args: &VenueArgs, gates: &[Arc<Gate>], control: SocketAddr) -> Value {
    let at = |gate: &Gate| {
        json!({
            "host": gate.address().ip().to_string(), "port": gate.address().port(),
            "begin": "FIX.4.4", "sender": args.sender, "target": args.target,
        })
    };
    json!({ "fix": at(&gates[0]), "backup": at(&gates[1]), "control": format!("http://{control}"), "pid": std::process::id() })
}

fn shown(args: &VenueArgs, told: &Value) -> String {
    if args.json {
        return format!("{told}\n");
    }
    let (first, second, control) =
        (&told["fix"]["port"], &told["backup"]["port"], told["control"].as_str().unwrap_or(""));
    match args.lang {
        Lang::En => format!(
            "venue {} for {}: FIX 4.4 at 127.0.0.1:{first}, second gateway at 127.0.0.1:{second}\ncontrol: {control}/status\n",
            args.sender, args.target
        ),
        Lang::Zh => format!(
            "交易所 {}（对手 {}）：FIX 4.4 主网关 127.0.0.1:{first}，备网关 127.0.0.1:{second}\n控制端口：{control}/status\n",
            args.sender, args.target
        ),
    }
}
