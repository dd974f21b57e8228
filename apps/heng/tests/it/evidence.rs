//! The evidence log of the real binary: killed in the middle it goes on as the same log, built again it has the same
//! root, and a verifier that others wrote finds every changed bit and accepts what was lawfully deleted.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::house::{Folder, House, Plan, Shape, get, in_both_shapes, until};
use crate::outside::python;
use crate::support::{arg, heng, one_object, root, text};

in_both_shapes!(a_killed_broker_goes_on_with_the_same_log);

/// The log, once it has `least` leaves and the witnesses that it should have.
fn log(house: &House, least: u64, witnesses: usize) -> Value {
    let grown = |told: &Value| {
        let cosigned = told["witnesses"].as_array().map_or(0, |all| all.iter().filter(|one| one["size"] != 0).count());
        told["size"].as_u64() >= Some(least) && cosigned == witnesses
    };
    until("the evidence log grows", || house.get("/v1/evidence").1, grown)
}

/// `--key …` for every key that the log tells; with the witnesses' if asked.
fn keys(house: &House, witnesses: bool) -> Vec<String> {
    let (status, told) = get(&house.address, "/v1/evidence/keys");
    assert_eq!(status, 200, "{told}");
    let lists = [Some(&told["keys"]), witnesses.then_some(&told["witnesses"])];
    let all = lists.into_iter().flatten().flat_map(|list| list.as_array().expect("a list"));
    all.flat_map(|key| ["--key".to_owned(), key["verifier"].as_str().expect("text").to_owned()]).collect()
}

fn checkpoint(house: &House, folder: &Path, query: &str) -> PathBuf {
    let (status, note) = get(&house.address, &format!("/v1/evidence/checkpoint{query}"));
    assert_eq!(status, 200, "{note}");
    let file = folder.join("earlier.checkpoint");
    std::fs::write(&file, note.as_str().expect("text")).expect("written");
    file
}

/// `heng evidence` with more words over the folders of a plan.
fn evidence(plan: &Plan, words: &[&str]) -> Value {
    let (data, core) = (plan.doors_data(), plan.journal());
    let mut command = heng();
    command.args(["evidence", words[0], "--json", "--data", arg(&data), "--core-data", arg(&core)]).args(&words[1..]);
    one_object(&command.output().expect("it runs"))
}

fn verify(bundle: &Path, more: &[&str], keys: &[String]) -> (Option<i32>, Value) {
    let output = heng().args(["evidence", "verify", "--json", arg(bundle)]).args(more).args(keys).output();
    let output = output.expect("it runs");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| json!(text(&output.stderr))))
}

fn a_killed_broker_goes_on_with_the_same_log(shape: Shape) {
    let folder = Folder::new("evidence-kill");
    let mut house = House::of(Plan::new(shape, &folder.0, 41, 300));
    let before = log(&house, 300, 0);
    let earlier = checkpoint(&house, &folder.0, "");
    match shape {
        Shape::One => {
            house.kill_core();
            house.start_core();
        }
        Shape::Apart => {
            house.kill_doors();
            house.start_doors();
        }
    }
    let after = log(&house, before["size"].as_u64().expect("a size") + 300, 0);
    assert_eq!(after["origin"], before["origin"], "it is the same log");
    let keys = keys(&house, false);
    let plan = Plan::new(shape, &folder.0, 41, 300);
    house.kill();
    // Killed again, and now looked at without any process.
    let rebuilt = evidence(&plan, &["rebuild"]);
    assert_eq!((&rebuilt["same"], &rebuilt["differing"]), (&json!(true), &json!([])), "{rebuilt}");
    assert!(rebuilt["size"].as_u64() >= after["size"].as_u64(), "{rebuilt}");
    let bundle = folder.0.join("bundle.json");
    let words = ["export", "--limit", "100000", "--since", arg(&earlier), "--out", arg(&bundle)];
    let told = evidence(&plan, &words);
    assert_eq!((&told["leaves"], &told["without_record"]), (&told["size"], &json!(0)));
    let (code, report) = verify(&bundle, &["--checkpoint", arg(&earlier)], &keys);
    assert_eq!((code, &report["findings"]), (Some(0), &json!([])), "{report}");
    assert_eq!(report["opened"], told["size"]);
}

/// The staff asks for the lawful deletion of an account of the demonstration, and the risk officer approves it.
fn delete(house: &House, account: &str, year: u64) {
    let body = json!({ "account_id": account, "through_year": year, "basis": "test-account" });
    let (status, asked) = house.post("/v1/evidence/destructions", &body);
    assert_eq!(status, 201, "{asked}");
    let path = format!("/v1/evidence/destructions/{}/approval", asked["id"].as_str().expect("an id"));
    assert_eq!(house.post(&path, &json!({})).0, 409, "four eyes");
    let (status, done) = house.post_as("risk", &path, &json!({}));
    assert_eq!((status, &done["state"]), (200, &json!("done")), "{done}");
    assert!(done["keys_destroyed"].as_u64() >= Some(1), "{done}");
}

