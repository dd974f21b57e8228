//! Frames between the SDF adapter and its device, from either side: a hostile caller at the simulator, and a hostile
//! device behind the adapter. Both end the connection or answer; neither panics, waits or grows.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use heng_security::keys::{MasterKey as _, SdfConfig, SdfMaster, SdfSimulator};
use libfuzzer_sys::fuzz_target;

struct Place {
    simulator: PathBuf,
    device: PathBuf,
    /// What the hostile device says to the next caller.
    says: Arc<Mutex<Vec<u8>>>,
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("heng-fuzz-sdf-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let (simulator, device) = (folder.join("sim"), folder.join("dev"));
        let sdf = Arc::new(SdfSimulator::open(&folder.join("state"), 2, b"").expect("a device"));
        let listener = SdfSimulator::listen(&simulator).expect("a socket");
        std::thread::spawn(move || sdf.serve(&listener));
        let listener = UnixListener::bind(&device).expect("a socket");
        let says = Arc::new(Mutex::new(Vec::new()));
        let words = Arc::clone(&says);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let words = words.lock().expect("nobody panicked").clone();
                // Whoever asks hears all at once, and then the end.
                let _ = stream.write_all(&words);
                let _ = stream.shutdown(Shutdown::Write);
                stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a time");
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
        Place { simulator, device, says }
    })
}

/// Each frame stands behind its length; the input has pieces with one byte of length.
fn frames(mut bytes: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (frame, left) = rest.split_at(usize::from(*length).min(rest.len()));
        framed.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        framed.extend_from_slice(frame);
        bytes = left;
    }
    framed
}

fn caller(place: &Place, bytes: &[u8]) {
    let mut stream = UnixStream::connect(&place.simulator).expect("the simulator listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time");
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).ok();
    assert!(answers.len() < 1 << 20, "an answer is bounded");
}

fn device(place: &Place, bytes: &[u8]) {
    bytes.clone_into(&mut place.says.lock().expect("nobody panicked"));
    let config = SdfConfig { socket: place.device.clone(), kek: 1, pin: Vec::new().into() };
    if let Ok(master) = SdfMaster::open(&config) {
        assert!(master.unwrap(1, b"wrapped by nobody", b"").is_err());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => caller(place(), rest),
        1 => caller(place(), &frames(rest)),
        2 => device(place(), rest),
        _ => device(place(), &frames(rest)),
    }
});
