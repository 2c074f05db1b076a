//! Origins this isolate just failed to reach, so that the next request does not try them first.

use std::collections::HashMap;

use crate::clock::UnixMillis;

/// How long an origin that could not be reached is passed over, in milliseconds.
const PASSED_OVER_MS: u64 = 5_000;

/// Which origins are passed over, by name, and until when. Holds at most one entry per origin.
#[derive(Debug, Default)]
pub struct Suspicions(HashMap<String, UnixMillis>);

impl Suspicions {
    /// The origin could not be reached.
    pub fn raise(&mut self, origin: &str, now: UnixMillis) {
        self.0
            .insert(origin.to_owned(), UnixMillis(now.0 + PASSED_OVER_MS));
    }

    /// The origin answered.
    pub fn clear(&mut self, origin: &str) {
        self.0.remove(origin);
    }

    /// Whether the origin is passed over now.
    #[must_use]
    pub fn holds(&self, origin: &str, now: UnixMillis) -> bool {
        !self.0.is_empty() && self.0.get(origin).is_some_and(|until| now < *until)
    }
}
