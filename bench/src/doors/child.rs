//! Load generators as processes of their own: the specification goes in, the outcome comes out.

use std::io;
use std::process::Stdio;

use clap::Subcommand;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::spec::{
    OrderLoad, OrderOutcome, PushLoad, PushOutcome, QueryLoad, QueryOutcome, VisibleLoad, VisibleOutcome,
};
use super::{load_fix, load_queries, load_rest, load_visible, load_ws};

/// The load generators: each reads its specification from standard input.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Load {
    /// Orders through the HTTP door.
    #[command(name = "load-rest", hide = true)]
    Rest,
    /// Orders through the FIX door.
    #[command(name = "load-fix", hide = true)]
    Fix,
    /// Subscribers of the market stream.
    #[command(name = "load-ws", hide = true)]
    Ws,
    /// Heavy reads and sign-ins.
    #[command(name = "load-queries", hide = true)]
    Queries,
    /// Fills, looked for in queries.
    #[command(name = "load-visible", hide = true)]
    Visible,
}

impl Load {
    const fn name(self) -> &'static str {
        match self {
            Self::Rest => "load-rest",
            Self::Fix => "load-fix",
            Self::Ws => "load-ws",
            Self::Queries => "load-queries",
            Self::Visible => "load-visible",
        }
    }
}

/// A specification, and the outcome that belongs to it.
pub(crate) trait Specification: Serialize {
    /// What the generator tells.
    type Outcome: DeserializeOwned;
}

impl Specification for OrderLoad {
    type Outcome = OrderOutcome;
}
impl Specification for PushLoad {
    type Outcome = PushOutcome;
}
impl Specification for QueryLoad {
    type Outcome = QueryOutcome;
}
impl Specification for VisibleLoad {
    type Outcome = VisibleOutcome;
}

/// A generator that runs.
pub(crate) struct Running<S: Specification> {
    child: Child,
    kind: std::marker::PhantomData<S>,
}

/// Starts a generator.
///
/// # Errors
/// If the process cannot be started.
pub(crate) async fn start<S: Specification>(load: Load, specification: &S) -> io::Result<Running<S>> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(load.name())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = child.stdin.take().expect("it was asked for");
    input.write_all(&serde_json::to_vec(specification)?).await?;
    Ok(Running { child, kind: std::marker::PhantomData })
}

impl<S: Specification> Running<S> {
    /// Waits for its outcome.
    ///
    /// # Errors
    /// If it fails.
    pub(crate) async fn outcome(mut self) -> io::Result<S::Outcome> {
        let mut told = Vec::new();
        if let Some(mut output) = self.child.stdout.take() {
            output.read_to_end(&mut told).await?;
        }
        if !self.child.wait().await?.success() {
            return Err(io::Error::other("a load generator failed"));
        }
        Ok(serde_json::from_slice(&told)?)
    }
}

/// Starts a generator and waits for it.
///
/// # Errors
/// As [`start`] and [`Running::outcome`].
pub(crate) async fn run<S: Specification>(load: Load, specification: &S) -> io::Result<S::Outcome> {
    start(load, specification).await?.outcome().await
}

/// What a generator's process does.
///
/// # Errors
/// If the specification cannot be read or the door cannot be reached.
pub(crate) fn obey(load: Load) -> Result<(), Box<dyn std::error::Error>> {
    let input = io::read_to_string(io::stdin())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(async {
        Ok::<_, Box<dyn std::error::Error>>(match load {
            Load::Rest => serde_json::to_string(&load_rest::run(serde_json::from_str(&input)?).await?)?,
            Load::Fix => serde_json::to_string(&load_fix::run(serde_json::from_str(&input)?).await?)?,
            Load::Ws => serde_json::to_string(&load_ws::run(serde_json::from_str(&input)?).await?)?,
            Load::Queries => serde_json::to_string(&load_queries::run(serde_json::from_str(&input)?).await?)?,
            Load::Visible => serde_json::to_string(&load_visible::run(serde_json::from_str(&input)?).await?)?,
        })
    })?;
    println!("{told}");
    Ok(())
}
