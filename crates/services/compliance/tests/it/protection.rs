//! Legal holds, exports with approval and marks, proofs of actions.

use std::sync::Arc;

use axum::http::StatusCode;
use heng_compliance::EvidenceBundle;
use heng_model::AccountId;
use heng_security::evidence::check_bundle;
use serde_json::{Value, json};

use crate::server::PostgresServer;
use crate::support::{PATIENCE, Record, World, deposit};

async fn asked(world: &World, who: &str, method: &str, path: &str, body: Value, expected: u16) -> Value {
    let body = (!body.is_null()).then_some(body);
    let (status, told) = world.ask(who, method, path, body).await;
    assert_eq!(status.as_u16(), expected, "{who} {method} {path}: {told}");
    told
}

async fn get(world: &World, who: &str, path: &str) -> Value {
    asked(world, who, "GET", path, Value::Null, 200).await
}

fn hold() -> Value {
    json!({ "account_id": "7", "reason": "investigation", "authority": "CSRC 2026-118" })
}

/// An old account, whose records may lawfully be deleted but for a hold.
async fn old() -> World {
    let world = World::new().await;
    world.record.say(vec![deposit(7, 1)]);
    world.covered().await;
    world.clock.set(2050);
    world
}

fn destruction() -> Value {
    json!({ "account_id": "7", "through_year": 2026, "basis": "retention-ended" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_before_the_deletion_stops_it() {
    let world = old().await;
    let placed = asked(&world, "boss", "POST", "/v1/legal-holds", hold(), 201).await;
    assert_eq!((&placed["id"], &placed["state"]), (&json!("1"), &json!("held")));
    assert_eq!(asked(&world, "boss", "POST", "/v1/legal-holds", hold(), 200).await["id"], "1", "the same once more");
    let refused = asked(&world, "boss", "POST", "/v1/evidence/destructions", destruction(), 409).await;
    assert_eq!(refused["code_name"], "LegalHold");
    let release = "/v1/legal-holds/1/release";
    asked(&world, "boss", "POST", release, json!({ "reason": "closed" }), 409).await;
    let released = asked(&world, "peer", "POST", release, json!({ "reason": "closed" }), 200).await;
    assert_eq!((&released["state"], &released["released_by"]), (&json!("released"), &json!("3")));
    asked(&world, "peer", "POST", release, json!({ "reason": "closed" }), 409).await;
    asked(&world, "boss", "POST", "/v1/evidence/destructions", destruction(), 201).await;
    asked(&world, "peer", "POST", "/v1/evidence/destructions/1/approval", Value::Null, 200).await;
    let trail = world.record.trail();
    assert_eq!(trail, ["2 hold.placed hold:1 account:7", "3 hold.released hold:1 account:7"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_after_the_request_stops_its_approval() {
    let world = old().await;
    asked(&world, "boss", "POST", "/v1/evidence/destructions", destruction(), 201).await;
    asked(&world, "boss", "POST", "/v1/legal-holds", hold(), 201).await;
    let approval = "/v1/evidence/destructions/1/approval";
    let refused = asked(&world, "peer", "POST", approval, Value::Null, 409).await;
    assert_eq!(refused["code_name"], "LegalHold");
    let world = world.again().await;
    world.clock.set(2050);
    asked(&world, "peer", "POST", approval, Value::Null, 409).await;
    assert_eq!(world.service.holds().held().await.unwrap(), [AccountId(7)]);
    // A second reason keeps it when the first is gone.
    let other = json!({ "account_id": "7", "reason": "dispute", "authority": "court 5" });
    asked(&world, "peer", "POST", "/v1/legal-holds", other, 201).await;
    asked(&world, "peer", "POST", "/v1/legal-holds/1/release", json!({ "reason": "closed" }), 200).await;
    asked(&world, "peer", "POST", approval, Value::Null, 409).await;
    asked(&world, "boss", "POST", "/v1/legal-holds/2/release", json!({ "reason": "settled" }), 200).await;
    asked(&world, "peer", "POST", approval, Value::Null, 200).await;
    assert_eq!(world.service.holds().held().await.unwrap(), []);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_are_listed_and_lifted_by_those_who_may() {
    let mut world = World::new().await;
    for account in ["7", "8", "7"] {
        let body = json!({ "account_id": account, "reason": format!("r{account}"), "authority": "court" });
        world.ask("boss", "POST", "/v1/legal-holds", Some(body)).await;
    }
    let other = json!({ "account_id": "7", "reason": "other", "authority": "court" });
    asked(&world, "boss", "POST", "/v1/legal-holds", other, 201).await;
    let ids =
        |list: &Value| list["holds"].as_array().unwrap().iter().map(|hold| hold["id"].to_string()).collect::<String>();
    assert_eq!(ids(&get(&world, "boss", "/v1/legal-holds").await), "\"3\"\"2\"\"1\"");
    assert_eq!(ids(&get(&world, "boss", "/v1/legal-holds?account=7&state=held").await), "\"3\"\"1\"");
    let page = get(&world, "boss", "/v1/legal-holds?limit=2").await;
    assert_eq!((ids(&page), &page["next_before"]), ("\"3\"\"2\"".into(), &json!(2)));
    asked(&world, "desk", "GET", "/v1/legal-holds", Value::Null, 403).await;
    asked(&world, "desk", "POST", "/v1/legal-holds", hold(), 403).await;
    for body in [json!({ "account_id": "07", "reason": "x", "authority": "y" }), json!({ "account_id": "7" })] {
        asked(&world, "boss", "POST", "/v1/legal-holds", body, 400).await;
    }
    asked(&world, "peer", "POST", "/v1/legal-holds/9/release", json!({ "reason": "x" }), 404).await;
    world.proven = false;
    let refused = asked(&world, "peer", "POST", "/v1/legal-holds/1/release", json!({ "reason": "x" }), 403).await;
    assert_eq!(refused["code_name"], "StepUpNeeded");
    world.stop().await;
}

fn things(masked: bool) -> Value {
    json!({ "kind": "things", "reason": "yearly audit", "masked": masked })
}

/// Waits until an export is in this state.
async fn reached(world: &World, who: &str, id: &str, state: &str) -> Value {
    let began = std::time::Instant::now();
    loop {
        let shown = get(world, who, &format!("/v1/exports/{id}")).await;
        if shown["state"] == state {
            return shown;
        }
        assert!(began.elapsed() < PATIENCE && shown["state"] != "failed", "{shown}");
        tokio::task::yield_now().await;
    }
}

/// The file of an export that was asked for by `who`, with the export.
async fn file(world: &World, who: &str, body: Value, by: &str) -> (Value, String) {
    let asked_for = asked(world, who, "POST", "/v1/exports", body, 201).await;
    let id = asked_for["id"].as_str().unwrap().to_owned();
    asked(world, by, "POST", &format!("/v1/exports/{id}/decision"), json!({ "decision": "approve" }), 200).await;
    let shown = reached(world, who, &id, "ready").await;
    let (status, bytes) = world.ask_bytes(who, "GET", &format!("/v1/exports/{id}/file"), None).await;
    assert_eq!(status, StatusCode::OK);
    (shown, String::from_utf8(bytes).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_takes_two_people_and_is_there_for_its_asker() {
    let world = World::new().await;
    world.record.things.store(1_200, std::sync::atomic::Ordering::Relaxed);
    let (shown, text) = file(&world, "desk", things(true), "peer").await;
    assert_eq!((&shown["rows"], &shown["progress"], &shown["masked"]), (&json!(1_200), &json!(100), &json!(true)));
    assert!(
        text.starts_with("\"# Export 1: things, personal data masked. Asked for by 4 (d***k), approved by 3 (p***r)")
    );
    assert!(
        text.contains("导出 1：things，个人信息已脱敏") && text.contains("Purpose: yearly audit."),
        "{}",
        &text[..600]
    );
    assert_eq!(text.lines().count(), 1_205, "two lines of notice, names, rows, two lines of notice");
    assert!(!text.contains("alice") && text.contains("a***e"));
    assert!(text.contains("\"'=HYPERLINK(\"\"x\"\")\""), "no formula");
    let path = world.folder.path().join("exports/1.csv");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    for who in ["peer", "boss"] {
        asked(&world, who, "GET", "/v1/exports/1/file", Value::Null, 403).await;
    }
    let hashes =
        format!("export:1 sha256:{} sm3:{}", shown["sha256"].as_str().unwrap(), shown["sm3"].as_str().unwrap());
    let expected = [
        "4 export.requested export:1".to_owned(),
        "3 export.approved export:1".to_owned(),
        format!("0 export.made {hashes}"),
        format!("4 export.downloaded export:1 sha256:{}", shown["sha256"].as_str().unwrap()),
    ];
    assert_eq!(world.record.trail(), expected);

    // A file that somebody changed is not handed out.
    std::fs::write(&path, "other").unwrap();
    asked(&world, "desk", "GET", "/v1/exports/1/file", Value::Null, 500).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_marks_of_exports_are_sealed_where_there_are_keys() {
    let world = World::new().await;
    world.record.things.store(400, std::sync::atomic::Ordering::Relaxed);
    let (_, before) = file(&world, "desk", things(true), "peer").await;
    world.stop().await;
    let world = World::sealed(world.record, world.folder).await;
    let (_, text) = file(&world, "desk", things(true), "peer").await;
    assert!(text.starts_with("\"# Export 2: things"), "{}", &text[..60]);
    let folder = world.folder.path().join("exports");
    assert!(!folder.join("2.csv").exists());
    let stored = std::fs::read(folder.join("2.csv.sealed")).unwrap();
    assert!(!stored.windows(8).any(|bytes| bytes == b"# Export") && stored.len() > text.len());
    // What was made before there were keys is read as it is, and both are traced.
    let (status, again) = world.ask_bytes("desk", "GET", "/v1/exports/1/file", None).await;
    assert_eq!((status, String::from_utf8(again).unwrap()), (StatusCode::OK, before.clone()));
    for (number, leaked) in [("1", &before), ("2", &text)] {
        let told = asked(&world, "boss", "POST", "/v1/exports/watermark", json!({ "text": leaked }), 200).await;
        assert_eq!(told["found"][0]["export"]["id"], number, "{told}");
    }
    // The file of another export is not opened in its place.
    std::fs::copy(folder.join("2.csv.sealed"), folder.join("1.csv.sealed")).unwrap();
    asked(&world, "desk", "GET", "/v1/exports/1/file", Value::Null, 500).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_on_their_own_export_nor_reveals_without_the_right() {
    let world = World::new().await;
    world.record.things.store(3, std::sync::atomic::Ordering::Relaxed);
    let approve = json!({ "decision": "approve" });
    asked(&world, "desk", "POST", "/v1/exports", things(false), 403).await;
    asked(&world, "c1", "POST", "/v1/exports", things(true), 403).await;
    asked(&world, "boss", "POST", "/v1/exports", things(false), 201).await;
    asked(&world, "boss", "POST", "/v1/exports/1/decision", approve.clone(), 409).await;
    asked(&world, "desk", "POST", "/v1/exports/1/decision", approve.clone(), 403).await;
    asked(&world, "peer", "POST", "/v1/exports/1/decision", approve.clone(), 403).await;
    asked(&world, "desk", "GET", "/v1/exports/1", Value::Null, 404).await;
    asked(&world, "boss", "GET", "/v1/exports/1/file", Value::Null, 409).await;
    let refused = asked(&world, "peer", "POST", "/v1/exports/1/decision", json!({ "decision": "refuse" }), 200).await;
    assert_eq!(refused["state"], "refused");
    asked(&world, "peer", "POST", "/v1/exports/1/decision", json!({ "decision": "refuse" }), 409).await;
    let (_, text) = file(&world, "peer", things(false), "boss").await;
    assert!(text.contains("alice") && text.contains("未脱敏"));
    for (body, pointer) in [
        (json!({ "kind": "nothing", "reason": "x" }), "/kind"),
        (json!({ "kind": "things", "reason": "x", "filter": { "principal": "3" } }), "/filter/principal"),
        (json!({ "kind": "things", "reason": "x", "filter": { "from": "yesterday" } }), "/filter/from"),
        (json!({ "kind": "things", "reason": "" }), "/reason"),
        (json!({ "kind": "things", "reason": "x", "more": 1 }), "/more"),
    ] {
        let refused = asked(&world, "boss", "POST", "/v1/exports", body, 400).await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    for _ in 0..10 {
        asked(&world, "desk", "POST", "/v1/exports", things(true), 201).await;
    }
    asked(&world, "desk", "POST", "/v1/exports", things(true), 409).await;
    assert_eq!(get(&world, "desk", "/v1/exports?state=requested").await["exports"].as_array().unwrap().len(), 10);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_piece_names_its_export() {
    let world = World::new().await;
    world.record.things.store(300, std::sync::atomic::Ordering::Relaxed);
    let (first, _) = file(&world, "desk", things(true), "peer").await;
    let (second, text) = file(&world, "peer", things(true), "boss").await;
    assert_ne!(first["sha256"], second["sha256"], "the same rows, marked apart");
    let piece: Vec<&str> = text.lines().skip(60).step_by(2).take(60).collect();
    let found = asked(&world, "boss", "POST", "/v1/exports/watermark", json!({ "text": piece.join("\n") }), 200).await;
    let found_ids: Vec<&Value> = found["found"].as_array().unwrap().iter().map(|of| &of["export"]["id"]).collect();
    assert_eq!((found_ids, &found["looked_at"]), (vec![&json!("2")], &json!(2)), "{found}");
    let nothing = asked(&world, "boss", "POST", "/v1/exports/watermark", json!({ "text": "a,b\nc,d" }), 200).await;
    assert_eq!(nothing["found"], json!([]));
    asked(&world, "desk", "POST", "/v1/exports/watermark", json!({ "text": "a" }), 403).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_end_after_seven_days_unless_held_and_a_stop_makes_them_anew() {
    let world = World::new().await;
    world.record.things.store(5, std::sync::atomic::Ordering::Relaxed);
    let mut about = things(true);
    about["filter"] = json!({ "account": "7" });
    file(&world, "desk", about, "peer").await;
    file(&world, "desk", things(true), "peer").await;
    asked(&world, "boss", "POST", "/v1/legal-holds", hold(), 201).await;
    world.clock.set(2027);
    asked(&world, "desk", "GET", "/v1/exports/2/file", Value::Null, 410).await;
    world.service.end_exports().await.unwrap();
    assert_eq!(get(&world, "desk", "/v1/exports/1").await["state"], "ready", "it is on hold");
    assert_eq!(get(&world, "desk", "/v1/exports/2").await["state"], "ended");
    assert!(world.folder.path().join("exports/1.csv").exists());
    assert!(!world.folder.path().join("exports/2.csv").exists());
    asked(&world, "desk", "GET", "/v1/exports/1/file", Value::Null, 410).await;

    // Approved, and stopped before anything was made: the next start makes it.
    asked(&world, "desk", "POST", "/v1/exports", things(true), 201).await;
    world.record.blocked.store(true, std::sync::atomic::Ordering::Relaxed);
    asked(&world, "peer", "POST", "/v1/exports/3/decision", json!({ "decision": "approve" }), 200).await;
    assert_eq!(get(&world, "desk", "/v1/exports/3").await["state"], "running");
    world.record.blocked.store(false, std::sync::atomic::Ordering::Relaxed);
    let world = world.again().await;
    assert_eq!(reached(&world, "desk", "3", "ready").await["rows"], 5);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_and_exports_are_the_same_on_postgresql() {
    let Some(server) = PostgresServer::start("holds and exports on PostgreSQL") else { return };
    let place = server.url.parse::<heng_store::StoreUrl>().unwrap().store("compliance");
    let world = World::at(place, Record::default(), Arc::new(tempfile::tempdir().unwrap()), Vec::new()).await;
    world.record.things.store(700, std::sync::atomic::Ordering::Relaxed);
    world.record.act("user.created");
    world.record.say(vec![deposit(7, 1)]);
    world.covered().await;
    world.actions_covered(1).await;
    let mut about = things(true);
    about["filter"] = json!({ "account": "7", "from": "2026-07-06" });
    let (shown, text) = file(&world, "desk", about, "peer").await;
    assert_eq!((&shown["rows"], &shown["filter"]["account"]), (&json!(700), &json!("7")));
    let found = asked(&world, "boss", "POST", "/v1/exports/watermark", json!({ "text": &text[..20_000] }), 200).await;
    assert_eq!(found["found"][0]["export"]["id"], "1");
    world.clock.set(2050);
    asked(&world, "boss", "POST", "/v1/evidence/destructions", destruction(), 201).await;
    asked(&world, "boss", "POST", "/v1/legal-holds", hold(), 201).await;
    asked(&world, "peer", "POST", "/v1/evidence/destructions/1/approval", Value::Null, 409).await;
    world.service.end_exports().await.unwrap();
    assert_eq!(get(&world, "desk", "/v1/exports?state=ready").await["exports"].as_array().unwrap().len(), 1);
    let release = json!({ "reason": "closed" });
    asked(&world, "peer", "POST", "/v1/legal-holds/1/release", release, 200).await;
    assert_eq!(get(&world, "boss", "/v1/legal-holds?state=released&account=7").await["holds"][0]["id"], "1");
    asked(&world, "peer", "POST", "/v1/evidence/destructions/1/approval", Value::Null, 200).await;
    world.service.end_exports().await.unwrap();
    assert_eq!(get(&world, "desk", "/v1/exports/1").await["state"], "ended");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_of_the_trail_is_proven_by_its_leaf() {
    let world = World::new().await;
    for number in 1..=20 {
        world.record.act("user.created");
        world.record.say(vec![deposit(1, number)]);
        if number % 7 == 0 {
            world.covered().await;
        }
    }
    world.record.act("user.disabled");
    world.actions_covered(21).await;
    let all: Vec<u64> = (1..=22).collect();
    let leaves = world.service.leaves().leaves_of(&all).await.unwrap();
    assert!(leaves[..21].iter().all(Option::is_some) && leaves[21].is_none(), "{leaves:?}");
    for action in [1, 13, 21] {
        let proof = get(&world, "boss", &format!("/v1/audit/{action}/proof")).await;
        let bundle = EvidenceBundle::parse(&serde_json::to_vec(&proof).unwrap()).unwrap();
        let report = check_bundle(&bundle.bundle().unwrap(), &world.service.signing_keys());
        assert_eq!((report.findings, report.opened), (vec![], 1));
        assert_eq!(bundle.leaves[0].index, leaves[action as usize - 1].unwrap());
        assert_eq!(bundle.leaves[0].shown.as_ref().unwrap()["number"], json!(action));
    }
    asked(&world, "boss", "GET", "/v1/audit/22/proof", Value::Null, 404).await;
    asked(&world, "boss", "GET", "/v1/audit/0/proof", Value::Null, 400).await;
    asked(&world, "desk", "GET", "/v1/audit/1/proof", Value::Null, 403).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_every_answer_has_a_grade() {
    let world = World::new().await;
    assert_eq!(world.api.ungraded(), Vec::<String>::new());
    let document = world.api.document();
    let reason = &document["components"]["schemas"]["LegalHold"]["properties"]["reason"];
    assert_eq!(reason["x-heng-grade"], json!({ "standard": "JR/T 0158-2018", "level": 3 }));
    assert!(reason["x-heng-masked"].is_string());
    world.stop().await;
}
