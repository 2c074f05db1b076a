//! Decides which sessions a rule is for, and which share of them it sends to its release.
//!
//! Every condition costs time linear in the bounded part of a header that it looks at, except a pattern, whose cost is
//! bounded by the product of both lengths: [`MAX_TEXT`] × [`MAX_PATTERN`].

use sha2::{Digest as _, Sha256};

/// Maximum number of bytes of a header that a condition looks at.
pub(crate) const MAX_TEXT: usize = 1_024;

/// Maximum number of bytes of a condition's text.
pub(crate) const MAX_PATTERN: usize = 256;

/// Shares of users are counted in ten-thousandths.
const WHOLE: u64 = 10_000;

/// A rule: sends a share of the sessions that it is for to a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReleaseRule {
    /// The release, as its origins name it.
    pub release: String,
    /// Share in percent.
    pub percent: u32,
    /// The rule assigns no sessions.
    pub is_off: bool,
    /// The share is one of users: a user is always in it, or never.
    pub by_user: bool,
    /// Conditions on headers; all must hold.
    pub headers: Vec<HeaderCondition>,
    /// The user is one of these; empty: any, and guests.
    pub users: Vec<String>,
    /// The user is in one of these groups; empty: any, and guests.
    pub groups: Vec<String>,
    /// The client is in one of these countries; empty: any.
    pub countries: Vec<String>,
    /// The client is one of these kinds of device; empty: any.
    pub devices: Vec<String>,
}

/// A condition on a request header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderCondition {
    /// Name of the header, in lower case.
    pub name: String,
    /// What its value must be like.
    pub test: Test,
}

/// A condition on a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// It is this text.
    Exact(String),
    /// It begins with this text.
    Prefix(String),
    /// It has this text in it.
    Contains(String),
    /// It is like this pattern: `*` is any text, `?` any one character.
    Pattern(String),
}

/// What is known of a session when a rule is applied.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// Request headers, by lower-case names.
    pub headers: &'a [(&'a str, &'a str)],
    /// The user; none for a guest.
    pub user: Option<&'a str>,
    /// The user's groups.
    pub groups: &'a [String],
    /// The country, as two letters.
    pub country: Option<&'a str>,
    /// The kind of device.
    pub device: Option<&'a str>,
}

/// What a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict<'r> {
    /// The release that the session is in; none for the rest, who stay with the usual release.
    pub release: Option<&'r str>,
    /// The rule asked who the user is: it has decided nothing for a guest.
    pub of_user: bool,
}

impl ReleaseRule {
    /// Decides whether the rule can hold only for a user.
    pub(crate) fn needs_user(&self) -> bool {
        self.by_user || !self.users.is_empty() || !self.groups.is_empty()
    }

    /// Decides whether the rule is for this session.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> bool {
        let is_among = |list: &[String], one: Option<&str>| {
            list.is_empty() || one.is_some_and(|one| list.iter().any(|listed| listed == one))
        };
        let has_group = || facts.groups.iter().any(|group| self.groups.contains(group));
        (!self.needs_user() || facts.user.is_some())
            && is_among(&self.users, facts.user)
            && (self.groups.is_empty() || has_group())
            && is_among(&self.countries, facts.country)
            && is_among(&self.devices, facts.device)
            && self.headers.iter().all(|condition| {
                let mut headers = facts.headers.iter();
                let header = headers.find(|(name, _)| *name == condition.name);
                header.is_some_and(|(_, value)| condition.test.holds(value))
            })
    }

    /// Decides whether a session that the rule is for is in its share.
    pub(super) fn verdict(&self, facts: &Facts<'_>, draw: &mut dyn FnMut() -> u32) -> Verdict<'_> {
        let of_user = self.needs_user();
        let is_in = match facts.user.filter(|_| of_user) {
            Some(user) => place(&self.release, user) < u64::from(self.percent) * (WHOLE / 100),
            None => draw() % 100 < self.percent,
        };
        Verdict {
            release: is_in.then_some(self.release.as_str()),
            of_user,
        }
    }
}

/// Returns a user's place among all users, for one release: below 10,000. It never changes, so a higher percentage
/// takes nobody out of the release, and a lower one only those beyond it.
fn place(release: &str, user: &str) -> u64 {
    let hash = Sha256::new()
        .chain_update(release)
        .chain_update(b"\n")
        .chain_update(user)
        .finalize();
    let number = hash.first_chunk();
    number.map_or(0, |bytes| u64::from_be_bytes(*bytes)) % WHOLE
}

impl Test {
    /// Decides whether a text fulfils the condition. Letters must have the same case.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let text = text.get(..MAX_TEXT).unwrap_or(text);
        match self {
            Self::Exact(exact) => text == exact.as_bytes(),
            Self::Prefix(prefix) => text.starts_with(prefix.as_bytes()),
            Self::Contains(part) => contains(text, part.as_bytes()),
            Self::Pattern(pattern) => is_like(text, pattern.as_bytes()),
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// Only the last `*` is ever tried again: what stands before it has its earliest place, and a later one helps nothing.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(at) {
        match pattern.get(of) {
            Some(b'*') => {
                of += 1;
                again = Some((at, of));
            }
            Some(b'?') => (at, of) = (at + character(*byte), of + 1),
            Some(wanted) if wanted == byte => (at, of) = (at + 1, of + 1),
            _ => match again.take() {
                Some((from, after)) => {
                    again = Some((from + 1, after));
                    (at, of) = (from + 1, after);
                }
                None => return false,
            },
        }
    }
    pattern
        .get(of..)
        .unwrap_or_default()
        .iter()
        .all(|byte| *byte == b'*')
}

/// Returns how many bytes a character has that begins with this one (RFC 3629 section 3).
fn character(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}
