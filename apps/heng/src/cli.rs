//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Heng 衡: the back office of an internet securities broker.
///
/// Exit codes: 0 done, 1 a check failed or an error, 2 bad usage, 3 an outside program is missing, 4 the disk failed.
#[derive(Parser, Debug)]
#[command(name = "heng", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Word,
}

#[derive(Subcommand, Debug)]
enum Word {
    /// A live simulated market with HTTP door, SQL view and dashboard 启动实时模拟市场
    Up(crate::up::UpArgs),
    /// Roles of the broker in this process: all of them, the core alone, or the doors alone 按角色运行
    Serve(crate::serve::ServeArgs),
    /// The first staff user of a broker without a demonstration 身份管理
    Identity(crate::identity::IdentityArgs),
    /// An exchange simulator that speaks FIX 4.4 and can be told to fail 交易所模拟器（可注入故障）
    Venue(crate::venue::VenueArgs),
    /// One whole trading day at full speed, and proof that the books balance 全速运行一个交易日并证明账平
    Day(crate::day::DayArgs),
    /// Real order flow through the matching engine, compared with the exchange's tape 用真实委托流水回放撮合
    Replay(crate::replay::Args),
    /// Questions to the dated rule book 查询带日期的交易规则
    Rules(crate::rules::RulesArgs),
    /// The command journal: verify, dump, repair, quarantine 指令日志
    Journal(crate::journal::JournalArgs),
    /// The event log, the record 事件日志
    Events(crate::events::EventsArgs),
    /// SM2, SM3 and SM4, for checks against other programs 国密算法
    Crypto(crate::crypto::CryptoArgs),
    /// Certificates of roles and other work of operators 运维：角色证书等
    Ops(crate::ops::OpsArgs),
    /// The evidence log: export, prove, verify, status, rebuild, resign 存证日志
    Evidence(crate::evidence::EvidenceArgs),
    /// A witness that cosigns checkpoints of evidence logs 存证见证人
    Witness(crate::witness::WitnessArgs),
    /// The keys of what is stored: make, rotate, destroy, drill 密钥管理
    Keys(crate::keys::KeysArgs),
    /// A simulated GM/T 0018 device, for tests and demonstrations alone 模拟密码设备（仅供测试）
    #[command(hide = true)]
    SimSdf(crate::sim_sdf::SimSdfArgs),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    heng_runtime::take_memory_in_small_pages();
    let cli = Cli::parse();
    let result = match &cli.command {
        Word::Up(args) => crate::up::run(args),
        Word::Serve(args) => crate::serve::run(args),
        Word::Identity(args) => crate::identity::run(args),
        Word::Venue(args) => crate::venue::run(args),
        Word::Day(args) => crate::day::run(args),
        Word::Replay(args) => crate::replay::run(args),
        Word::Rules(args) => crate::rules::run(args),
        Word::Journal(args) => crate::journal::run(args),
        Word::Events(args) => crate::events::run(args),
        Word::Crypto(args) => crate::crypto::run(args),
        Word::Ops(args) => crate::ops::run(args),
        Word::Evidence(args) => crate::evidence::run(args),
        Word::Witness(args) => crate::witness::run(args),
        Word::Keys(args) => crate::keys::run(args),
        Word::SimSdf(args) => crate::sim_sdf::run(args),
    };
    result.unwrap_or_else(|error| {
        if crate::show::reader_has_enough(&error) {
            return ExitCode::SUCCESS;
        }
        eprintln!("error: {}", crate::show::story(&error));
        ExitCode::FAILURE
    })
}
