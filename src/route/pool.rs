//! The origins of a tenant, and which of them a session belongs to.
//!
//! Weighted rendezvous hashing (Thaler and Ravishankar, 1998; weights by Schindelhauer and Schomaker,
//! 2005): every origin gets a score from the session's handle, its own name and its weight; the highest
//! wins. Nothing is stored while that choice stands, all isolates agree without talking, and taking an
//! origin away, or changing a weight, moves only as many sessions as it must.
//!
//! Which origins a session may have depends on its release too: a session that was born into the
//! canary goes to the origins of that release, every other one to the rest.

use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::clock::UnixSeconds;
use crate::session::id::Handle;

/// One origin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its name, by which sessions are pinned; never told to a client.
    pub name: String,
    /// Scheme and authority, without a trailing slash: `http://127.0.0.1:8000`.
    pub base: String,
    /// Its share of the sessions, in relation to the others'.
    pub weight: u32,
    /// Whether it takes sessions.
    pub state: OriginState,
    /// The most conversations it takes at a time: requests under way and open sockets.
    pub capacity: Option<u32>,
    /// Which release it runs, if it is not the usual one.
    pub release: Option<String>,
    /// Where it says that it is ready.
    pub health_path: Option<String>,
    /// Sessions that began before it was there stay with the origins there were; so adding an origin
    /// moves nobody.
    pub since: UnixSeconds,
    seed: u64,
}

/// Whether an origin takes sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginState {
    /// All it is given.
    Active,
    /// Those it has, and no new ones.
    Drain,
    /// None: they move at once.
    Down,
}

/// Why the configured origins cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadOrigins {
    /// None is configured.
    None,
    /// This entry is not an `http` or `https` URL of just a host and perhaps a port.
    NotABase(String),
    /// This name has characters other than letters, digits and `._:-`.
    BadName(String),
    /// Two origins have this name.
    Twice(String),
    /// This attribute is not known, or its value is not.
    BadAttribute(String),
}

impl fmt::Display for BadOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("ORIGINS is empty; list your chat servers, for example http://127.0.0.1:8000,http://127.0.0.1:8001"),
            Self::NotABase(entry) => write!(f, "ORIGINS: {entry:?} is not of the form [name=]http(s)://host[:port]"),
            Self::BadName(name) => write!(f, "ORIGINS: the name {name:?} may hold letters, digits and ._:- only"),
            Self::Twice(name) => write!(f, "ORIGINS: two origins are named {name:?}"),
            Self::BadAttribute(attribute) => write!(f, "ORIGINS: {attribute:?} is none of weight=1 to 1000, state=active, drain or down, capacity=1 or more, release=<name>, health=/<path>, since=<date, such as 2026-11-21T10:00:00Z>"),
        }
    }
}

/// A tenant's origins; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    origins: Vec<Origin>,
    /// All weights are equal, so that hashes can be compared as they are.
    is_even: bool,
}

impl Pool {
    /// Parses a comma-separated list of `[name=]http(s)://host[:port]`, each with attributes behind
    /// semicolons: `;weight=2;state=drain;capacity=500;release=v2;health=/ready;since=2026-11-21`.
    /// The name defaults to `host:port`, so that adding an origin renames none.
    ///
    /// # Errors
    /// [`BadOrigins`] for the first entry that cannot be used.
    pub fn parse(list: &str) -> Result<Self, BadOrigins> {
        let mut origins: Vec<Origin> = Vec::new();
        for entry in list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let origin = Origin::parse(entry)?;
            if origins.iter().any(|other| other.name == origin.name) {
                return Err(BadOrigins::Twice(origin.name));
            }
            origins.push(origin);
        }
        if origins.is_empty() {
            Err(BadOrigins::None)
        } else {
            let is_even = origins
                .iter()
                .all(|origin| Some(origin.weight) == origins.first().map(|first| first.weight));
            Ok(Self { origins, is_even })
        }
    }

    /// The origin of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.name == name)
    }

    /// All origins.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.origins.iter()
    }

    /// The origin with the highest score among those that `may` be used.
    #[must_use]
    pub fn best(&self, handle: Handle, may: impl Fn(&Origin) -> bool) -> Option<&Origin> {
        let open = self.origins.iter().filter(|origin| may(origin));
        if self.is_even {
            return open.max_by_key(|origin| origin.hash(handle));
        }
        let mut best: Option<(f64, &Origin)> = None;
        for origin in open {
            let score = origin.score(handle);
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, origin));
            }
        }
        best.map(|(_, origin)| origin)
    }
}

