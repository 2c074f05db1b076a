//! Decides which of a tenant's origins a session belongs to.
//!
//! Uses weighted rendezvous hashing (Thaler and Ravishankar, 1998; weights by Schindelhauer and Schomaker, 2005).
//! Every origin gets a score from the session's handle, its own name and its weight; the highest wins. So nothing is
//! stored while that choice holds, and all isolates agree without communication. Removing an origin or changing a
//! weight moves the minimum of sessions.
//!
//! The release counts too: sessions of a gray release go to that release's origins, all others to the rest.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::balancer::discovery::{self, Source};
use crate::balancer::path_prefix::PathPrefix;
use crate::balancer::releases::Releases;
use crate::balancer::service;
use crate::clock::UnixSeconds;
use crate::flat_map::FlatMap;
use crate::session::id::Handle;
use crate::shared_text::SharedText;

/// Origin server. Its texts are shared: every forwarded request keeps some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Name, by which sessions are pinned; never sent to a client.
    pub name: SharedText,
    /// Scheme and authority, without a trailing slash: `http://127.0.0.1:8000`. Or a service binding: see
    /// [`service`]. Or, in the configuration alone, a list of servers: see [`discovery`].
    pub base: SharedText,
    /// Share of the sessions, relative to the other origins' weights.
    pub weight: u32,
    /// Which sessions it accepts.
    pub state: OriginState,
    /// Maximum number of conversations at a time: requests in flight and open sockets.
    pub capacity: Option<u32>,
    /// Release that it runs, if any is configured.
    pub release: Option<SharedText>,
    /// Path of the health check.
    pub health_path: Option<String>,
    /// Start of its use: older sessions stay with the other origins, so that adding an origin moves no session.
    pub since: UnixSeconds,
    /// Beginnings of the paths that its pool answers; none in the default pool.
    pub paths: Vec<PathPrefix>,
    seed: u64,
}

/// Which sessions an origin accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginState {
    /// All sessions.
    Active,
    /// Existing sessions only.
    Drain,
    /// None: its sessions move at once.
    Down,
}

/// Name of an origin: letters, digits and `._:-[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginName(SharedText);

/// Scheme and authority of an origin, without a trailing slash: `http://127.0.0.1:8000`; or `service:NAME`; or a list
/// of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base(SharedText);

/// Fault of an origin's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadOrigin {
    /// The base is not an `http` or `https` URL of a host and an optional port.
    #[error("use http(s)://host[:port], nothing behind it; or service:NAME for another Worker")]
    Base,
    /// The place of a list is malformed.
    #[error("use discover:https://host/path, srv:name or dns:host:port, without a password")]
    List,
    /// The name has other characters than [`OriginName`] allows.
    #[error("a name may hold letters, digits and ._:- only")]
    Name,
}

impl OriginName {
    /// Parses a name.
    ///
    /// # Errors
    /// Returns [`BadOrigin::Name`].
    pub(crate) fn parse(text: &str) -> Result<Self, BadOrigin> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:-[]".contains(&b);
        let is_name = !text.is_empty() && text.bytes().all(plain);
        is_name.then(|| Self(text.into())).ok_or(BadOrigin::Name)
    }

    /// Returns the name.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Base {
    /// Parses a URL.
    ///
    /// # Errors
    /// Returns [`BadOrigin::Base`] or [`BadOrigin::List`].
    pub(crate) fn parse(text: &str) -> Result<Self, BadOrigin> {
        if discovery::is_list(text) {
            let source = Source::parse(text).ok_or(BadOrigin::List)?;
            // Names of DNS are compared without their case.
            let is_url = source.kind == discovery::Kind::Document;
            return Ok(Self(if is_url {
                text.into()
            } else {
                text.to_ascii_lowercase().into()
            }));
        }
        if let Some(name) = service::named(text) {
            let is_name = service::is_binding_name(name);
            return is_name.then(|| Self(text.into())).ok_or(BadOrigin::Base);
        }
        let url = text.trim_end_matches('/').to_ascii_lowercase();
        let authority = authority(&url);
        let is_plain = !authority.is_empty()
            && !authority.contains(['/', '?', '#', '@', '\\', ' ', '"'])
            && authority.is_ascii();
        is_plain.then(|| Self(url.into())).ok_or(BadOrigin::Base)
    }

    /// Returns the scheme and authority, or what is in their place.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the default name: host and port, or the binding, so that adding an origin renames no other.
    #[must_use]
    pub(crate) fn to_name(&self) -> OriginName {
        if let Some(source) = Source::parse(&self.0) {
            return OriginName(source.name().into());
        }
        let name = service::named(&self.0).unwrap_or_else(|| authority(&self.0));
        OriginName(name.into())
    }
}

