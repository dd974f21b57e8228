//! A real PostgreSQL for tests: in a temporary folder, on a free loopback port, never as root, gone at the end.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server. Dropping it stops it and removes its folder; so does the end of this process, however it ends.
pub(crate) struct PostgresServer {
    watched: Child,
    folder: PathBuf,
    /// `postgres://…` of its database, with the password.
    pub(crate) url: String,
}

/// How long the server may take until it answers.
const START_MAX: Duration = Duration::from_secs(60);
const PASSWORD: &str = "for this test alone";

/// Says that a test did not run where `./heng test` looks for it.
pub(crate) fn skip(name: &str, why: &str) {
    let line = format!("SKIPPED: {name}: {why}");
    println!("{line}");
    if let Ok(log) = std::env::var("HENG_SKIP_LOG") {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(log).expect("open HENG_SKIP_LOG");
        writeln!(file, "{line}").expect("write HENG_SKIP_LOG");
    }
}

/// The folder of the server's programs: one that is in PATH, or the newest below `/usr/lib/postgresql`.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let folders = std::env::split_paths(&path).chain(versions.into_iter().rev().map(|(_, folder)| folder));
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// The user that the server runs as, if we are root, which PostgreSQL refuses.
fn plain_user() -> Option<(u32, u32)> {
    let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(|field| field.parse().ok());
        Some((fields.next()??, fields.next()??))
    };
    if root { find("postgres").or_else(|| find("nobody")) } else { None }
}

fn as_user(mut command: Command, user: Option<(u32, u32)>, folder: &Path) -> Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.current_dir(folder).env("LC_ALL", "C").env_remove("PGDATA").env_remove("PGOPTIONS");
    command
}

/// The folder, with the password in it, owned by the server's user.
fn make_folder(folder: &Path, user: Option<(u32, u32)>) {
    fs::create_dir(folder).expect("a folder for the server");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("a private folder");
    let password = folder.join("password");
    fs::write(&password, PASSWORD).expect("a password file");
    if let Some((uid, gid)) = user {
        for path in [folder, &password] {
            chown(path, Some(uid), Some(gid)).expect("the server's user owns its folder");
        }
    }
}

impl PostgresServer {
    /// Starts one, or says why there is none.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            skip(test, "no PostgreSQL (package postgresql)");
            return None;
        };
        let user = plain_user();
        let number = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_nanos();
        let folder = std::env::temp_dir().join(format!("heng-postgres-{}-{number}", std::process::id()));
        make_folder(&folder, user);
        // The port is free now; if somebody takes it before the server does, another is tried.
        for _ in 0..5 {
            let port =
                TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).expect("a port").port();
            let watched = launch(&programs, &folder, user, port);
            let url = format!("postgres://heng:{}@127.0.0.1:{port}/postgres", PASSWORD.replace(' ', "%20"));
            let mut server = Self { watched, folder: folder.clone(), url };
            if server.answers(port) {
                return Some(server);
            }
            server.folder = PathBuf::new();
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        fs::remove_dir_all(&folder).ok();
        panic!("the server does not start: {log}");
    }

    fn answers(&mut self, port: u16) -> bool {
        let until = Instant::now() + START_MAX;
        while Instant::now() < until && self.watched.try_wait().expect("a child").is_none() {
            let ready = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
            if ready.lines().any(|line| line.trim() == "ready") && TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        false
    }
}

/// Makes the database where there is none and runs the server, watched by a shell that stops it and removes the folder as
/// soon as our end of the shell's input is closed: also when this process is killed.
fn launch(programs: &Path, folder: &Path, user: Option<(u32, u32)>, port: u16) -> Child {
    // TERM ends the shell of initdb, QUIT the server at once.
    let script = r#"
        ( [ -f data/PG_VERSION ] || "$0/initdb" -D data --pwfile password -U heng -A scram-sha-256 -E UTF8 --locale=C \
            --no-sync --no-instructions || exit 1
        exec "$0/postgres" -D data -h 127.0.0.1 -p "$1" -k "$PWD" -c fsync=off -c max_connections=60
        ) >>log 2>&1 & server=$!
        ( while kill -0 $server 2>/dev/null; do sleep 0.1; done; kill $$ 2>/dev/null ) &
        read -r _
        kill -TERM $server 2>/dev/null; kill -QUIT $server 2>/dev/null; wait $server; cd /
        rm -rf "$2"; [ ! -e "$2" ] || { sleep 2; rm -rf "$2"; }"#;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).arg(programs).arg(port.to_string()).arg(folder);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    as_user(shell, user, folder).spawn().expect("a shell starts")
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.watched.stdin.take());
        self.watched.wait().ok();
        if !self.folder.as_os_str().is_empty() {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}
