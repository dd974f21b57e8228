//! An acceptor that returns each message, for conformance suites.
//!
//! `fix_echo PORT [SENDER TARGET [FOLDER]]` serves all versions as SENDER (ISLD) for TARGET (TW). With a FOLDER, sessions
//! go on where they ended; without, they begin anew with each logon.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use heng_transport::fix::{
    EchoApplication, FileStore, FixAcceptor, FixAcceptorOptions, FixApplication, FixApplicationKind, FixLimits,
    FixParts, FixRole, FixSession, FixSessionConfig, MemoryStore, MessageStore, SystemClock,
};

const STORE_MAX: usize = 64 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let port: u16 = words.next().ok_or("usage: fix_echo PORT [SENDER TARGET [FOLDER]]")?.parse()?;
    let sender = words.next().unwrap_or_else(|| "ISLD".to_owned());
    let target = words.next().unwrap_or_else(|| "TW".to_owned());
    let folder = words.next();
    let echo: Arc<dyn FixApplication> = Arc::new(EchoApplication::default());
    let mut sessions = Vec::new();
    for begin in ["FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"] {
        let config = FixSessionConfig {
            begin: begin.to_owned(),
            default_appl_ver: (begin == "FIXT.1.1").then(|| "FIX.5.0".to_owned()),
            sender: sender.clone(),
            target: target.clone(),
            heartbeat_s: 30,
            reset_on_logon: folder.is_none(),
            application: FixApplicationKind::Echo,
        };
        let store: Box<dyn MessageStore> = match &folder {
            Some(folder) => Box::new(FileStore::open(&Path::new(folder).join(begin), STORE_MAX as u64)?),
            None => Box::new(MemoryStore::new(STORE_MAX)),
        };
        let parts = FixParts {
            role: FixRole::Acceptor,
            limits: FixLimits::default(),
            store,
            application: Arc::clone(&echo),
            clock: Arc::new(SystemClock::default()),
        };
        sessions.push(FixSession::open(&config, parts)?);
    }
    let options = FixAcceptorOptions::at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let acceptor = FixAcceptor::bind(options, sessions).await?;
    println!("{}", acceptor.address());
    let stop = async {
        // Without signals only a kill ends it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    acceptor.serve(stop).await;
    Ok(())
}