impl Origin {
    fn parse(entry: &str) -> Result<Self, BadOrigins> {
        let bad = || BadOrigins::NotABase(entry.to_owned());
        let (entry, attributes) = entry.split_once(';').unwrap_or((entry, ""));
        let (name, url) = match entry.split_once('=') {
            Some((name, url)) => (Some(name.trim()), url.trim()),
            None => (None, entry.trim()),
        };
        let url = url.trim_end_matches('/');
        let authority = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))
            .ok_or_else(bad)?;
        if authority.is_empty()
            || authority.contains(['/', '?', '#', '@', '\\', ' ', '"'])
            || !authority.is_ascii()
        {
            return Err(bad());
        }
        let name = name.unwrap_or(authority);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:-[]".contains(&b);
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(BadOrigins::BadName(name.to_owned()));
        }
        let mut origin = Self {
            name: name.to_owned(),
            base: url.to_ascii_lowercase(),
            weight: 1,
            state: OriginState::Active,
            capacity: None,
            release: None,
            health_path: None,
            since: UnixSeconds(0),
            seed: seed(name),
        };
        for attribute in attributes.split(';').map(str::trim) {
            if !attribute.is_empty() {
                origin
                    .set(attribute)
                    .ok_or_else(|| BadOrigins::BadAttribute(attribute.to_owned()))?;
            }
        }
        Ok(origin)
    }

    fn set(&mut self, attribute: &str) -> Option<()> {
        let (name, value) = attribute.split_once('=')?;
        match name {
            "weight" => self.weight = value.parse().ok().filter(|w| (1..=1_000).contains(w))?,
            "capacity" => self.capacity = Some(value.parse().ok().filter(|most| *most > 0)?),
            "release" if !value.is_empty() => self.release = Some(value.to_owned()),
            "health" if value.starts_with('/') => self.health_path = Some(value.to_owned()),
            "since" => self.since = UnixSeconds::parse(value)?,
            "state" => {
                self.state = match value {
                    "active" => OriginState::Active,
                    "drain" => OriginState::Drain,
                    "down" => OriginState::Down,
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Evenly distributed, and independent between origins. Must never change: it decides where
    /// running conversations are.
    fn hash(&self, handle: Handle) -> u64 {
        let [high, low] = handle_halves(handle);
        mix(mix(high ^ self.seed).wrapping_add(low))
    }

    /// Rises with the hash, and with the weight so that an origin wins in proportion to it.
    fn score(&self, handle: Handle) -> f64 {
        let hash = self.hash(handle);
        // In (0, 1): as many bits as a float has, and a half so that it is never 0.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let even = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        f64::from(self.weight) / -even.ln()
    }
}

fn handle_halves(Handle(bytes): Handle) -> [u64; 2] {
    let number = u128::from_be_bytes(bytes);
    // Both halves on purpose: truncation is the split.
    #[expect(clippy::cast_possible_truncation)]
    [(number >> 64) as u64, number as u64]
}

fn seed(name: &str) -> u64 {
    let hash = Sha256::digest(name.as_bytes());
    hash.first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: usize) -> Pool {
        let list: Vec<String> = (0..count).map(|n| format!("o{n}=http://h{n}:80")).collect();
        Pool::parse(&list.join(",")).unwrap()
    }

    fn handles() -> impl Iterator<Item = Handle> {
        (0_u64..20_000).map(|n| {
            let hash: [u8; 32] = Sha256::digest(n.to_be_bytes()).into();
            Handle(*hash.first_chunk().unwrap())
        })
    }

    #[test]
    fn origins_are_named_after_their_address_unless_told_otherwise() {
        let pool = Pool::parse(" http://a:1 , blue=https://B.example/ ").unwrap();
        let seen: Vec<_> = pool
            .iter()
            .map(|o| (o.name.as_str(), o.base.as_str()))
            .collect();
        assert_eq!(seen, [("a:1", "http://a:1"), ("blue", "https://b.example")]);
    }

    #[test]
    fn what_is_no_origin_is_refused_by_name() {
        for entry in ["", " , "] {
            assert_eq!(Pool::parse(entry), Err(BadOrigins::None));
        }
        for entry in [
            "ftp://a",
            "http://",
            "http://a/b",
            "http://u@a",
            "a:1",
            "http://a?b",
            "ws://a",
        ] {
            assert_eq!(
                Pool::parse(entry),
                Err(BadOrigins::NotABase(entry.to_owned()))
            );
        }
        assert_eq!(
            Pool::parse("a b=http://a"),
            Err(BadOrigins::BadName("a b".to_owned()))
        );
        assert_eq!(
            Pool::parse("http://a,http://a"),
            Err(BadOrigins::Twice("a".to_owned()))
        );
    }

    #[test]
    fn sessions_spread_evenly() {
        let pool = pool(5);
        for origin in pool.iter() {
            let share = handles()
                .filter(|h| pool.best(*h, |_| true) == Some(origin))
                .count();
            assert!(
                (3_700..4_300).contains(&share),
                "{} has {share} of 20000",
                origin.name
            );
        }
    }

    #[test]
    fn sessions_spread_by_weight_and_a_new_weight_moves_only_what_it_must() {
        let weighted = |weight: u32| {
            Pool::parse(&format!("a=http://a,b=http://b,c=http://c;weight={weight}")).unwrap()
        };
        let count = |pool: &Pool, name: &str| {
            handles()
                .filter(|h| pool.best(*h, |_| true).is_some_and(|o| o.name == name))
                .count()
        };
        let (before, after) = (weighted(2), weighted(4));
        assert!((9_700..10_300).contains(&count(&before, "c")));
        assert!((13_000..13_700).contains(&count(&after, "c")));
        let moved = handles().filter(|h| {
            let name = |pool: &Pool| pool.best(*h, |_| true).unwrap().name.clone();
            name(&before) != name(&after)
        });
        let least = count(&after, "c") - count(&before, "c");
        assert_eq!(
            moved.count(),
            least,
            "only towards the one that weighs more"
        );
        // The weights of all others being equal changes nothing.
        let even = Pool::parse("a=http://a;weight=3,b=http://b;weight=3").unwrap();
        let plain = Pool::parse("a=http://a,b=http://b").unwrap();
        for handle in handles().take(1_000) {
            let name = |pool: &Pool| pool.best(handle, |_| true).unwrap().name.clone();
            assert_eq!(name(&even), name(&plain));
        }
    }

    #[test]
    fn attributes_are_read_and_unknown_ones_refused() {
        let pool = Pool::parse(
            "a=http://a:1;weight=5;state=drain;capacity=9;release=v2;health=/ready, b=http://b",
        )
        .unwrap();
        let a = pool.named("a").unwrap();
        assert_eq!(
            (
                a.weight,
                a.state,
                a.capacity,
                a.release.as_deref(),
                a.health_path.as_deref()
            ),
            (5, OriginState::Drain, Some(9), Some("v2"), Some("/ready"))
        );
        for bad in [
            "weight=0",
            "weight=1001",
            "state=x",
            "capacity=0",
            "release=",
            "health=x",
            "since=yesterday",
            "y=1",
            "z",
        ] {
            let list = format!("http://a;{bad}");
            assert_eq!(
                Pool::parse(&list),
                Err(BadOrigins::BadAttribute(bad.to_owned()))
            );
        }
    }

    #[test]
    fn taking_an_origin_away_moves_only_its_own_sessions() {
        let (before, after) = (pool(5), pool(4));
        for handle in handles() {
            let old = before.best(handle, |_| true).unwrap();
            let new = after.best(handle, |_| true).unwrap();
            assert!(old == new || old.name == "o4");
        }
    }

    #[test]
    fn an_origin_that_may_not_be_used_is_passed_over() {
        let pool = pool(2);
        let handle = Handle([1; 16]);
        let first = pool.best(handle, |_| true).unwrap();
        let second = pool.best(handle, |o| o != first).unwrap();
        assert_ne!(first, second);
        assert_eq!(pool.best(handle, |_| false), None);
    }

    #[test]
    fn the_choice_is_fixed_for_all_time() {
        let pool = pool(8);
        let chosen: String = handles()
            .take(16)
            .map(|h| pool.best(h, |_| true).unwrap().name.replace('o', ""))
            .collect();
        assert_eq!(chosen, "4455204033400425");
    }
}
