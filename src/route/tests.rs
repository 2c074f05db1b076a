//! The router alone, at a scale no test of the running Worker reaches.

use sha2::{Digest as _, Sha256};

use super::pool::Pool;
use crate::session::id::Handle;

fn pool(origins: usize) -> Pool {
    let list: Vec<String> = (0..origins).map(|n| format!("o{n}=http://h{n}")).collect();
    Pool::parse(&list.join(",")).unwrap()
}

fn handle(number: u64) -> Handle {
    let hash = Sha256::digest(number.to_be_bytes());
    Handle(*hash.first_chunk().unwrap())
}

#[test]
fn adding_and_taking_away_origins_moves_no_more_than_it_must() {
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
        // The least is what the origins that came or went have of all.
        let share = before.abs_diff(after) as u64 * SESSIONS / before.max(after) as u64;
        let least = usize::try_from(share).unwrap();
        assert!(
            moved.abs_diff(least) * 20 <= least,
            "{before} to {after}: {moved} moved, {least} had to"
        );
    }
}

#[test]
fn the_busiest_of_many_origins_has_hardly_more_than_its_share() {
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