fn authority(url: &str) -> &str {
    url.strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .unwrap_or_default()
}

/// Origins that share the sessions or the requests of some paths. Empty only if all come from lists that are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    origins: Vec<Origin>,
    /// Whether all weights are equal, so that hashes compare directly.
    is_even: bool,
}

impl Pool {
    /// Creates a pool. Returns `None` for an empty list or duplicate names.
    #[must_use]
    pub(crate) fn new(origins: Vec<Origin>) -> Option<Self> {
        let names = origins.iter().map(|origin| (origin.name.as_str(), ()));
        let names: FlatMap<&str, ()> = names.collect();
        let is_sound = !origins.is_empty() && names.len() == origins.len();
        is_sound.then(|| Self::with(origins))
    }

    /// Finds an origin by name.
    #[must_use]
    pub(crate) fn named(&self, name: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.name == name)
    }

    /// Iterates over all origins.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.origins.iter()
    }

    /// Returns the best origin of a session's release, among those that `may` be used. Origins added after the session
    /// began are not considered.
    #[must_use]
    pub(crate) fn best_of_release(
        &self,
        (handle, created): (Handle, UnixSeconds),
        releases: Option<&Releases>,
        may: impl Fn(&Origin) -> bool,
    ) -> Option<&Origin> {
        let assigned = releases.map(|releases| (releases, releases.of((handle, created))));
        self.best(handle, |origin| {
            origin.since <= created
                && assigned.is_none_or(|(releases, own)| releases.of_origin(origin) == own)
                && may(origin)
        })
    }

    /// Returns the origin with the highest score among those that `may` be used.
    #[must_use]
    pub(crate) fn best(&self, handle: Handle, may: impl Fn(&Origin) -> bool) -> Option<&Origin> {
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

impl Pool {
    /// Returns the pool with other origins, whose names differ.
    #[must_use]
    pub(super) fn with(origins: Vec<Origin>) -> Self {
        let mut weights = origins.iter().map(|origin| origin.weight);
        let first = weights.next();
        Self {
            is_even: weights.all(|weight| Some(weight) == first),
            origins,
        }
    }
}

impl Origin {
    /// Creates an origin with the default settings.
    #[must_use]
    pub(crate) fn new(OriginName(name): OriginName, Base(base): Base) -> Self {
        Self {
            seed: seed(&name),
            name,
            base,
            weight: 1,
            state: OriginState::Active,
            capacity: None,
            release: None,
            health_path: None,
            since: UnixSeconds(0),
            paths: Vec::new(),
        }
    }

    /// Decides whether the origin may have sessions at all: an operator has neither set it to `down` nor switched its
    /// release off.
    #[must_use]
    pub(crate) fn is_open(&self, releases: Option<&Releases>) -> bool {
        self.state != OriginState::Down && !releases.is_some_and(|releases| releases.is_off(self))
    }

    /// Hashes the handle: evenly distributed, and independent between origins. It must never change, because it
    /// locates running conversations.
    fn hash(&self, handle: Handle) -> u64 {
        let [high, low] = handle_halves(handle);
        mix(mix(high ^ self.seed).wrapping_add(low))
    }

    /// Returns the score. It rises with the hash and the weight, so that an origin wins in proportion to its weight.
    fn score(&self, handle: Handle) -> f64 {
        f64::from(self.weight) / -self.evenly(handle).ln()
    }

    /// Maps the hash to (0, 1): with the bits that a float holds, and an offset of a half so that it is never 0.
    fn evenly(&self, handle: Handle) -> f64 {
        let hash = self.hash(handle);
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let even = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        even
    }

    /// Returns the score for display, between 0 and 1. Of two origins, the one that [`Pool::best`] prefers has more.
    #[must_use]
    pub(crate) fn displayed_score(&self, handle: Handle) -> f64 {
        (self.evenly(handle).ln() / f64::from(self.weight)).exp()
    }
}

fn handle_halves(Handle(bytes): Handle) -> [u64; 2] {
    let number = u128::from_be_bytes(bytes);
    // Truncation splits the number into its halves.
    #[expect(clippy::cast_possible_truncation)]
    [(number >> 64) as u64, number as u64]
}

fn seed(name: &str) -> u64 {
    let hash = Sha256::digest(name.as_bytes());
    hash.first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Mixes bits: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: usize) -> Pool {
        weighted(&vec![1; count])
    }

    fn weighted(weights: &[u32]) -> Pool {
        let origin = |(at, weight): (usize, &u32)| Origin {
            weight: *weight,
            ..named(&format!("o{at}"))
        };
        Pool::new(weights.iter().enumerate().map(origin).collect()).unwrap()
    }

    fn named(name: &str) -> Origin {
        let base = Base::parse(&format!("http://{name}")).unwrap();
        Origin::new(OriginName::parse(name).unwrap(), base)
    }

    fn handles() -> impl Iterator<Item = Handle> {
        (0_u64..20_000).map(|n| {
            let hash: [u8; 32] = Sha256::digest(n.to_be_bytes()).into();
            Handle(*hash.first_chunk().unwrap())
        })
    }

    #[test]
    fn origin_name_defaults_to_host_and_port() {
        let base = Base::parse("https://B.example:90/").unwrap();
        let origin = Origin::new(base.to_name(), base);
        assert_eq!(
            (origin.name.as_str(), origin.base.as_str()),
            ("b.example:90", "https://b.example:90")
        );
    }

    #[test]
    fn invalid_origin_is_rejected() {
        for url in [
            "ftp://a",
            "http://",
            "http://a/b",
            "http://u@a",
            "a:1",
            "http://a?b",
            "ws://a",
        ] {
            assert_eq!(Base::parse(url), Err(BadOrigin::Base), "{url}");
        }
        assert_eq!(OriginName::parse("a b"), Err(BadOrigin::Name));
        assert_eq!(Pool::new(vec![]), None);
        assert_eq!(Pool::new(vec![named("a"), named("a")]), None);
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
    fn sessions_spread_by_weight_and_a_new_weight_moves_a_minimum() {
        let count = |pool: &Pool, name: &str| {
            handles()
                .filter(|h| pool.best(*h, |_| true).is_some_and(|o| o.name == name))
                .count()
        };
        let (before, after) = (weighted(&[1, 1, 2]), weighted(&[1, 1, 4]));
        assert!((9_700..10_300).contains(&count(&before, "o2")));
        assert!((13_000..13_700).contains(&count(&after, "o2")));
        let moved = handles().filter(|h| {
            let name = |pool: &Pool| pool.best(*h, |_| true).unwrap().name.clone();
            name(&before) != name(&after)
        });
        let least = count(&after, "o2") - count(&before, "o2");
        assert_eq!(
            moved.count(),
            least,
            "only towards the one that weighs more"
        );
        // Equal weights give the same choice as no weights.
        let (even, plain) = (weighted(&[3, 3]), pool(2));
        for handle in handles().take(1_000) {
            let name = |pool: &Pool| pool.best(handle, |_| true).unwrap().name.clone();
            assert_eq!(name(&even), name(&plain));
        }
    }

    #[test]
    fn removed_origin_moves_only_its_own_sessions() {
        let (before, after) = (pool(5), pool(4));
        for handle in handles() {
            let old = before.best(handle, |_| true).unwrap();
            let new = after.best(handle, |_| true).unwrap();
            assert!(old == new || old.name == "o4");
        }
    }

    #[test]
    fn unusable_origin_is_skipped() {
        let pool = pool(2);
        let handle = Handle([1; 16]);
        let first = pool.best(handle, |_| true).unwrap();
        let second = pool.best(handle, |o| o != first).unwrap();
        assert_ne!(first, second);
        assert_eq!(pool.best(handle, |_| false), None);
    }

    #[test]
    fn reported_scores_are_those_of_the_choice() {
        for pool in [pool(5), weighted(&[1, 7, 2])] {
            for handle in handles().take(1_000) {
                let score = |origin: &&Origin| origin.displayed_score(handle);
                assert!(
                    pool.iter()
                        .all(|origin| (0.0..1.0).contains(&score(&origin)))
                );
                let highest = pool.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
                assert_eq!(pool.best(handle, |_| true), highest);
            }
        }
    }

    #[test]
    fn choice_is_stable_across_releases() {
        let pool = pool(8);
        let chosen: String = handles()
            .take(16)
            .map(|h| pool.best(h, |_| true).unwrap().name.replace('o', ""))
            .collect();
        assert_eq!(chosen, "4455204033400425");
    }
}
