//! Defines the console's session: short-lived, in a `SameSite=Strict` cookie, and invalid once its admin token is
//! replaced.
//!
//! The cookie holds begin, last renewal and id, under a MAC keyed by the token. The MAC covers scope and host, so the
//! cookie is valid for nothing else. The session ends after half an hour without use, and after eight hours at the
//! latest. Only sign-outs are stored; they end all copies of the cookie.

use crate::clock::{Seconds, UnixSeconds};
use crate::cookie::jar;
use crate::cookie::name::CookieName;
use crate::encoding;
use crate::http::host::Host;
use crate::tenant::ApiKey;

/// Maximum idle time.
pub(super) const IDLE: Seconds = Seconds(30 * 60);

/// Maximum duration.
pub(super) const MAX_LENGTH: Seconds = Seconds(8 * 3_600);

/// Minimum age before a renewal.
const RENEW_AFTER: Seconds = Seconds(60);

/// Length of the cookie's content: 16 bytes each for times, id and MAC.
const BYTES: usize = 48;

/// Purpose of the MAC, which separates it from all others.
const PURPOSE: &[u8] = b"vestibule console session v2";

/// Session of an operator at the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConsoleSession {
    began: UnixSeconds,
    renewed: UnixSeconds,
    id: [u8; 16],
}

/// Scope of a console session: `deployment` or `tenant acme`, a line break, the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope(String);

impl Scope {
    /// Builds the scope of an authority's text under the host of a URL.
    pub(super) fn new(authority: &str, url_authority: &str) -> Self {
        let host = Host::canonical(url_authority);
        let host = host.as_ref().map_or(url_authority, Host::as_str);
        Self(format!("{authority}\n{host}"))
    }

    fn mac(&self, token: &ApiKey, content: &[u8]) -> [u8; 32] {
        token.mac(PURPOSE, &self.message(content))
    }

    fn message(&self, content: &[u8]) -> Vec<u8> {
        [content, self.0.as_bytes()].concat()
    }
}

impl ConsoleSession {
    /// Creates a session that begins now, with a random id.
    pub(super) fn new(id: [u8; 16], now: UnixSeconds) -> Self {
        Self {
            began: now,
            renewed: now,
            id,
        }
    }

    /// Returns the id, which renewals keep.
    pub(super) fn id(&self) -> &[u8] {
        &self.id
    }

    /// Returns the latest possible end.
    pub(super) fn ends(&self) -> UnixSeconds {
        self.began + MAX_LENGTH
    }

    /// Returns the valid session in a `Cookie` header, with the token it was created with. Ignores expired sessions and
    /// those of other scopes.
    pub(super) fn presented<'k>(
        header: Option<&str>,
        name: CookieName,
        scope: &Scope,
        tokens: &'k [ApiKey],
        now: UnixSeconds,
    ) -> Option<(Self, &'k ApiKey)> {
        let values = jar::candidates(header?, name.of_console());
        let mut genuine = values.filter_map(|value| Self::opened(value, scope, tokens));
        genuine.find(|(console_session, _)| now < console_session.expires())
    }

    fn opened<'k>(value: &str, scope: &Scope, tokens: &'k [ApiKey]) -> Option<(Self, &'k ApiKey)> {
        let bytes: [u8; BYTES] = encoding::from_base64url_exact(value)?;
        let (content, mac) = bytes.split_at(32);
        let message = scope.message(content);
        let token = tokens
            .iter()
            .find(|token| token.is_mac(PURPOSE, &message, mac))?;
        let (times, id) = content.split_at(16);
        let (began, renewed) = times.split_at(8);
        let time = |bytes: &[u8]| Some(UnixSeconds(u64::from_be_bytes(bytes.try_into().ok()?)));
        let console_session = Self {
            began: time(began)?,
            renewed: time(renewed)?,
            id: id.try_into().ok()?,
        };
        Some((console_session, token))
    }

    /// Returns the end without further use.
    pub(super) fn expires(&self) -> UnixSeconds {
        (self.renewed + IDLE).min(self.ends())
    }

    /// Returns the session as used now, once [`RENEW_AFTER`] has passed since its last renewal.
    pub(super) fn renewed(self, now: UnixSeconds) -> Option<Self> {
        (now.since(self.renewed) >= RENEW_AFTER).then_some(Self {
            renewed: now,
            ..self
        })
    }

    /// Formats the `Set-Cookie` line. `Strict`, because only the console itself links there.
    pub(super) fn set(
        &self,
        name: CookieName,
        scope: &Scope,
        token: &ApiKey,
        now: UnixSeconds,
    ) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend(self.began.0.to_be_bytes());
        bytes.extend(self.renewed.0.to_be_bytes());
        bytes.extend(self.id);
        let mac = scope.mac(token, &bytes);
        bytes.extend(mac.get(..16).unwrap_or_default());
        let value = encoding::base64url(&bytes);
        line(name, &value, self.expires().since(now))
    }

    /// Formats the `Set-Cookie` line that removes the cookie.
    pub(super) fn clear(name: CookieName) -> String {
        line(name, "", Seconds(0))
    }
}

