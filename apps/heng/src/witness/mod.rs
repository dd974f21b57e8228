//! `heng witness`: a process of its own that cosigns checkpoints of evidence logs (C2SP tlog-witness).
//!
//! *Invariant:* it cosigns only what extends what it has cosigned before; what it is about to cosign is on its disk first.
//! *Invariant:* it believes nobody: a checkpoint counts only with the signature of a key that it was started with.
//!
//! Deliberately absent: reading the log's entries, finding logs by itself, TLS (a proxy of the operator's).

mod demo;
mod keeper;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use clap::Args;
use heng_runtime::{Clock as _, SystemClock};
use heng_security::evidence::{NOTE_BYTES_MAX, VerifierKey};
use heng_transport::{Health, Metrics, Server, ServerOptions};
use serde_json::json;
use tokio::sync::watch;

use crate::serve::{process, ready};
use crate::show::say;
pub(crate) use demo::DemoWitnesses;
use keeper::{Answer, Keeper};

/// Requests at once; a witness answers in a millisecond.
const REQUESTS_MAX: usize = 64;

/// A witness that cosigns checkpoints of evidence logs.
///
/// It keeps its key and what it has cosigned in its folder. 见证人：核对存证日志只追加、不改写后联署检查点。
#[derive(Args, Debug)]
pub struct WitnessArgs {
    /// Folder of its key and of what it has cosigned 数据目录
    #[arg(long, default_value = ".heng/witness")]
    data: PathBuf,
    /// Name of a new key, a URL without its scheme [default: a random one] 新密钥名称
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Key of a log to witness (name+id+key); may be given more than once 被见证日志的公钥
    #[arg(long, value_name = "VKEY", required = true)]
    log: Vec<VerifierKey>,
    /// Port on the loopback; 0 = any free one 监听端口
    #[arg(long, value_name = "N", default_value_t = 8650)]
    port: u16,
    /// Address to listen at, instead of the loopback 监听地址
    #[arg(long, value_name = "ADDR", conflicts_with = "port")]
    address: Option<SocketAddr>,
    /// Write address and key to this file as soon as it answers 就绪文件
    #[arg(long, value_name = "F")]
    ready_file: Option<PathBuf>,
    /// End when stdin ends, as it does with the process that holds its other side 标准输入关闭即退出
    #[arg(long)]
    until_stdin_ends: bool,
    /// Print one JSON object 以 JSON 输出
    #[arg(long)]
    json: bool,
}

/// Runs `heng witness` until it is told to stop.
///
/// # Errors
/// If the folder, its key or the port cannot be used.
pub fn run(args: &WitnessArgs) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.data).with_context(|| format!("create {}", args.data.display()))?;
    let _lock = process::lock(&args.data)?;
    if let Some(file) = &args.ready_file {
        ready::clear(file)?;
    }
    let keeper = Keeper::open(&args.data, args.name.as_deref(), &args.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = process::stop_signals(&runtime)?;
    if args.until_stdin_ends {
        end_with_stdin(stop.clone())?;
    }
    runtime.block_on(serve(args, Arc::new(keeper), &stop))?;
    Ok(ExitCode::SUCCESS)
}

/// The kernel closes a pipe however the process on its other side ended.
fn end_with_stdin(stop: watch::Sender<bool>) -> anyhow::Result<()> {
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        stop.send_replace(true);
    })?;
    Ok(())
}

async fn serve(args: &WitnessArgs, keeper: Arc<Keeper>, stop: &watch::Sender<bool>) -> anyhow::Result<()> {
    let address = args.address.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)));
    let options = ServerOptions {
        body_max: NOTE_BYTES_MAX,
        requests_max: REQUESTS_MAX,
        connections_max: 4 * REQUESTS_MAX,
        request_max: Duration::from_secs(5),
        drain_max: Duration::from_secs(1),
        ..ServerOptions::at(address)
    };
    let server = Server::bind(options, Arc::new(Metrics::default()), Health::default()).await?;
    let told = json!({ "url": format!("http://{}", server.address()), "key": keeper.key().to_string() });
    let routes = Router::new()
        .route("/", get(show_key))
        .route("/add-checkpoint", post(add_checkpoint))
        .with_state(Arc::clone(&keeper));
    let serving = tokio::spawn(server.serve(routes, process::stopped(stop.subscribe())));
    if let Some(file) = &args.ready_file {
        ready::write(file, &told)?;
    }
    let line = if args.json { told.to_string() } else { format!("witness: {} {}", told["url"], keeper.key()) };
    if let Err(error) = say(&format!("{line}\n")) {
        tracing::warn!(%error, "tell that the witness answers");
    }
    serving.await.context("the door's task ended")??;
    if let Some(file) = &args.ready_file {
        ready::clear(file)?;
    }
    Ok(())
}

async fn show_key(State(keeper): State<Arc<Keeper>>) -> String {
    format!("{}\n", keeper.key())
}

async fn add_checkpoint(State(keeper): State<Arc<Keeper>>, body: Bytes) -> Response {
    let now = u64::try_from(SystemClock.now() / 1_000_000_000).unwrap_or(0);
    // The disk may take a while.
    let judged = tokio::task::spawn_blocking(move || keeper.add_checkpoint(&body, now)).await;
    let Answer { status, kind, text } = judged.unwrap_or_else(|failure| Answer::failed(&failure));
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}
