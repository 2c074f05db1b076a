//! Keeps an origin's cookies in the session instead of the browser (`docs/guide/sign-in.md`).
//!
//! Applies `Path`, `Max-Age`, `Expires` and deletion as a browser does (RFC 6265 sections 5.3 and 5.4). Ignores
//! `Domain`, `Secure` and `SameSite`: they restrict where a browser sends a cookie, and the vault sends it only to the
//! origin that set it.

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::clock::UnixSeconds;
use crate::encoding::json;
use crate::message::Unexpected;
use crate::sorted;

/// Maximum bytes of one cookie, name and value; the limit of browsers (RFC 6265bis section 5.6).
const LARGEST: usize = 4_096;
/// Maximum bytes of an attribute's value; browsers ignore a longer one.
const LARGEST_ATTRIBUTE: usize = 1_024;
/// Maximum bytes of all cookies of a session: as many as servers accept in a header.
const LARGEST_SUM: usize = 16_384;
/// Maximum cookies of a session.
const MAX_COUNT: usize = 32;

/// Stored cookie. It cannot be printed, because its value is a credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub struct StoredCookie {
    /// Name; empty for a cookie without one.
    pub name: String,
    /// Value, byte for byte.
    pub value: String,
    /// Path of the cookie.
    pub path: String,
    /// Expiry; `None` for the end of the session.
    pub expires: Option<UnixSeconds>,
}

impl fmt::Debug for StoredCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredCookie({})", self.name)
    }
}

/// Stored cookies of a session, in the order in which they were first set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vault(pub Vec<StoredCookie>);

/// Error for a cookie that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{count} cookies of {bytes} bytes are more than a session keeps")]
pub(crate) struct TooLarge {
    /// Number of cookies the session would keep.
    pub count: usize,
    /// Bytes of all those cookies.
    pub bytes: usize,
}

impl Vault {
    /// Sets a cookie, replaces the one of the same name and path, or deletes it if the new one has expired.
    ///
    /// # Errors
    /// Returns [`TooLarge`]. The cookie of the same name and path is deleted then, because the server considers it
    /// replaced.
    pub(crate) fn set(&mut self, cookie: StoredCookie, now: UnixSeconds) -> Result<(), TooLarge> {
        let same = |other: &StoredCookie| cookie.replaces(other);
        if cookie.has_run_out(now) {
            self.0.retain(|other| !same(other));
            return Ok(());
        }
        let others: usize = self.0.iter().filter(|other| !same(other)).map(size).sum();
        let place = self.0.iter().position(same);
        let fits = !cookie.is_too_large() && others + size(&cookie) <= LARGEST_SUM;
        if !fits || (place.is_none() && self.0.len() >= MAX_COUNT) {
            self.0.retain(|other| !same(other));
            return Err(TooLarge {
                count: self.0.len() + 1,
                bytes: others + size(&cookie),
            });
        }
        match place.and_then(|at| self.0.get_mut(at)) {
            Some(slot) => *slot = cookie,
            None => self.0.push(cookie),
        }
        Ok(())
    }

    /// Formats the `Cookie` header for a request to `path`, longer paths first (RFC 6265 section 5.4); empty without
    /// cookies.
    #[must_use]
    pub(crate) fn header(&self, path: &str, now: UnixSeconds) -> String {
        let mut sent: Vec<&StoredCookie> = self
            .0
            .iter()
            .filter(|kept| kept.expires.is_none_or(|expires| now < expires))
            .filter(|kept| is_below(path, &kept.path))
            .collect();
        sorted::by(&mut sent, |one, other| {
            other.path.len().cmp(&one.path.len())
        });
        let pairs: Vec<String> = sent.iter().map(|kept| kept.pair()).collect();
        pairs.join("; ")
    }

    /// Returns the bytes of all cookies.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        self.0.iter().map(size).sum()
    }

    /// Encodes the cookies as JSON.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        self.0.iter().map(StoredCookie::to_json).collect()
    }

    /// Reverses [`Vault::to_json`]; skips malformed cookies.
    #[must_use]
    pub(crate) fn from_json(value: &Value) -> Self {
        let cookies = value.as_array().map(Vec::as_slice).unwrap_or_default();
        Self(cookies.iter().filter_map(StoredCookie::from_json).collect())
    }
}

