//! The doors: who may prove and delete what, tiles for everybody, and witnesses.

use axum::http::StatusCode;
use heng_compliance::{EvidenceBundle, Wanted};
use heng_security::evidence::{
    EdgeTiles, Sha256Tree, Sm3Tree, TreeHash, check_bundle, entries_of, hex, root_of, tile_hashes,
};
use serde_json::{Value, json};

use crate::support::{World, deposit, time};

async fn filled(count: i64) -> World {
    let world = World::new().await;
    for number in 1..=count {
        world.record.say(vec![deposit(number.cast_unsigned() % 2 + 1, number)]);
    }
    world.covered().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_rebuild_the_tree_from_public_tiles_alone() {
    let world = filled(600).await;
    let (status, shown) = world.ask("boss", "GET", "/v1/evidence", None).await;
    assert_eq!((status, shown["size"].as_u64()), (StatusCode::OK, Some(600)));
    let (status, note) = world.ask("", "GET", "/v1/evidence/checkpoint", None).await;
    assert_eq!((status, &note), (StatusCode::OK, &shown["checkpoint"]));
    let (mut sha256, mut sm3) = (EdgeTiles::<Sha256Tree>::default(), EdgeTiles::<Sm3Tree>::default());
    for (tile, width) in [("000", 256), ("001", 256), ("002.p/88", 88)] {
        let get = async |folder: &str| {
            let (status, bytes) = world.ask_bytes("", "GET", &format!("/v1/evidence/{folder}/{tile}"), None).await;
            assert_eq!(status, StatusCode::OK, "{folder}/{tile}");
            bytes
        };
        let entries = entries_of(&get("tile/entries").await).unwrap();
        let leaves: Vec<_> = entries.iter().map(|entry| Sha256Tree::leaf(entry)).collect();
        assert_eq!((entries.len(), tile_hashes(&get("tile/0").await).unwrap()), (width, leaves));
        let leaves: Vec<_> = entries.iter().map(|entry| Sm3Tree::leaf(entry)).collect();
        assert_eq!(tile_hashes(&get("sm3/tile/0").await).unwrap(), leaves);
        entries.iter().for_each(|entry| sha256.append(entry, |_| ()));
        entries.iter().for_each(|entry| sm3.append(entry, |_| ()));
    }
    assert_eq!(
        (json!(hex(&sha256.root())), json!(hex(&sm3.root()))),
        (shown["root"].clone(), shown["sm3_root"].clone())
    );
    let (_, level) = world.ask_bytes("", "GET", "/v1/evidence/tile/1/000.p/2", None).await;
    let (_, first) = world.ask_bytes("", "GET", "/v1/evidence/tile/0/000", None).await;
    assert_eq!(tile_hashes(&level).unwrap()[0], root_of::<Sha256Tree>(&tile_hashes(&first).unwrap()));
    for (path, expected) in [
        ("tile/0/003", 404),
        ("tile/0/002", 404),
        ("tile/0/002.p/89", 404),
        ("tile/2/000", 404),
        ("sm3/tile/entries/000", 404),
        ("tile/0/0", 400),
        ("tile/../private/leaves", 400),
        ("tile/0/%2e%2e/mark", 400),
    ] {
        let (status, told) = world.ask("", "GET", &format!("/v1/evidence/{path}"), None).await;
        assert_eq!(status.as_u16(), expected, "{path}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_proves_own_records_and_no_others() {
    let world = filled(20).await;
    let (status, proof) = world.ask("c1", "GET", "/v1/evidence/proof?account=1&limit=5", None).await;
    assert_eq!(status, StatusCode::OK, "{proof}");
    let file = EvidenceBundle::parse(&serde_json::to_vec(&proof).unwrap()).unwrap();
    let report = check_bundle(&file.bundle().unwrap(), &world.service.signing_keys());
    assert_eq!((report.findings, report.opened), (vec![], 5));
    for (who, query, expected) in [
        ("c1", "account=2", 403),
        ("c1", "", 400),
        ("", "account=1", 401),
        ("boss", "account=2&limit=1", 200),
        ("boss", "limit=1", 200),
        ("boss", "limit=1001", 400),
        ("boss", "account=01", 400),
        ("boss", "colour=red", 400),
        ("boss", "order=77", 404),
        ("boss", "since=1000", 400),
        ("boss", "witnessed=true", 404),
    ] {
        let (status, told) = world.ask(who, "GET", &format!("/v1/evidence/proof?{query}"), None).await;
        assert_eq!(status.as_u16(), expected, "{who} {query}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_needs_the_law_and_two_people_and_leaves_the_tree_valid() {
    let world = filled(40).await;
    let body = |basis: &str| Some(json!({ "account_id": "1", "through_year": 2026, "basis": basis }));
    let path = "/v1/evidence/destructions";
    let (status, told) = world.ask("boss", "POST", path, body("retention-ended")).await;
    assert_eq!((status, &told["code_name"]), (StatusCode::CONFLICT, &json!("RetentionRuns")));
    let (status, told) = world.ask("boss", "POST", path, body("test-account")).await;
    assert_eq!(status, StatusCode::CONFLICT, "in production no account is one for tests: {told}");
    assert_eq!(world.ask("c1", "POST", path, body("retention-ended")).await.0, StatusCode::FORBIDDEN);
    world.clock.set(2047);
    let (status, asked) = world.ask("boss", "POST", path, body("retention-ended")).await;
    assert_eq!((status, &asked["state"]), (StatusCode::CREATED, &json!("requested")));
    assert_eq!(world.ask("boss", "POST", path, body("retention-ended")).await, (StatusCode::OK, asked.clone()));
    let approval = format!("{path}/{}/approval", asked["id"].as_str().unwrap());
    assert_eq!(world.ask("boss", "POST", &approval, None).await.0, StatusCode::CONFLICT, "four eyes");
    assert_eq!(world.ask("peer", "POST", &format!("{path}/99/approval"), None).await.0, StatusCode::NOT_FOUND);
    let (status, done) = world.ask("peer", "POST", &approval, None).await;
    assert_eq!((status, &done["state"], &done["keys_destroyed"]), (StatusCode::OK, &json!("done"), &json!(1)));
    assert_eq!(world.ask("peer", "POST", &approval, None).await, (StatusCode::OK, done), "again it is the same");
    check_deleted(&world).await;
    // What comes later of that year is bound as well, and hidden for good; the other client is as before.
    world.record.say(vec![deposit(1, 5), deposit(2, 6)]);
    world.covered().await;
    let world = world.again().await;
    world.covered().await;
    check_deleted(&world).await;
    world.stop().await;
    let archive = world.archive().await;
    let rebuilt = tokio::task::spawn_blocking(move || archive.rebuild().unwrap()).await.unwrap();
    assert!(rebuilt.is_same(), "{rebuilt:?}");
    assert_eq!(rebuilt.destroyed, 21);
}

async fn check_deleted(world: &World) {
    let all = world.service.prove(Wanted::all(100), false).await.unwrap();
    let report = check_bundle(&all.bundle().unwrap(), &world.service.signing_keys());
    assert_eq!(report.findings, []);
    assert!(report.opened >= 20 && report.closed >= 20, "{report:?}");
    let of = |leaf: &heng_compliance::EvidenceLeaf| leaf.shown.as_ref().map(|shown| shown["account"].clone());
    assert!(all.leaves.iter().filter_map(of).all(|account: Value| account == "2"));
    assert!(world.service.status().trouble().is_none());
    let _ = time(2026);
}
