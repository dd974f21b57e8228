//! `heng sim-sdf`: a process that stands for a GM/T 0018 device and its adapter. It protects nothing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use heng_security::keys::{SdfSimulator, SecretSource};
use serde_json::json;

use crate::show::say;

/// Simulates a GM/T 0018 device behind a Unix socket, for tests and demonstrations alone: its keys lie readable in a file.
///
/// Use it with `--token sdf:SOCKET` or `keys.url = "sdf:SOCKET"`. 模拟 GM/T 0018 密码设备，仅供测试和演示：密钥以明文保存在状态文件中。
#[derive(Args, Debug)]
pub struct SimSdfArgs {
    /// Where it listens 监听的 Unix 套接字
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// File of the device's keys; made if absent 设备状态文件
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Key-encryption keys 1 to N are made if absent 密钥加密密钥数量
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    keks: u16,
    /// Where the PIN for the right to use them comes from: file:PATH or env:NAME; without it none is needed 口令来源
    #[arg(long, value_name = "SOURCE")]
    pin_source: Option<String>,
    /// Say by one JSON object that it listens 以 JSON 输出
    #[arg(long)]
    json: bool,
}

/// Serves until it is stopped.
///
/// # Errors
/// If socket or file cannot be used.
pub fn run(args: &SimSdfArgs) -> anyhow::Result<ExitCode> {
    let source = args.pin_source.as_deref().map(str::parse::<SecretSource>).transpose()?;
    let pin = source.as_ref().map(SecretSource::read).transpose()?.unwrap_or_default();
    let device = Arc::new(SdfSimulator::open(&args.state, args.keks, &pin).context("open the simulated device")?);
    let listener = SdfSimulator::listen(&args.socket)?;
    let socket = args.socket.display().to_string();
    if args.json {
        say(&format!("{}\n", json!({ "simulator": "heng-sim-sdf", "serial": device.serial(), "socket": socket })))?;
    } else {
        say(&format!(
            "heng-sim-sdf: a SIMULATED device, which protects nothing; {} listens on {socket}\n",
            device.serial()
        ))?;
    }
    device.serve(&listener)?;
    Ok(ExitCode::SUCCESS)
}