fn outside(bundle: &Path, more: &[&str], keys: &[String]) -> Value {
    let mut command = python("pymerkle, cryptography, tongsuopy");
    command.arg(root().join("tests/outside/verify_evidence.py")).arg(bundle).args(more).args(keys);
    let output = command.output().expect("python3 runs");
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)));
    assert_eq!(output.status.success(), told["proven"] == true, "{told}");
    told
}

#[test]
fn others_find_every_changed_bit_and_accept_what_was_lawfully_deleted() {
    let folder = Folder::new("evidence-outside");
    let house = House::up(&folder.0, &["--seed", "42"]);
    let account = house.account();
    house.place(&house.first_order);
    log(&house, 600, 2);
    let earlier = checkpoint(&house, &folder.0, "?witnessed=true");
    let size = log(&house, 0, 2)["size"].as_u64().expect("a size");
    let all_keys = keys(&house, true);
    // A client proves the own records over the wire, and nobody else's.
    let mine = folder.0.join("mine.json");
    let client = house.ready["token"]["client"].as_str().expect("a token");
    let words = ["evidence", "export", "--json", "--url", &house.address, "--token", client, "--account", &account];
    let told = one_object(&heng().args(words).args(["--out", arg(&mine)]).output().expect("it runs"));
    assert_eq!((told["leaves"].as_u64() > Some(0), &told["without_record"]), (true, &json!(0)), "{told}");
    let shown: Value = serde_json::from_slice(&std::fs::read(&mine).expect("a file")).expect("JSON");
    let at = shown["leaves"][0]["shown"]["time"].as_u64().expect("a time");
    delete(&house, &account, 1970 + at / 31_556_952_000_000_000);
    log(&house, size + 50, 2);
    let plan = Plan::new(Shape::One, &folder.0, 1, 100);
    house.kill();
    // Under the witnesses' checkpoint: some records, and the deleted client's places without theirs.
    let (some, bundle) = (folder.0.join("some.json"), folder.0.join("all.json"));
    let words = ["export", "--witnessed", "--limit", "40", "--since", arg(&earlier), "--out", arg(&some)];
    evidence(&plan, &words);
    let told = outside(&some, &["--flips", "10000", "--seed", "42"], &all_keys);
    assert_eq!(
        (&told["proven"], &told["flips"], &told["unfound"]),
        (&json!(true), &json!(10_000), &json!([])),
        "{told}"
    );
    // The whole tree out of public files alone.
    let log_keys = &all_keys[..4];
    let words = ["export", "--limit", "100000", "--since", arg(&earlier), "--out", arg(&bundle)];
    let told = evidence(&plan, &words);
    assert!(told["without_record"].as_u64() > Some(0), "{told}");
    let public = plan.doors_data().join("evidence/public");
    let found = outside(&bundle, &["--public", arg(&public)], log_keys);
    assert_eq!((&found["proven"], &found["rebuilt"]), (&json!(true), &told["size"]), "{found}");
    assert_eq!(found["closed"], told["without_record"]);
    assert_eq!(evidence(&plan, &["rebuild"])["same"], true);
    check_altered(&bundle, log_keys);
}

/// A record in which one digit was changed is found by both verifiers, each telling where.
fn check_altered(bundle: &Path, keys: &[String]) {
    let mut altered: Value = serde_json::from_slice(&std::fs::read(bundle).expect("a file")).expect("JSON");
    let leaves = altered["leaves"].as_array_mut().expect("a list");
    let at = leaves.iter().position(|leaf| leaf["record"].is_string()).expect("a record");
    let record = leaves[at]["record"].as_str().expect("text").to_owned();
    let last = if record.ends_with('0') { "1" } else { "0" };
    leaves[at]["record"] = json!(format!("{}{last}", &record[..record.len() - 1]));
    leaves[at].as_object_mut().expect("an object").remove("shown");
    std::fs::write(bundle, altered.to_string()).expect("written");
    let (code, report) = verify(bundle, &[], keys);
    assert_eq!((code, report["findings"].as_array().map(Vec::len)), (Some(1), Some(1)), "{report}");
    assert_eq!(report["findings"][0]["place"], json!(format!("leaves[{at}]")));
    let found = outside(bundle, &[], keys);
    assert!(found["why"].as_str().is_some_and(|why| why.contains("do not give the commitment")), "{found}");
}
