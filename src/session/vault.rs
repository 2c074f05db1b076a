//! An origin's own cookies, kept in the session instead of in the browser (contract section 6).
//!
//! What a browser would do with them (RFC 6265 section 5.3 and 5.4) is done here: `Path`, `Max-Age`,
//! `Expires` and deletion are honoured. `Domain`, `Secure` and `SameSite` say where a browser may send
//! a cookie, and it only ever goes to the origin that set it.

use core::fmt;

use serde_json::{Value, json};

use crate::clock::UnixSeconds;

/// The most bytes of one cookie, name and value; browsers take no more.
const LARGEST: usize = 4_096;
/// The most bytes of all of a session's: what a server accepts in a header, and more than any needs.
const LARGEST_SUM: usize = 16_384;
/// The most cookies.
const MOST: usize = 32;

/// A cookie as it is kept. Cannot be printed: its value is a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Its value, byte for byte.
    pub value: String,
    /// The path it is for.
    pub path: String,
    /// When it runs out; none for the end of the session.
    pub expires: Option<UnixSeconds>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({})", self.name)
    }
}

/// The kept cookies of a session, in the order in which they were first set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vault(pub Vec<Kept>);

/// Why a cookie was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Vault {
    /// Sets a cookie, replaces the one of the same name and path, or deletes it if it has run out.
    ///
    /// # Errors
    /// [`TooLarge`]; the one of that name and path is gone then.
    pub fn set(&mut self, cookie: Kept, now: UnixSeconds) -> Result<(), TooLarge> {
        let same = |other: &Kept| other.name == cookie.name && other.path == cookie.path;
        if cookie.expires.is_some_and(|expires| expires <= now) {
            self.0.retain(|other| !same(other));
            return Ok(());
        }
        let others: usize = self.0.iter().filter(|other| !same(other)).map(size).sum();
        let place = self.0.iter().position(same);
        let fits = size(&cookie) <= LARGEST && others + size(&cookie) <= LARGEST_SUM;
        if !fits || (place.is_none() && self.0.len() >= MOST) {
            self.0.retain(|other| !same(other));
            return Err(TooLarge);
        }
        match place.and_then(|at| self.0.get_mut(at)) {
            Some(slot) => *slot = cookie,
            None => self.0.push(cookie),
        }
        Ok(())
    }

    /// The `name=value` pairs for a request to `path`, longer paths first (RFC 6265 section 5.4), as
    /// in a `Cookie` header; empty if there are none.
    #[must_use]
    pub fn header(&self, path: &str, now: UnixSeconds) -> String {
        let mut sent: Vec<&Kept> = self
            .0
            .iter()
            .filter(|kept| kept.expires.is_none_or(|expires| now < expires))
            .filter(|kept| is_below(path, &kept.path))
            .collect();
        sent.sort_by_key(|kept| core::cmp::Reverse(kept.path.len()));
        let pairs: Vec<String> = sent
            .iter()
            .map(|kept| format!("{}={}", kept.name, kept.value))
            .collect();
        pairs.join("; ")
    }

    /// How many bytes there are.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.iter().map(size).sum()
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.0.iter().map(Kept::to_json).collect()
    }

    /// The counterpart of [`Vault::to_json`]; what is no cookie is left out.
    #[must_use]
    pub fn from_json(value: &Value) -> Self {
        let cookies = value.as_array().map(Vec::as_slice).unwrap_or_default();
        Self(cookies.iter().filter_map(Kept::from_json).collect())
    }
}

impl Kept {
    /// Reads a `Set-Cookie` line as a browser does. `request_path` is where it was asked for, which a
    /// cookie without a path is for.
    #[must_use]
    pub fn parse(line: &str, request_path: &str, now: UnixSeconds) -> Option<Self> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (trim(name), trim(value));
        if name.is_empty() {
            return None;
        }
        let mut path = None;
        let mut max_age = None;
        let mut expires = None;
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = trim(value);
            // The last of an attribute counts.
            match trim(attribute).to_ascii_lowercase().as_str() {
                "path" => path = Some(value),
                "max-age" => max_age = seconds(value).or(max_age),
                "expires" => expires = UnixSeconds::parse_http_date(value).or(expires),
                _ => {}
            }
        }
        let expires = match max_age {
            // Max-Age counts more than Expires.
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

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!([
            self.name,
            self.value,
            self.path,
            self.expires.map(|at| at.0)
        ])
    }

    /// The counterpart of [`Kept::to_json`].
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

