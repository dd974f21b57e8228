//! `heng ops`: what operators do beside the running broker.

mod ca;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Work of operators.
#[derive(Args, Debug)]
pub struct OpsArgs {
    #[command(subcommand)]
    what: OpsCommand,
}

#[derive(Subcommand, Debug)]
enum OpsCommand {
    /// The authority that issues certificates to the broker's roles 角色证书的签发机构
    Ca(ca::CaArgs),
}

/// Runs `heng ops`.
///
/// # Errors
/// What the command says.
pub fn run(args: &OpsArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        OpsCommand::Ca(args) => ca::run(args),
    }
}
