//! What the log holds, and that it is the same after every stop and when it is built again.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use heng_compliance::{Archive, EvidenceBundle, Record as Shown, Wanted};
use heng_security::evidence::{Report, VerifierKey, check_bundle};

use crate::support::{World, cancel_requested, deposit, placed, working};

fn check(file: &EvidenceBundle, keys: &[VerifierKey]) -> Report {
    // What is checked is what a stranger reads from the file.
    let read = EvidenceBundle::parse(&serde_json::to_vec(file).unwrap()).unwrap();
    assert_eq!(&read, file);
    check_bundle(&read.bundle().unwrap(), keys)
}

/// Events of many clients, and actions in between.
fn fill(world: &World, commands: u64) {
    for number in 1..=commands {
        let (account, other) = (number % 5 + 1, number % 3 + 1);
        match number % 4 {
            0 => _ = world.record.say(vec![placed(account, number), working(number), deposit(other, 5)]),
            1 => _ = world.record.say(vec![deposit(account, number.cast_signed())]),
            2 => _ = world.record.say(vec![]),
            _ => {
                world.record.say(vec![cancel_requested(number - 3)]);
            }
        }
        if number % 50 == 0 {
            world.record.act("user.created");
        }
    }
}

async fn on_a_thread<T: Send + 'static>(archive: Archive, work: impl FnOnce(&Archive) -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(move || work(&archive)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_proven_to_whom_it_concerns() {
    let world = World::new().await;
    let sequence = world.record.say(vec![placed(1, 9), working(9), deposit(2, 7)]);
    world.record.say(vec![cancel_requested(9)]);
    world.covered().await;
    let keys = world.service.signing_keys();
    let mine = world.service.prove(Wanted { client: Some(1), ..Wanted::all(100) }, false).await.unwrap();
    let report = check(&mine, &keys);
    assert_eq!((report.findings, report.opened, report.closed), (vec![], 2, 0));
    assert_eq!(report.signed_by, ["heng.test/log", "heng.test/log/sm2"]);
    let record = |at: usize| {
        let bytes = mine.leaves[at].record.as_ref().unwrap();
        let bytes: Vec<u8> =
            (0..bytes.len()).step_by(2).map(|at| u8::from_str_radix(&bytes[at..at + 2], 16).unwrap()).collect();
        Shown::read(&bytes).unwrap()
    };
    let Shown::Command { sequence: told, client, events, .. } = record(0) else { panic!("a command") };
    assert_eq!((told, client), (sequence, 1));
    assert_eq!(events, [(0, placed(1, 9)), (1, working(9))], "not the deposit of the other");
    let Shown::Command { events, .. } = record(1) else { panic!("a command") };
    assert_eq!(events, [(0, cancel_requested(9))], "the order's account is known from before");
    let of_order = Wanted { order: Some(9), ..Wanted::all(100) };
    assert_eq!(world.service.prove(of_order, false).await.unwrap().leaves, mine.leaves);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_on_after_every_stop_and_is_built_again_to_the_same_root() {
    let mut world = World::new().await;
    for _ in 0..4 {
        fill(&world, 260);
        world.covered().await;
        world = world.again().await;
    }
    world.covered().await;
    let keys = world.service.signing_keys();
    let all = world.service.prove(Wanted::all(100_000), false).await.unwrap();
    let report = check(&all, &keys);
    assert_eq!((report.findings, report.closed), (vec![], 0));
    assert_eq!(report.opened as u64, all.size);
    let actions = all.leaves.iter().filter(|leaf| leaf.shown.as_ref().unwrap()["kind"] == "action").count();
    assert_eq!(actions, 20);
    world.stop().await;
    let archive = world.archive().await;
    let rebuilt = on_a_thread(archive, |archive| archive.rebuild().unwrap()).await;
    assert!(rebuilt.is_same(), "{rebuilt:?}");
    assert_eq!((rebuilt.size, rebuilt.destroyed), (all.size, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kill_leaves_behind_is_cut_off_and_made_again() {
    let world = World::new().await;
    fill(&world, 900);
    world.covered().await;
    let before = world.service.prove(Wanted::all(1), false).await.unwrap();
    world.stop().await;
    // Rows that no mark covers, a torn mark, and full tiles that the disk lost or has half of.
    let evidence = world.folder.path().join("evidence");
    let leaves = OpenOptions::new().append(true).open(evidence.join("private/leaves")).unwrap();
    leaves.write_all_at(&[7; 1_000], leaves.metadata().unwrap().len()).unwrap();
    let world = World::over(world.record, world.folder, Vec::new()).await;
    fill(&world, 30);
    world.covered().await;
    let keys = world.service.signing_keys();
    let since = Wanted { since: Some(before.size), ..Wanted::all(100_000) };
    let after = world.service.prove(since, false).await.unwrap().with_earlier(before.checkpoint).unwrap();
    let report = check(&after, &keys);
    assert_eq!((report.findings, report.closed), (vec![], 0));
    assert!(after.size > before.size);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_parks_and_publishes_nothing() {
    let world = World::new().await;
    fill(&world, 300);
    world.covered().await;
    let before = world.service.prove(Wanted::all(1), false).await.unwrap();
    world.stop().await;
    let evidence = world.folder.path().join("evidence");
    // Somebody puts another leaf in the place of an old one, in the part that is checked at every start.
    let leaves = OpenOptions::new().write(true).open(evidence.join("private/leaves")).unwrap();
    leaves.write_all_at(&[7; 32], (before.size - 1) * 64 + 32).unwrap();
    let world = World::over(world.record, world.folder, Vec::new()).await;
    let status = world.service.status();
    let began = std::time::Instant::now();
    while status.trouble().is_none() {
        assert!(began.elapsed() < crate::support::PATIENCE, "it must park");
        tokio::task::yield_now().await;
    }
    let told = status.trouble().unwrap().reason;
    assert!(told.contains("do not give the root"), "{told}");
    let published = std::fs::read_to_string(evidence.join("public/checkpoint")).unwrap();
    assert_eq!(published, before.checkpoint);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_record_is_found() {
    let world = World::new().await;
    let sequence = world.record.say(vec![deposit(1, 100)]);
    world.record.say(vec![deposit(1, 50)]);
    world.covered().await;
    world.record.correct(sequence, vec![deposit(1, 90)]);
    let keys = world.service.signing_keys();
    let proof = world.service.prove(Wanted::all(10), false).await.unwrap();
    let findings = check(&proof, &keys).findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].place == "leaves[0]" && findings[0].why.contains("do not give the commitment"));
    world.stop().await;
    let archive = world.archive().await;
    let rebuilt = on_a_thread(archive, |archive| archive.rebuild().unwrap()).await;
    assert_eq!((rebuilt.is_same(), &rebuilt.differing[..]), (false, &[0][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_sign_the_newest_checkpoint_beside_the_old_ones() {
    let world = World::new().await;
    fill(&world, 20);
    world.covered().await;
    world.stop().await;
    let old = world.service.signing_keys();
    let mut archive = world.archive().await;
    let note = archive.resign(5).await.unwrap();
    let new = archive.status().unwrap();
    assert_eq!((new.keys.len(), &new.retired), (2, &old));
    assert_eq!((note.verify(&old).unwrap().len(), note.verify(&new.keys).unwrap().len()), (2, 2));
    // The service goes on under the new keys.
    let world = World::over(world.record, world.folder, Vec::new()).await;
    world.record.say(vec![deposit(1, 1)]);
    world.covered().await;
    let proof = world.service.prove(Wanted::all(100), false).await.unwrap();
    assert_eq!(check(&proof, &new.keys).findings, []);
    assert!(!check(&proof, &old).findings.is_empty());
}
