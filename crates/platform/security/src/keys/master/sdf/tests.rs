//! The device's functions, and wrapping by it.

use super::*;
use std::sync::Arc;

struct Running {
    _folder: tempfile::TempDir,
    socket: PathBuf,
    state: PathBuf,
}

fn run(keks: u16, pin: &[u8]) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, state) = (folder.path().join("sdf.sock"), folder.path().join("sdf.state"));
    let device = Arc::new(SdfSimulator::open(&state, keks, pin).expect("a device"));
    let listener = SdfSimulator::listen(&socket).expect("it listens");
    // It ends with the test's process.
    std::thread::spawn(move || device.serve(&listener));
    Running { _folder: folder, socket, state }
}

fn config(running: &Running, kek: u32, pin: &[u8]) -> SdfConfig {
    SdfConfig { socket: running.socket.clone(), kek, pin: Zeroizing::new(pin.to_vec()) }
}

#[test]
fn a_device_wraps_and_unwraps() {
    let running = run(2, b"87654321");
    let master = SdfMaster::open(&config(&running, 1, b"87654321")).expect("it opens");
    assert!(master.id().starts_with("sdf:heng-sim-sdf-"));
    let wrapped = master.wrap(1, &[5; SECRET], b"context").expect("it wraps");
    assert_eq!(*master.unwrap(1, &wrapped, b"context").expect("it unwraps"), [5; SECRET]);
    assert!(master.unwrap(1, &wrapped, b"other").is_err());
    assert!(master.unwrap(2, &wrapped, b"context").is_err());
    for bit in 0..8 * wrapped.len() {
        let mut changed = wrapped.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(master.unwrap(1, &changed, b"context").is_err(), "bit {bit}");
    }
    assert!((0..wrapped.len()).all(|length| master.unwrap(1, &wrapped[..length], b"context").is_err()));
    assert_eq!(master.add_version(1).expect("it was prepared"), 2);
    assert!(matches!(master.add_version(2), Err(KeysError::NoVersion { version: 3, .. })));
    assert!(master.retire_before(2).is_err());
}

#[test]
fn the_right_to_a_key_needs_the_pin() {
    let running = run(1, b"87654321");
    for pin in [&b""[..], b"12345678"] {
        let refused = SdfMaster::open(&config(&running, 1, pin));
        assert!(matches!(refused, Err(KeysError::Sdf { name: "PARDENY", .. })), "{refused:?}");
    }
    let absent = SdfMaster::open(&config(&running, 2, b"87654321"));
    assert!(matches!(absent, Err(KeysError::Sdf { name: "KEYNOTEXIST", .. })), "{absent:?}");
}

#[test]
fn a_device_keeps_its_keys_and_gets_more() {
    let running = run(1, b"");
    let wrapped =
        SdfMaster::open(&config(&running, 1, b"")).expect("it opens").wrap(1, &[5; SECRET], b"").expect("it wraps");
    let socket = running.socket.with_extension("second");
    let device = Arc::new(SdfSimulator::open(&running.state, 3, b"").expect("the same device"));
    let listener = SdfSimulator::listen(&socket).expect("it listens");
    std::thread::spawn(move || device.serve(&listener));
    let again = SdfMaster::open(&SdfConfig { socket, ..config(&running, 3, b"") }).expect("it opens");
    assert_eq!(*again.unwrap(1, &wrapped, b"").expect("it unwraps"), [5; SECRET]);
    assert_eq!(again.newest().expect("a number"), 3);
    let mut state = std::fs::read(&running.state).expect("the file");
    state[20] ^= 1;
    std::fs::write(&running.state, state).expect("it is written");
    assert!(matches!(SdfSimulator::open(&running.state, 1, b""), Err(KeysError::Damaged { .. })));
}

#[test]
fn functions_answer_with_the_codes_of_the_standard() {
    let running = run(1, b"");
    let (mut device, _) = Device::open(&config(&running, 1, b"")).expect("a session");
    let code = |error: Result<(u32, Vec<u8>), KeysError>| match error {
        Err(KeysError::Sdf { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(device.generate(1)), "PARDENY");
    assert_eq!(code(device.generate(9)), "KEYNOTEXIST");
    device.access(1, b"").expect("a right");
    let (handle, enciphered) = device.generate(1).expect("a key");
    let again = device.import(1, &enciphered).expect("the same key");
    let (start, data) = ([3; BLOCK], [4; 48]);
    let sealed = device.cipher(Function::Encrypt, handle, SGD_SM4_CBC, &start, &data).expect("it enciphers");
    assert_eq!(device.cipher(Function::Decrypt, again, SGD_SM4_CBC, &start, &sealed).expect("it deciphers")[..], data);
    let mac = device.cipher(Function::CalculateMac, handle, SGD_SM4_MAC, &start, &data).expect("a code");
    assert_eq!(mac[..], sealed[32..]);
    for (function, handle, algorithm, length, expected) in [
        (Function::Encrypt, 99, SGD_SM4_CBC, 16, "KEYNOTEXIST"),
        (Function::Encrypt, handle, SGD_SM4_MAC, 16, "ALGNOTSUPPORT"),
        (Function::Encrypt, handle, SGD_SM4_CBC, 15, "INARGERR"),
        (Function::Decrypt, handle, SGD_SM4_CBC, 0, "INARGERR"),
    ] {
        let refused = device.cipher(function, handle, algorithm, &start, &vec![0; length]);
        assert!(matches!(refused, Err(KeysError::Sdf { name, .. }) if name == expected), "{refused:?}");
    }
    device.destroy(handle).expect("it is destroyed");
    assert!(device.destroy(handle).is_err());
    for _ in 0..200 {
        if device.generate(1).is_err() {
            return;
        }
    }
    panic!("a session holds a bounded number of keys");
}

#[test]
fn garbage_from_a_client_ends_nothing_but_its_connection() {
    use std::io::Write as _;
    let running = run(1, b"");
    for garbage in [&b""[..], b"\x01", b"\xff\xff\xff\xff", b"\x01\0\0\0\xff", b"\x05\0\0\0\x05\x01\0\0\0"] {
        let mut stream = UnixStream::connect(&running.socket).expect("it listens");
        stream.write_all(garbage).expect("it is sent");
    }
    let mut stream = UnixStream::connect(&running.socket).expect("it listens");
    for number in 0..=255_u8 {
        wire::send(&mut stream, &[number, 1, 0, 0, 0]).expect("it is sent");
        wire::receive(&mut stream).expect("an answer");
    }
    SdfMaster::open(&config(&running, 1, b"")).expect("it still serves");
}
