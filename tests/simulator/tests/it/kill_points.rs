//! 200 kill points, and the same without fdatasync.

use heng_simulator::KillPoints;

#[test]
fn two_hundred_kill_points_lose_nothing() {
    let run = KillPoints { seed: 1, kill_points: 200, without_sync: false };
    let summary = run.run().unwrap();
    assert_eq!(summary.kills, 200);
    // Each kind of trouble has really come.
    assert!(summary.kills_inside_disk > 40, "{summary:?}");
    assert!(summary.kills_in_recovery > 10, "{summary:?}");
    assert!(summary.acknowledged_found > 15_000, "{summary:?}");
    assert!(summary.snapshots > 50, "{summary:?}");
    assert!(summary.disk_full > 20, "{summary:?}");
    assert!(summary.hashes_compared > 200, "{summary:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = KillPoints { seed: 7, kill_points: 12, without_sync: false };
    assert_eq!(run.run(), run.run());
}

#[test]
fn without_fdatasync_the_same_run_fails() {
    for seed in 1..=4 {
        let run = KillPoints { seed, kill_points: 50, without_sync: true };
        let broken = run.run().expect_err("acknowledged commands must be missing");
        let lost = ["was acknowledged", "was seen", "are missing", "recovery fails"];
        assert!(lost.iter().any(|sign| broken.contains(sign)), "{broken}");
    }
}
