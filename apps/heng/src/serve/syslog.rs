//! The log sent to another system: syslog of RFC 5424 over TCP, each message with its length before it (RFC 6587, 3.4.1).
//! TCP is plain: name a collector on this machine or on a network of its own, which sends it on.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use heng_model::UnixNanos;
use tracing::Level;

use super::log_line::utc;

/// Messages that wait while the collector is away; further ones are counted.
const QUEUE_LEN_MAX: usize = 4_096;
/// Between two tries to reach the collector, and how long one may take.
const RETRY: Duration = Duration::from_secs(2);
const WRITE_MAX: Duration = Duration::from_secs(5);
/// Facility "security/authorization, private" (10).
const FACILITY: u8 = 10;

/// Where messages are handed over. The sender's thread ends when this is dropped.
pub(crate) struct Syslog {
    queue: SyncSender<String>,
    lost: Arc<AtomicU64>,
    process: u32,
    host: String,
}

const fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

impl Syslog {
    /// Begins to send to `collector`; nobody ever waits for it.
    pub(crate) fn begin(collector: SocketAddr) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE_LEN_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("syslog".into());
        thread.spawn(move || forward(collector, &waiting, &counted))?;
        let told = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let plain: String = told.chars().filter(char::is_ascii_graphic).take(255).collect();
        let host = if plain.is_empty() { "-".to_owned() } else { plain };
        Ok(Self { queue, lost, process: std::process::id(), host })
    }

    /// Hands over one line, a JSON object.
    pub(crate) fn send(&self, time: UnixNanos, level: Level, line: &str) {
        let priority = FACILITY * 8 + severity(level);
        let (time, line) = (utc(time), line.trim_end());
        let message = format!("<{priority}>1 {time} {} heng {} - - {line}", self.host, self.process);
        if self.queue.try_send(message).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn connect(collector: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&collector, WRITE_MAX).ok()?;
    stream.set_write_timeout(Some(WRITE_MAX)).ok()?;
    Some(stream)
}

/// Sends what comes. A message that could not be written is sent again on the next connection.
fn forward(collector: SocketAddr, waiting: &Receiver<String>, lost: &AtomicU64) {
    let (mut stream, mut held): (Option<TcpStream>, Option<String>) = (None, None);
    loop {
        let message = match held.take() {
            Some(message) => message,
            None => match waiting.recv() {
                Ok(message) => message,
                Err(_) => return,
            },
        };
        stream = stream.or_else(|| connect(collector));
        let sent = stream.as_mut().is_some_and(|stream| write(stream, &message, lost));
        if !sent {
            (stream, held) = (None, Some(message));
            // Waits without taking anything out of the queue; the end of the process is noticed all the same.
            std::thread::park_timeout(RETRY);
        }
    }
}

fn write(stream: &mut TcpStream, message: &str, lost: &AtomicU64) -> bool {
    let count = lost.swap(0, Ordering::Relaxed);
    let mut frame = String::new();
    if count > 0 {
        let head = message.split(" - - ").next().unwrap_or_default();
        let told = format!("{head} - - {{\"message\":\"{count} lines did not fit the queue to the collector\"}}");
        frame = format!("{} {told}", told.len());
    }
    frame.push_str(&format!("{} {message}", message.len()));
    stream.write_all(frame.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_collector_gets_each_message_with_its_length() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let syslog = Syslog::begin(listener.local_addr().expect("an address")).expect("a thread");
        syslog.send(UnixNanos(0), Level::WARN, "{\"message\":\"衡\"}\n");
        syslog.send(UnixNanos(0), Level::ERROR, "{}\n");
        let (mut stream, _) = listener.accept().expect("it connects");
        drop(syslog);
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("text until it ends");
        let (len, rest) = text.split_once(' ').expect("a length");
        let (first, second) = rest.split_at(len.parse().expect("digits"));
        assert!(first.starts_with("<84>1 1970-01-01T00:00:00.000Z "), "{first}");
        assert!(first.ends_with(&format!(" heng {} - - {{\"message\":\"衡\"}}", std::process::id())), "{first}");
        assert!(second.split_once(' ').is_some_and(|(_, second)| second.starts_with("<83>1 ")), "{second}");
    }
}
