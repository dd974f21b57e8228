//! `heng identity`: what about users has to be done beside the doors, because nobody can come in through them yet.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use heng_identity::{FirstStaff, Identity, IdentityOptions};
use heng_runtime::SystemClock;
use serde_json::json;

use crate::at_rest::AtRest;
use crate::serve::config::Config;
use crate::serve::{doors, process};
use crate::show::say;

/// Users of a broker that does not run.
#[derive(Args, Debug)]
pub struct IdentityArgs {
    #[command(subcommand)]
    word: Word,
}

#[derive(Subcommand, Debug)]
enum Word {
    /// Makes the first staff user, an administrator, who makes all others; only where there is none 创建首个员工账号
    FirstStaff(FirstStaffArgs),
}

#[derive(Args, Debug)]
struct FirstStaffArgs {
    /// Data folder of the process with the identity role, which must not run meanwhile
    #[arg(long, default_value = ".heng/serve")]
    data: PathBuf,
    /// Configuration file of that process (TOML), if it has one: it tells where the tables are
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sign-in name: 1 to 64 letters, digits, `.`, `_`, `-`, `@`
    #[arg(long)]
    name: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `heng identity`.
///
/// # Errors
/// If the data folder is in use, there is a staff user, or the tables fail.
pub fn run(args: &IdentityArgs) -> anyhow::Result<ExitCode> {
    match &args.word {
        Word::FirstStaff(args) => first_staff(args).map(|()| ExitCode::SUCCESS),
    }
}

fn first_staff(args: &FirstStaffArgs) -> anyhow::Result<()> {
    let config = Config::read_or_default(args.config.as_deref())?;
    std::fs::create_dir_all(&args.data).with_context(|| format!("create the data folder {}", args.data.display()))?;
    let _lock = process::lock(&args.data).context("the process with the identity role must not run meanwhile")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let made: FirstStaff = runtime.block_on(async {
        let place = doors::identity_store(
            &args.data,
            &config.store.url,
            &AtRest::open(&args.data, config.keys.url.as_deref())?,
        )?;
        let identity = Identity::open(&place, IdentityOptions::default(), Arc::new(SystemClock)).await;
        let identity = identity.context("open the tables of the identity role")?;
        let made = identity.make_first_staff(&args.name).await.context("make the first staff user");
        identity.close().await;
        made
    })?;
    let (name, password, secret) = (&args.name, made.password.expose(), made.totp_secret.expose());
    if args.json {
        let told = json!({ "id": made.id.to_string(), "user": name, "password": password, "totp_secret": secret });
        return say(&format!("{told}\n"));
    }
    say(&format!(
        "staff user:     {name} (administrator: makes users, does not trade)\n\
         password:       {password}\n\
         second factor:  {secret} (TOTP secret for an authenticator app)\n\
         Neither is shown again. Sign in within seven days, change the password, and make the other users.\n"
    ))
}
