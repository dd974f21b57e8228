//! Staff sign on by an OpenID provider: the certified Node implementation as a process of its own, and the real binary.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::house::{Folder, Running, SOON, free_port, get_as, host, post_as};
use crate::outside::{chromium, node, said_by};
use crate::support::{heng, root, text};

const SECRET: &str = "s3cret of the client at the provider";
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// An answer without its body where that is no JSON.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// A browser: it keeps cookies of each server, and follows nothing by itself.
#[derive(Default)]
struct Browser(BTreeMap<String, BTreeMap<String, String>>);

impl Browser {
    fn ask(&mut self, method: &str, address: &str, path: &str, body: Option<&str>) -> Answer {
        let jar = self.0.entry(address.to_owned()).or_default();
        let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut head =
            format!("{method} {path} HTTP/1.0\r\nhost: {}\r\ncookie: {}\r\n", host(address), cookies.join("; "));
        if let Some(body) = body {
            let media = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
            head += &format!("content-type: {media}\r\ncontent-length: {}\r\nx-heng-console: 1\r\n", body.len());
        }
        let mut stream = TcpStream::connect(host(address)).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a socket option");
        stream.write_all(format!("{head}\r\n{}", body.unwrap_or_default()).as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = read_answer(&text(&answer));
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = cookie.split_once('=').expect("a cookie");
            let (value, terms) = rest.split_once(';').unwrap_or((rest, ""));
            if value.is_empty() || terms.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    fn cookie(&self, address: &str, name: &str) -> Option<&String> {
        self.0.get(address)?.get(name)
    }
}

fn read_answer(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Answer { status: status.expect("a status"), headers: lines.filter_map(pair).collect(), body }
}

/// The provider's process; it ends with its input.
struct Provider {
    child: Child,
    input: Option<ChildStdin>,
    /// Kept, because Node ends when it cannot write.
    _said: Lines<BufReader<ChildStdout>>,
    issuer: String,
}

impl Provider {
    fn start(port: u16) -> Self {
        let folder = root().join("tests/outside/openid-provider");
        assert!(
            folder.join("node_modules/oidc-provider").is_dir(),
            "the provider's packages are not there: run ./heng setup"
        );
        let mut command = Command::new(node());
        command.arg("provider.mjs").current_dir(folder).args(["--client-secret", SECRET, "--redirect"]);
        command.arg(format!("http://localhost:{port}/v1/sign-in/oidc/callback"));
        command.arg("--logout").arg(format!("http://127.0.0.1:{port}/v1/sign-in/oidc/logout"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Node starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let told = lines
            .by_ref()
            .find_map(|line| serde_json::from_str::<Value>(&line.ok()?).ok())
            .expect("it tells its issuer");
        let issuer = told["issuer"].as_str().expect("an address").to_owned();
        Self { input: child.stdin.take(), child, _said: lines, issuer }
    }

    /// Says who comes next, and how the provider misbehaves.
    fn next(&self, told: &Value) {
        assert_eq!(post_as(&self.issuer, "/test/next", "", told).0, 200);
    }

    fn sid(&self) -> String {
        let counts = Browser::default().ask("GET", &self.issuer, "/test/counts", None).body;
        counts["sid"].as_str().expect("a session at the provider").to_owned()
    }

    /// A logout token that the provider signs; by a stranger's key if asked for.
    fn logout_token(&self, claims: &Value, signed: &str) -> String {
        let wish = json!({ "claims": claims, "typ": "logout+jwt", "signed": signed }).to_string();
        let answer = Browser::default().ask("POST", &self.issuer, "/test/sign", Some(&wish));
        answer.body["token"].as_str().expect("a token").to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A broker that is configured to the provider.
struct Broker {
    provider: Provider,
    address: String,
    ready: Value,
    _running: Running,
    folder: Folder,
}

impl Broker {
    fn start() -> Self {
        let (folder, port) = (Folder::new("oidc"), free_port());
        let provider = Provider::start(port);
        let secret = folder.0.join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).expect("a file");
        let settings = format!(
            "[market]\nclients = 200\ninstruments = 40\nflow = 20\n[identity]\nrp_id = \"localhost\"\n\
             origin = \"http://localhost:{port}\"\n[identity.oidc]\nissuer = \"{}\"\nclient_id = \"heng\"\n\
             client_secret = \"file:{}\"\nname = \"Broker login\"\nsecond_factor_amr = [\"mfa\"]\n",
            provider.issuer,
            secret.display()
        );
        std::fs::write(folder.0.join("heng.toml"), settings).expect("a configuration file");
        let mut command = heng();
        command.args(["serve", "--demo-clients", "1", "--fix-port", "0", "--http-port", &port.to_string(), "--data"]);
        command.arg(folder.0.join("data")).arg("--ready-file").arg(folder.0.join("ready.json"));
        command.arg("--config").arg(folder.0.join("heng.toml"));
        let running = Running::start(command);
        running.line_with("ready: ", &mut String::new());
        let ready = std::fs::read(folder.0.join("ready.json")).expect("a ready file");
        let ready: Value = serde_json::from_slice(&ready).expect("JSON");
        Self { provider, address: format!("http://127.0.0.1:{port}"), ready, _running: running, folder }
    }

    fn admin(&self) -> &str {
        self.ready["token"]["staff"].as_str().expect("a token")
    }

    fn id_of(&self, name: &str) -> String {
        let (_, users) = get_as(&self.address, "/v1/users?limit=100", self.admin());
        let users = users["users"].as_array().expect("users");
        let user = users.iter().find(|user| user["name"] == name).expect("the user");
        user["id"].as_str().expect("an id").to_owned()
    }

    fn link(&self, user: &str, subject: &str) -> (u16, Value) {
        let path = format!("/v1/users/{user}/provider-link");
        post_as(&self.address, &path, self.admin(), &json!({ "issuer": self.provider.issuer, "subject": subject }))
    }

    /// Begins in a browser and goes through the provider; the path that the provider sends it back to.
    fn through_provider(&self, browser: &mut Browser) -> String {
        let started = browser.ask("GET", &self.address, "/v1/sign-in/oidc?return=/orders", None);
        assert_eq!(started.status, 302, "{}", started.body);
        let mut place = started.header("location").to_owned();
        for _ in 0..8 {
            let Some(path) = place.strip_prefix(&self.provider.issuer).or(Some(&*place).filter(|p| p.starts_with('/')))
            else {
                let back = place.split_once("/v1/").expect("back at the broker");
                return format!("/v1/{}", back.1);
            };
            let answer = browser.ask("GET", &self.provider.issuer, path, None);
            assert!((301..=303).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
            place = answer.header("location").to_owned();
        }
        panic!("the provider does not let go: {place}");
    }

    /// A whole sign-on in a fresh browser: the browser, and where it ends.
    fn sign_on(&self, next: &Value) -> (Browser, String) {
        self.provider.next(next);
        let mut browser = Browser::default();
        let back = self.through_provider(&mut browser);
        let end = self.come_back(&mut browser, &back);
        (browser, end)
    }

    fn come_back(&self, browser: &mut Browser, back: &str) -> String {
        let answer = browser.ask("GET", &self.address, back, None);
        assert_eq!(answer.status, 302, "{back}: {}", answer.body);
        answer.header("location").to_owned()
    }

    /// Nobody comes in, and the page is told why.
    fn refused(&self, next: &Value, word: &str) {
        let (browser, end) = self.sign_on(next);
        assert_eq!(end, format!("/?sso={word}"), "{next}");
        assert_eq!(browser.cookie(&self.address, "heng_session"), None, "{next}");
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn unbase32(text: &str) -> Vec<u8> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = text.chars().map(|c| format!("{:05b}", letters.find(c).expect("a letter"))).collect();
    let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).expect("digits"), 2).expect("bits");
    bits.as_bytes().chunks_exact(8).map(byte).collect()
}

#[test]
fn staff_sign_on_by_a_certified_provider() {
    let broker = Broker::start();
    let (ways, start) = (get_as(&broker.address, "/v1/sign-in/methods", ""), "/v1/sign-in/oidc");
    let told = json!({ "password": true, "oidc": { "name": "Broker login", "start": start } });
    assert_eq!(ways, (200, told));
    let strong = json!({ "sub": "subject-1", "amr": ["pwd", "mfa"] });

    // Nobody is made by signing on.
    broker.refused(&strong, "unknown");
    let staff = broker.id_of("staff");
    assert_eq!(broker.link(&broker.id_of("demo-1"), "subject-9").0, 404, "a client");
    let (status, link) = broker.link(&staff, "subject-1");
    assert_eq!((status, &link["confirmed_at"]), (201, &Value::Null), "{link}");
    assert_eq!(broker.link(&staff, "subject-7").0, 409, "linked once");

    // The first time over a fresh link Heng asks for a factor of its own, whatever the provider saw.
    let (mut browser, end) = broker.sign_on(&strong);
    assert_eq!(end, "/?sso=factor&return=%2Forders");
    assert_eq!(browser.cookie(&broker.address, "heng_session"), None);
    let factor = "/v1/sign-in/oidc/factor";
    let asked = browser.ask("POST", &broker.address, factor, Some("{}"));
    assert_eq!((asked.status, asked.body["totp_required"].as_bool()), (200, Some(true)), "{}", asked.body);
    let wrong = browser.ask("POST", &broker.address, factor, Some("{\"totp\":\"000000\"}"));
    assert_eq!(wrong.status, 401, "{}", wrong.body);
    let secret = broker.ready["staff"]["totp_secret"].as_str().expect("a secret");
    let code = json!({ "totp": heng_identity::totp_code(&unbase32(secret), now_s()) }).to_string();
    assert_eq!(Browser::default().ask("POST", &broker.address, factor, Some(&code)).status, 401, "another browser");
    let proven = browser.ask("POST", &broker.address, factor, Some(&code));
    assert_eq!((proven.status, &proven.body["token"]), (200, &Value::Null), "{}", proven.body);
    let me = browser.ask("GET", &broker.address, "/v1/me", None);
    assert_eq!((me.status, me.body["name"].as_str()), (200, Some("staff")), "{}", me.body);

    // From then on the provider's second factor is enough, and only that.
    for change in [
        json!({}),
        json!({ "alg": "ES256" }),
        json!({ "alg": "PS256" }),
        json!({ "alg": "EdDSA", "without": ["at_hash"] }),
    ] {
        let (browser, end) = broker.sign_on(&json!({ "sub": "subject-1", "amr": ["mfa"], "change": change }));
        assert_eq!(end, "/orders", "{change}");
        assert!(browser.cookie(&broker.address, "heng_session").is_some(), "{change}");
        assert_eq!(browser.cookie(&broker.address, "heng_oidc"), None, "{change}");
    }
    let (browser, end) = broker.sign_on(&json!({ "sub": "subject-1", "amr": ["pwd"] }));
    assert!(end.starts_with("/?sso=factor") && browser.cookie(&broker.address, "heng_session").is_none(), "{end}");

    the_provider_ends_sessions(&broker, &strong);
    users_who_may_not_come_in(&broker);
    let (_, trail) = get_as(&broker.address, "/v1/audit?action=sign-in.provider&limit=100", broker.admin());
    let rows = trail["rows"].as_array().expect("rows");
    let count = |outcome: &str| rows.iter().filter(|row| row["outcome"] == outcome).count();
    assert!(count("done") >= 6 && count("failed") >= 2, "{trail}");
    assert!(!trail.to_string().contains(SECRET) && !trail.to_string().contains("eyJ"), "secrets in the trail: {trail}");
}

#[test]
fn staff_sign_on_in_a_real_browser() {
    let broker = Broker::start();
    assert_eq!(broker.link(&broker.id_of("staff"), "subject-1").0, 201);
    broker.provider.next(&json!({ "sub": "subject-1", "amr": ["pwd", "mfa"] }));
    let mut suite = Command::new(node());
    suite.args(["--test", "--test-reporter=spec", "--test-force-exit", "e2e/sign-on.mjs"]);
    suite.current_dir(root().join("console")).env("HENG_CHROMIUM", chromium());
    suite.env("HENG_READY", broker.folder.0.join("ready.json")).env("HENG_PROVIDER_NAME", "Broker login");
    // The provider sends the browser back to the name that it knows.
    suite.env("HENG_URL", broker.address.replace("127.0.0.1", "localhost"));
    let said = said_by("sign-on in the browser", &mut suite);
    assert!(said.contains(" pass 2\n") && said.contains(" skipped 0\n"), "{said}");
}

fn the_provider_ends_sessions(broker: &Broker, strong: &Value) {
    let (mut browser, _) = broker.sign_on(strong);
    let sid = broker.provider.sid();
    assert_eq!(browser.ask("GET", &broker.address, "/v1/me", None).status, 200);
    let claims = json!({ "iss": broker.provider.issuer, "aud": "heng", "iat": now_s(), "exp": now_s() + 60, "jti": "j",
        "sid": sid, "events": { LOGOUT_EVENT: {} } });
    let path = "/v1/sign-in/oidc/logout";
    let forged = format!("logout_token={}", broker.provider.logout_token(&claims, "stranger"));
    assert_eq!(browser.ask("POST", &broker.address, path, Some(&forged)).status, 400);
    assert_eq!(browser.ask("GET", &broker.address, "/v1/me", None).status, 200, "a stranger ends nothing");
    let wish = json!({ "sub": "subject-1", "sid": sid }).to_string();
    assert_eq!(Browser::default().ask("POST", &broker.provider.issuer, "/test/logout", Some(&wish)).status, 200);
    assert_eq!(browser.ask("GET", &broker.address, "/v1/me", None).status, 401, "the provider ended it");
    let good = format!("logout_token={}", broker.provider.logout_token(&claims, "own"));
    assert_eq!(browser.ask("POST", &broker.address, path, Some(&good)).status, 200);
    assert_eq!(browser.ask("POST", &broker.address, path, Some(&good)).status, 400, "it counts once");
}

fn users_who_may_not_come_in(broker: &Broker) {
    let desk = broker.id_of("desk");
    assert_eq!(broker.link(&desk, "subject-1").0, 409, "another's subject");
    assert_eq!(broker.link(&desk, "subject-2").0, 201);
    let desk_comes = json!({ "sub": "subject-2", "amr": ["mfa"] });
    broker.refused(&desk_comes, "enrol");
    let disable = format!("/v1/users/{desk}/disable");
    assert_eq!(post_as(&broker.address, &disable, broker.admin(), &json!({})).0, 200);
    broker.refused(&desk_comes, "unknown");
}

#[test]
fn answers_that_are_not_the_providers_let_nobody_in() {
    let broker = Broker::start();
    assert_eq!(broker.link(&broker.id_of("staff"), "subject-1").0, 201);
    let with = |changes: Value| {
        let mut next = json!({ "sub": "subject-1", "amr": ["mfa"] });
        next.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        next
    };
    let past = now_s() - 4_000;
    let changes = [
        json!({ "change": { "claims": { "nonce": "another" } } }),
        json!({ "change": { "claims": { "aud": "another" } } }),
        json!({ "change": { "claims": { "iat": past, "exp": past + 300 } } }),
        json!({ "change": { "claims": { "iss": "https://elsewhere.example" } } }),
        json!({ "change": { "signed": "none" } }),
        json!({ "change": { "signed": "client-secret" } }),
        json!({ "change": { "signed": "stranger" } }),
        json!({ "change": { "signed": "late" } }),
        json!({ "change": { "claims": { "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" } } }),
        json!({ "deny": true }),
    ];
    for change in changes {
        broker.refused(&with(change), "refused");
    }
    // An answer that leads elsewhere is not followed.
    broker.refused(&with(json!({ "redirect": true })), "away");

    broker.provider.next(&with(json!({})));
    let mut browser = Browser::default();
    let back = broker.through_provider(&mut browser);
    assert_eq!(broker.come_back(&mut Browser::default(), &back), "/?sso=expired", "another browser");
    let (path, query) = back.split_once('?').expect("a query");
    let other = |name: &str, value: &str| {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((known, _)) if known == name => format!("{name}={value}"),
            _ => pair.to_owned(),
        });
        format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
    };
    let mut copy = Browser(browser.0.clone());
    assert_eq!(broker.come_back(&mut copy, &other("state", "another")), "/?sso=expired", "another state");
    let mut copy = Browser(browser.0.clone());
    assert_eq!(broker.come_back(&mut copy, &other("iss", "https://elsewhere.example")), "/?sso=refused");

    // A code counts once: not in the browser that used it, and not in another sign-on.
    let mut browser = Browser::default();
    let back = broker.through_provider(&mut browser);
    let mut copy = Browser(browser.0.clone());
    assert!(broker.come_back(&mut browser, &back).starts_with("/?sso=factor"));
    assert_eq!(broker.come_back(&mut copy, &back), "/?sso=expired", "the same answer again");
    let code = back.split_once("code=").expect("a code").1.split('&').next().expect("a code");
    let mut browser = Browser::default();
    let fresh = broker.through_provider(&mut browser);
    let (before, after) = fresh.split_once("code=").expect("a code");
    let after = after.split_once('&').map_or("", |(_, rest)| rest);
    assert_eq!(broker.come_back(&mut browser, &format!("{before}code={code}&{after}")), "/?sso=refused", "a used code");
}
