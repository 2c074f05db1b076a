//! The origins of a tenant, and which of them a session belongs to.
//!
//! Rendezvous hashing (Thaler and Ravishankar, 1998): every origin gets a score from the session's
//! handle and its own name; the highest wins. Nothing is stored while that choice stands, all
//! isolates agree without talking, and taking an origin away moves only its own sessions.

use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::session::id::Handle;

/// One origin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its name, by which sessions are pinned; never told to a client.
    pub name: String,
    /// Scheme and authority, without a trailing slash: `http://127.0.0.1:8000`.
    pub base: String,
    seed: u64,
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
}

impl fmt::Display for BadOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("ORIGINS is empty; list your chat servers, for example http://127.0.0.1:8000,http://127.0.0.1:8001"),
            Self::NotABase(entry) => write!(f, "ORIGINS: {entry:?} is not of the form [name=]http(s)://host[:port]"),
            Self::BadName(name) => write!(f, "ORIGINS: the name {name:?} may hold letters, digits and ._:- only"),
            Self::Twice(name) => write!(f, "ORIGINS: two origins are named {name:?}"),
        }
    }
}

/// A tenant's origins; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool(Vec<Origin>);

impl Pool {
    /// Parses a comma-separated list of `[name=]http(s)://host[:port]`. The name defaults to
    /// `host:port`, so that adding an origin renames none.
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
            Ok(Self(origins))
        }
    }

    /// The origin of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Origin> {
        self.0.iter().find(|origin| origin.name == name)
    }

    /// All origins.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.0.iter()
    }

    /// The origin with the highest score among those that `may` be used.
    #[must_use]
    pub fn best(&self, handle: Handle, may: impl Fn(&Origin) -> bool) -> Option<&Origin> {
        self.0
            .iter()
            .filter(|origin| may(origin))
            .max_by_key(|origin| origin.score(handle))
    }
}

impl Origin {
    fn parse(entry: &str) -> Result<Self, BadOrigins> {
        let bad = || BadOrigins::NotABase(entry.to_owned());
        let (name, url) = match entry.split_once('=') {
            Some((name, url)) => (Some(name.trim()), url.trim()),
            None => (None, entry),
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
        Ok(Self {
            name: name.to_owned(),
            base: url.to_ascii_lowercase(),
            seed: seed(name),
        })
    }

    /// Evenly distributed, and independent between origins. Must never change: it decides where
    /// running conversations are.
    fn score(&self, handle: Handle) -> u64 {
        let [high, low] = handle_halves(handle);
        mix(mix(high ^ self.seed).wrapping_add(low))
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