fn size(kept: &Kept) -> usize {
    kept.name.len() + kept.value.len() + kept.path.len()
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// RFC 6265 section 5.2.2: digits, or `-` and digits. So large a number that it does not fit is for
/// ever, or was never.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let extreme = if digits == text { i64::MAX } else { i64::MIN };
    Some(text.parse().unwrap_or(extreme))
}

/// RFC 6265 section 5.1.4.
fn default_path(request_path: &str) -> &str {
    match request_path.rfind('/') {
        Some(last) if last > 0 => request_path.get(..last).unwrap_or("/"),
        _ => "/",
    }
}

/// RFC 6265 section 5.1.4: whether a cookie of this path goes to a request's.
fn is_below(path: &str, of: &str) -> bool {
    match path.strip_prefix(of) {
        Some(rest) => rest.is_empty() || of.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

    fn kept(line: &str) -> Kept {
        Kept::parse(line, "/project/file", NOW).unwrap()
    }

    fn vault(lines: &[&str]) -> Vault {
        let mut vault = Vault::default();
        for line in lines {
            let _ = vault.set(kept(line), NOW);
        }
        vault
    }

    #[test]
    fn cookies_go_where_a_browser_would_send_them() {
        let vault = vault(&[
            "a=1; Path=/; HttpOnly",
            "b=2",
            "c=3; Path=/project/",
            "d=4; Path=nonsense",
        ]);
        assert_eq!(vault.header("/project/x", NOW), "c=3; b=2; d=4; a=1");
        assert_eq!(vault.header("/project", NOW), "b=2; d=4; a=1");
        assert_eq!(vault.header("/projects", NOW), "a=1");
    }

    #[test]
    fn a_cookie_is_replaced_deleted_and_runs_out() {
        assert_eq!(
            vault(&["a=1; Path=/", "a=2; Path=/"]).header("/", NOW),
            "a=2"
        );
        for gone in [
            "a=; Path=/; Max-Age=0",
            "a=; Path=/; Max-Age=-1",
            "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "a=; Path=/; expires=Thu, 01-Jan-1970 00:00:00 GMT; HttpOnly",
        ] {
            assert_eq!(vault(&["a=1; Path=/", gone]).header("/", NOW), "", "{gone}");
        }
        let hour = vault(&["a=1; Path=/; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert_eq!(hour.header("/", NOW), "a=1");
        assert_eq!(hour.header("/", NOW + crate::clock::Seconds(3_600)), "");
        let other_path = vault(&["a=1; Path=/x", "a=; Path=/; Max-Age=0"]);
        assert_eq!(other_path.header("/x", NOW), "a=1");
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_does_not_leave_the_old_one() {
        let mut vault = vault(&["a=1; Path=/"]);
        let large = kept(&format!("a={}; Path=/", "x".repeat(LARGEST)));
        assert_eq!(vault.set(large, NOW), Err(TooLarge));
        assert_eq!(vault.header("/", NOW), "");
        for number in 0..MOST {
            assert_eq!(vault.set(kept(&format!("c{number}=1")), NOW), Ok(()));
        }
        assert_eq!(vault.set(kept("more=1"), NOW), Err(TooLarge));
    }

    #[test]
    fn a_vault_comes_back_as_it_was_and_shows_no_value() {
        let vault = vault(&["a=secret; Path=/; Max-Age=9", "b=\"x=y\"; Path=/"]);
        assert_eq!(Vault::from_json(&vault.to_json()), vault);
        assert!(!format!("{vault:?}").contains("secret"));
        assert!(vault.header("/", NOW).ends_with("b=\"x=y\""));
    }

    #[test]
    fn odd_lines_never_panic() {
        for line in [
            "",
            "=",
            "a",
            "=v",
            ";;;",
            "a=1; Max-Age=99999999999999999999",
            "a=1; Max-Age=-",
        ] {
            let _ = Kept::parse(line, "", NOW);
        }
        assert_eq!(Kept::parse("=v", "/", NOW), None);
    }
}