fn line(name: CookieName, value: &str, max_age: Seconds) -> String {
    let secure = match name {
        CookieName::Host => " Secure;",
        CookieName::Loopback => "",
    };
    let full = name.of_console();
    format!(
        "{full}={value}; Path=/;{secure} HttpOnly; SameSite=Strict; Max-Age={}",
        max_age.0
    )
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_763_740_000);

    fn everything() -> Scope {
        Scope::new("deployment", "console.example:443")
    }

    fn begun() -> ConsoleSession {
        ConsoleSession::new([7; 16], NOW)
    }

    fn value(console_session: &ConsoleSession, token: &ApiKey) -> String {
        let line = console_session.set(CookieName::Host, &everything(), token, NOW);
        line.split(';').next().unwrap().to_owned()
    }

    fn presented(header: &str, tokens: &[ApiKey], now: UnixSeconds) -> Option<ConsoleSession> {
        let name = CookieName::Host;
        let found = ConsoleSession::presented(Some(header), name, &everything(), tokens, now);
        found.map(|(console_session, _)| console_session)
    }

    #[test]
    fn console_session_is_bound_to_scope_and_host() {
        let tokens = [ApiKey::new("first token of all")];
        let header = value(&begun(), &tokens[0]);
        let opens = |authority: &str, host: &str| {
            let scope = Scope::new(authority, host);
            let name = CookieName::Host;
            ConsoleSession::presented(Some(&header), name, &scope, &tokens, NOW).is_some()
        };
        assert!(opens("deployment", "console.example"));
        assert!(opens("deployment", "CONSOLE.example."));
        for (authority, host) in [
            ("deployment", "acme.example"),
            ("deployment", "console.example.evil"),
            ("tenant acme", "console.example"),
            ("", "deployment\nconsole.example"),
        ] {
            assert!(!opens(authority, host), "{authority} {host}");
        }
    }

    #[test]
    fn console_session_expires_when_idle_old_or_its_token_is_replaced() {
        let tokens = [
            ApiKey::new("first token of all"),
            ApiKey::new("second token"),
        ];
        let console_session = begun();
        let header = value(&console_session, &tokens[1]);
        assert!(header.starts_with("__Host-session-console="));
        assert_eq!(presented(&header, &tokens, NOW), Some(console_session));
        assert_eq!(presented(&header, &tokens[..1], NOW), None);
        assert_eq!(
            presented(&header, &tokens, NOW + Seconds(1_799)),
            Some(console_session)
        );
        assert_eq!(presented(&header, &tokens, NOW + IDLE), None);
        assert_eq!(console_session.renewed(NOW + Seconds(59)), None);
        let mut used = console_session;
        for minutes in 1..480 {
            let now = NOW + Seconds(minutes * 60);
            used = used.renewed(now).unwrap();
            assert!(presented(&value(&used, &tokens[0]), &tokens, now).is_some());
        }
        let end = NOW + MAX_LENGTH;
        assert_eq!(presented(&value(&used, &tokens[0]), &tokens, end), None);
    }

    #[test]
    fn tampered_console_session_is_rejected() {
        let tokens = [ApiKey::new("first token of all")];
        let good = value(&begun(), &tokens[0]);
        let (name, value) = good.split_once('=').unwrap();
        for at in 0..value.len() {
            let mut bytes = value.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let bad = format!("{name}={}", String::from_utf8(bytes).unwrap());
            assert_eq!(presented(&bad, &tokens, NOW), None, "{bad}");
        }
        for bad in ["", "__Host-session-console=", "__Host-session-console=AAAA"] {
            assert_eq!(presented(bad, &tokens, NOW), None, "{bad}");
        }
    }
}
