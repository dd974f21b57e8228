//! A broker without a demonstration: the first staff user is made beside the doors, and everybody else by somebody. And
//! roles apart that do not have the same papers say what to do.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::house::{Folder, Running, free_port, get_as, post_as, post_proven, until};
use crate::support::{arg, heng, one_object, run, text};

const DOORS: &str = "trading,marketdata,identity,compliance";

fn base32(text: &str) -> Vec<u8> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = text.chars().map(|c| format!("{:05b}", letters.find(c).expect("a letter"))).collect();
    let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).expect("digits"), 2).expect("bits");
    bits.as_bytes().chunks_exact(8).map(byte).collect()
}

/// The code of the next half minute counts as well, so it does not matter when it is read.
pub(crate) fn code(secret: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    heng_identity::totp_code(&base32(secret), now)
}

/// The code after the one that was used for the sign-in: it counts already, half a minute before its time.
fn later_code(secret: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    heng_identity::totp_code(&base32(secret), now + 30)
}

fn of<'a>(told: &'a Value, name: &str) -> &'a str {
    told[name].as_str().unwrap_or_else(|| panic!("no {name} in {told}"))
}

/// The core in a process of its own, with a small market.
fn core(folder: &Path, port: u16) -> Running {
    let market = "[market]\nclients = 200\ninstruments = 40\nflow = 20\n";
    std::fs::write(folder.join("core.toml"), market).expect("a configuration file");
    let mut core = heng();
    core.args(["serve", "--role", "core", "--core-port", &port.to_string()]);
    core.arg("--data").arg(folder.join("core")).arg("--papers").arg(folder.join("papers"));
    core.arg("--config").arg(folder.join("core.toml"));
    let core = Running::start(core);
    core.line_with("core: ", &mut String::new());
    core
}

fn doors(folder: &Path, core: u16, papers: &str, http: u16) -> Command {
    let mut doors = heng();
    doors.args(["serve", "--role", DOORS, "--http-port", &http.to_string(), "--fix-port", "0"]);
    doors.arg("--core-url").arg(SocketAddr::from((Ipv4Addr::LOCALHOST, core)).to_string());
    doors.arg("--data").arg(folder.join("doors")).arg("--papers").arg(folder.join(papers));
    doors
}

#[test]
fn the_first_of_the_staff_signs_in_and_makes_the_others() {
    let folder = Folder::new("first-staff");
    let data = folder.0.join("doors");
    let port = free_port();
    let core = core(&folder.0, port);
    let http = free_port();

    let mut broker = Running::start(doors(&folder.0, port, "papers", http));
    let mut before = String::new();
    broker.line_with("ready: ", &mut before);
    assert!(before.contains("heng identity first-staff --data"), "{before}");
    let first = ["identity", "first-staff", "--json", "--data", arg(&data), "--name"];
    let busy = run(&[&first[..], &["boss"]].concat());
    assert!(!busy.status.success() && text(&busy.stderr).contains("must not run meanwhile"), "{}", text(&busy.stderr));
    assert_eq!(broker.terminate(), Some(0));

    let odd = run(&[&first[..], &["the boss"]].concat());
    assert!(text(&odd.stderr).contains("/name must be 1 to 64 letters"), "{}", text(&odd.stderr));
    let told = one_object(&run(&[&first[..], &["boss"]].concat()));
    let again = run(&[&first[..], &["other"]].concat());
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("there is a staff user, boss"), "{}", text(&again.stderr));
    assert_eq!(text(&again.stdout), "");

    let broker = Running::start(doors(&folder.0, port, "papers", http));
    let mut before = String::new();
    broker.line_with("ready: ", &mut before);
    assert!(!before.contains("first-staff"), "{before}");
    let address = format!("http://127.0.0.1:{http}");
    let mut sign_in = json!({ "user": "boss", "password": of(&told, "password") });
    let (status, needs) = post_as(&address, "/v1/sign-in", "", &sign_in);
    assert_eq!((status, needs["totp_required"].as_bool()), (200, Some(true)), "{needs}");
    sign_in["totp"] = code(of(&told, "totp_secret")).into();
    let (status, session) = post_as(&address, "/v1/sign-in", "", &sign_in);
    assert_eq!((status, session["totp_enrolment_required"].as_bool()), (200, Some(false)), "{session}");
    assert_eq!(session["password_change_required"], true, "{session}");
    let token = of(&session, "token");
    let (status, _) = get_as(&address, "/v1/users", token);
    assert_eq!(status, 403, "the password stood on a terminal");
    let change = json!({ "current_password": of(&told, "password"), "new_password": "seven green kites over water" });
    let (status, changed) = post_as(&address, "/v1/me/password", token, &change);
    assert_eq!(status, 204, "{changed}");
    let trader = json!({ "name": "tina", "kind": "staff", "roles": ["trader"], "accounts": ["*"] });
    let (status, needed) = post_as(&address, "/v1/users", token, &trader);
    assert_eq!((status, of(&needed, "code_name")), (403, "StepUpNeeded"), "{needed}");
    let wish = json!({ "operation": "createUser", "target": "/v1/users", "body": trader.to_string() });
    let (_, begun) = post_as(&address, "/v1/step-up", token, &wish);
    let proof = json!({ "code": later_code(of(&told, "totp_secret")) });
    let (status, given) = post_as(&address, &format!("/v1/step-up/{}", of(&begun, "id")), token, &proof);
    assert_eq!(status, 200, "{given}");
    let (status, made) = post_proven(&address, "/v1/users", (token, of(&given, "step_up")), &trader);
    assert_eq!(status, 201, "{made}");
    let (_, trail) = get_as(&address, "/v1/audit?action=user.created", token);
    let rows: Vec<_> =
        trail["rows"].as_array().expect("rows").iter().map(|row| (&row["name"], of(row, "detail"))).collect();
    assert_eq!(rows.len(), 2, "{trail}");
    assert_eq!(rows[0].0, "boss", "{trail}");
    assert_eq!(rows[1], (&json!("system"), "the first staff user boss, role admin, with a second factor"), "{trail}");
    drop((broker, core));
}

#[test]
fn roles_with_other_papers_say_what_to_do() {
    let folder = Folder::new("other-papers");
    let port = free_port();
    let core = core(&folder.0, port);
    let refused = doors(&folder.0, port, "other-papers", 0).output().expect("it runs");
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    let last = told.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("do not trust each other's certificates"), "{told}");
    assert!(last.contains("start both with the same --papers DIR"), "{told}");
    // The other side may have gone before the core has written why.
    let log = || std::fs::read_to_string(folder.0.join("core/heng.log")).expect("the core's log").into();
    let told = |log: &Value| {
        let log = log.as_str().unwrap_or_default();
        log.contains("refuse a link") && log.contains("papers of the same authority")
    };
    until("the core's log tells why", log, told);
    drop(core);
}
