//! Tests the balancer alone, at a scale that no test of the running Worker reaches.

use sha2::{Digest as _, Sha256};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};

use super::pool::{Base, Origin, OriginName, Pool};
use crate::session::id::Handle;

fn pool(origins: u64) -> Pool {
    of(&Vec::from_iter(0..origins))
}

fn of(members: &[u64]) -> Pool {
    let origin = |number: &u64| {
        let name = OriginName::parse(&format!("o{number}")).unwrap();
        Origin::new(name, Base::parse("http://h").unwrap())
    };
    Pool::new(members.iter().map(origin).collect()).unwrap()
}

fn handle(number: u64) -> Handle {
    let hash = Sha256::digest(number.to_be_bytes());
    Handle(*hash.first_chunk().unwrap())
}

#[test]
fn adding_or_removing_origins_moves_a_minimum_of_sessions() {
    const SESSIONS: u64 = 200_000;
    for (before, after) in [(10, 11), (11, 10), (50, 60), (100, 99)] {
        let (old, new) = (pool(before), pool(after));
        let moved = (0..SESSIONS)
            .filter(|number| {
                let handle = handle(*number);
                let home = |pool: &Pool| pool.best(handle, |_| true).unwrap().name.clone();
                home(&old) != home(&new)
            })
            .count();
        // The minimum is the share of the origins that were added or removed.
        let share = before.abs_diff(after) * SESSIONS / before.max(after);
        let least = usize::try_from(share).unwrap();
        assert!(
            moved.abs_diff(least) * 20 <= least,
            "{before} to {after}: {moved} moved, {least} had to"
        );
    }
}

#[test]
fn load_of_the_busiest_origin_stays_near_its_share() {
    const SESSIONS: u64 = 200_000;
    let pool = pool(20);
    let mut counts = std::collections::HashMap::new();
    for number in 0..SESSIONS {
        let home = pool.best(handle(number), |_| true).unwrap();
        *counts.entry(home.name.clone()).or_insert(0_u64) += 1;
    }
    let busiest = counts.values().max().unwrap();
    assert!(*busiest * 20 * 100 <= SESSIONS * 104, "{busiest}");
}

/// Adds, removes or reweights a server ten thousand times, each time with other sessions: five million placements.
#[test]
fn ten_thousand_pool_changes_move_a_minimum_of_sessions() {
    const CHANGES: u64 = 10_000;
    const SESSIONS: u64 = 500;
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let mut members: Vec<u64> = (0..30).collect();
    let (mut moved, mut least) = (0_u64, 0.0);
    let mut before = of(&members);
    for change in 0..CHANGES {
        let grows = members.len() < 10 || (members.len() < 50 && random.next_u32() % 2 == 0);
        let changed = if grows {
            members.push(1_000 + change);
            1_000 + change
        } else {
            let at = usize::try_from(random.next_u32()).unwrap() % members.len();
            members.swap_remove(at)
        };
        let changed = format!("o{changed}");
        let after = of(&members);
        for session in 0..SESSIONS {
            let handle = handle(change * SESSIONS + session);
            let old = &before.best(handle, |_| true).unwrap().name;
            let new = &after.best(handle, |_| true).unwrap().name;
            if old != new {
                let concerned = if grows { new } else { old };
                assert_eq!(*concerned, changed, "only from, or to, what changed");
                moved += 1;
            }
        }
        let larger = u32::try_from(members.len()).unwrap() + u32::from(!grows);
        least += 500.0 / f64::from(larger);
        before = after;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand")]
    let ratio = moved as f64 / least;
    assert!((0.95..1.05).contains(&ratio), "{ratio}");
}