impl StoredCookie {
    /// Parses a `Set-Cookie` line as a browser does (RFC 6265bis section 5.6). A cookie without a path gets its default
    /// from `request_path`. Returns `None` for a line that browsers ignore: without name and value, or with control
    /// characters in them.
    #[must_use]
    pub fn parse(line: &str, request_path: &str, now: UnixSeconds) -> Option<Self> {
        let mut parts = line.split(';');
        let pair = parts.next()?;
        // Without `=` the whole text is the value of a nameless cookie.
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let (name, value) = (trim(name), trim(value));
        let is_control = |byte: u8| byte != b'\t' && byte.is_ascii_control();
        if (name.is_empty() && value.is_empty()) || pair.bytes().any(is_control) {
            return None;
        }
        let mut path = None;
        let mut max_age = None;
        let mut expires = None;
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = trim(value);
            if value.len() > LARGEST_ATTRIBUTE {
                continue;
            }
            // The last occurrence of an attribute applies.
            match trim(attribute).to_ascii_lowercase().as_str() {
                "path" => path = Some(value),
                "max-age" => max_age = seconds(value).or(max_age),
                "expires" => expires = UnixSeconds::parse_cookie_date(value).or(expires),
                _ => {}
            }
        }
        let expires = match max_age {
            // Max-Age overrides Expires.
            Some(age) if age <= 0 => Some(UnixSeconds(0)),
            Some(age) => Some(UnixSeconds(now.0.saturating_add(age.unsigned_abs()))),
            None => expires,
        };
        let path = match path {
            Some(path) if path.starts_with('/') => path,
            _ => default_path(request_path),
        };
        Some(Self {
            name: name.to_owned(),
            value: value.to_owned(),
            path: path.to_owned(),
            expires,
        })
    }

    /// Returns whether it deletes the cookie of its name and path instead of setting one.
    #[must_use]
    pub fn has_run_out(&self, now: UnixSeconds) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Returns whether it exceeds the size that browsers accept.
    fn is_too_large(&self) -> bool {
        self.name.len() + self.value.len() > LARGEST
    }

    /// Returns whether it replaces another cookie.
    fn replaces(&self, other: &Self) -> bool {
        self.name == other.name && self.path == other.path
    }

    fn pair(&self) -> String {
        if self.name.is_empty() {
            return self.value.clone();
        }
        format!("{}={}", self.name, self.value)
    }

    /// Encodes the cookie as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!([
            self.name,
            self.value,
            self.path,
            self.expires.map(|at| at.0)
        ])
    }

    /// Reverses [`StoredCookie::to_json`].
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |at: usize| value.get(at).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            name: text(0)?,
            value: text(1)?,
            path: text(2)?,
            expires: value.get(3).and_then(Value::as_u64).map(UnixSeconds),
        })
    }
}

impl From<StoredCookie> for Value {
    fn from(cookie: StoredCookie) -> Self {
        cookie.to_json()
    }
}

impl TryFrom<Value> for StoredCookie {
    type Error = Unexpected;

    fn try_from(value: Value) -> Result<Self, Unexpected> {
        Self::from_json(&value).ok_or(Unexpected("a cookie"))
    }
}

/// Returns the cookies that remain of a response, in order, for an empty vault. A deletion removes earlier cookies and
/// is not kept itself.
#[must_use]
pub(crate) fn left_of(cookies: Vec<StoredCookie>, now: UnixSeconds) -> Vec<StoredCookie> {
    let mut left: Vec<StoredCookie> = Vec::with_capacity(cookies.len());
    for cookie in cookies {
        if cookie.has_run_out(now) {
            left.retain(|other| !cookie.replaces(other));
        } else {
            left.push(cookie);
        }
    }
    left
}

fn size(kept: &StoredCookie) -> usize {
    kept.name.len() + kept.value.len() + kept.path.len()
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Parses digits, or `-` and digits (RFC 6265 section 5.2.2). A number that does not fit saturates.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let extreme = if digits == text { i64::MAX } else { i64::MIN };
    Some(text.parse().unwrap_or(extreme))
}

/// Returns the default path of a request's cookies (RFC 6265 section 5.1.4).
fn default_path(request_path: &str) -> &str {
    match request_path.rfind('/') {
        Some(last) if last > 0 => request_path.get(..last).unwrap_or("/"),
        _ => "/",
    }
}

/// Returns whether a request path matches a cookie's path (RFC 6265 section 5.1.4).
fn is_below(path: &str, of: &str) -> bool {
    match path.strip_prefix(of) {
        Some(rest) => rest.is_empty() || of.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests;
