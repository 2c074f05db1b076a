//! Holds the tokens of a sign-in at an identity provider (OpenID Connect Core 1.0), in the session and never in the
//! browser.

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::{Seconds, UnixSeconds};
use crate::encoding::json;
use crate::message::Unexpected;

/// Tokens of a sign-in with their subject. They cannot be printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub struct TokenSet {
    /// Name of the provider in the tenant document.
    pub provider: String,
    /// Issuer identifier of the provider.
    pub issuer: String,
    /// `sub`: the provider's id of the user.
    pub subject: String,
    /// `sid`: the provider's id of this sign-in.
    pub sid: Option<String>,
    /// Access token, which the origin may receive.
    pub access_token: Option<String>,
    /// Expiry of the access token.
    pub expires: Option<UnixSeconds>,
    /// Lifetime of the access token when it was issued.
    pub lasts: Option<Seconds>,
    /// Refresh token.
    pub refresh_token: Option<String>,
    /// ID token, which identifies the user to the provider at sign-out.
    pub id_token: Option<String>,
    /// Last finished sign-ins of this session, newest first.
    pub finished: Vec<Finished>,
}

/// Finished sign-in, kept for a browser that repeats the callback.
#[derive(Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its `state`, which is valid once.
    pub state: String,
    /// Return URL of the sign-in.
    pub return_to: String,
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSet(secret)")
    }
}

/// Maximum number of finished sign-ins kept per session, and of their bytes.
const MAX_FINISHED: usize = 10;
const MAX_FINISHED_BYTES: usize = 2_048;

/// Maximum time before its expiry at which an access token is refreshed.
const MARGIN: Seconds = Seconds(60);

/// Maximum plausible lifetime of an access token, in seconds.
const MAX_LIFETIME: f64 = 1e12;

/// Number of texts in the encoding, in fixed order.
const TEXTS: usize = 7;

impl TokenSet {
    /// Returns the access token unless it has expired.
    #[must_use]
    pub fn usable_token(&self, now: UnixSeconds) -> Option<&str> {
        let has_run_out = self.expires.is_some_and(|expires| now >= expires);
        self.access_token.as_deref().filter(|_| !has_run_out)
    }

    /// Returns how long before its expiry a token is refreshed, so that no request waits: a minute, or a quarter of a
    /// shorter lifetime.
    #[must_use]
    pub fn margin(&self) -> Seconds {
        let quarter = self.lasts.map_or(MARGIN, |lasts| Seconds(lasts.0 / 4));
        quarter.min(MARGIN)
    }

    /// Replaces the access token with that of a token response.
    #[must_use]
    pub fn with_token(self, token: String, answer: &Map<String, Value>, now: UnixSeconds) -> Self {
        let lasts = lifetime(answer);
        Self {
            access_token: Some(token),
            expires: lasts.map(|lasts| now + lasts),
            lasts,
            ..self
        }
    }

    /// Takes over the finished sign-ins of the session's earlier tokens, as far as there is room.
    #[must_use]
    pub fn following(mut self, earlier: Option<&Self>) -> Self {
        for finished in earlier.into_iter().flat_map(|earlier| &earlier.finished) {
            if self.finished_at(&finished.state).is_none() {
                self.finished.push(finished.clone());
            }
        }
        let mut bytes = 0;
        let fits = |finished: &&Finished| {
            bytes += finished.weight();
            bytes <= MAX_FINISHED_BYTES
        };
        let kept = self.finished.iter().take_while(fits).count();
        self.finished.truncate(kept.min(MAX_FINISHED));
        self
    }

    /// Returns the return URL of a recent sign-in with this `state`.
    #[must_use]
    pub fn finished_at(&self, state: &str) -> Option<&str> {
        let mut finished = self.finished.iter();
        let found = finished.find(|finished| finished.state == state)?;
        Some(&found.return_to)
    }

    fn texts(&self) -> [Option<&str>; TEXTS] {
        [
            Some(self.provider.as_str()),
            Some(self.issuer.as_str()),
            Some(self.subject.as_str()),
            self.sid.as_deref(),
            self.access_token.as_deref(),
            self.refresh_token.as_deref(),
            self.id_token.as_deref(),
        ]
    }

    /// Returns the bytes of all texts.
    #[must_use]
    pub fn weight(&self) -> usize {
        let texts: usize = self.texts().into_iter().flatten().map(str::len).sum();
        texts + self.finished.iter().map(Finished::weight).sum::<usize>()
    }

    /// Encodes the tokens as JSON, for the session's object and the record.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = vec![
            json!(self.texts()),
            json!(self.expires.map(|at| at.0)),
            json!(self.lasts.map(|lasts| lasts.0)),
        ];
        if !self.finished.is_empty() {
            let pair = |finished: &Finished| json!([finished.state, finished.return_to]);
            json.push(self.finished.iter().map(pair).collect());
        }
        Value::Array(json)
    }

    /// Reverses [`TokenSet::to_json`].
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        let texts = value.get(0)?;
        let text = |at: usize| texts.get(at).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            provider: text(0)?,
            issuer: text(1)?,
            subject: text(2)?,
            sid: text(3),
            access_token: text(4),
            refresh_token: text(5),
            id_token: text(6),
            expires: value.get(1).and_then(Value::as_u64).map(UnixSeconds),
            lasts: value.get(2).and_then(Value::as_u64).map(Seconds),
            finished: value
                .get(3)
                .and_then(Value::as_array)
                .map(|all| all.iter().filter_map(Finished::from_json).collect())
                .unwrap_or_default(),
        })
    }

    /// Returns the subjects by which the provider can revoke this sign-in: its `sid` and its `sub`. Neither can be a
    /// user name.
    #[must_use]
    pub fn subjects(&self) -> Vec<String> {
        let sid = self.sid.as_deref().map(|sid| sid_of(&self.issuer, sid));
        let mut subjects = vec![subject_of(&self.issuer, &self.subject)];
        subjects.extend(sid);
        subjects
    }
}

impl From<TokenSet> for Value {
    fn from(grant: TokenSet) -> Self {
        grant.to_json()
    }
}

impl TryFrom<Value> for TokenSet {
    type Error = Unexpected;

    fn try_from(value: Value) -> Result<Self, Unexpected> {
        Self::from_json(&value).ok_or(Unexpected("tokens"))
    }
}

impl Finished {
    fn from_json(value: &Value) -> Option<Self> {
        let text = |at: usize| value.get(at).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            state: text(0)?,
            return_to: text(1)?,
        })
    }

    fn weight(&self) -> usize {
        self.state.len() + self.return_to.len()
    }
}

/// Returns the revocation subject of all sign-ins of this user at this provider.
#[must_use]
pub(crate) fn subject_of(issuer: &str, subject: &str) -> String {
    ["\0sub\0", issuer, "\0", subject].concat()
}

/// Returns the revocation subject of one sign-in at this provider.
#[must_use]
pub(crate) fn sid_of(issuer: &str, sid: &str) -> String {
    ["\0sid\0", issuer, "\0", sid].concat()
}

/// Result of a token refresh (RFC 6749 section 6).
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// New tokens; the ID token is not verified yet.
    Granted(Box<TokenSet>),
    /// The sign-in is over, and a retry would not help.
    Over,
    /// No usable response; a later retry may help.
    Later,
}

impl Refreshed {
    /// Parses the response to a refresh of `grant`; a status of 0 means no response.
    #[must_use]
    pub(crate) fn read(grant: &TokenSet, status: u16, body: &str, now: UnixSeconds) -> Self {
        let Ok(Value::Object(answer)) = serde_json::from_str(body) else {
            return Self::Later;
        };
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        match (status, text("access_token"), text("error").as_deref()) {
            (200, Some(access_token), None) => {
                let renewed = grant.clone().with_token(access_token, &answer, now);
                Self::Granted(Box::new(TokenSet {
                    refresh_token: text("refresh_token").or(renewed.refresh_token),
                    id_token: text("id_token").or(renewed.id_token),
                    ..renewed
                }))
            }
            // Of the errors in RFC 6749 section 5.2 only this one concerns the sign-in. The others concern our requests
            // or configuration.
            (400..=499, _, Some("invalid_grant")) => Self::Over,
            _ => Self::Later,
        }
    }
}

/// Returns the lifetime of an access token from `expires_in`, if the provider states one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is within the limits"
)]
fn lifetime(answer: &Map<String, Value>) -> Option<Seconds> {
    let seconds = answer.get("expires_in")?;
    // Some providers send a string or a fraction.
    let text = seconds.as_str();
    let read: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    let number = read.as_ref().unwrap_or(seconds).as_f64()?;
    let seconds = (0.0..MAX_LIFETIME)
        .contains(&number)
        .then_some(number as u64)?;
    Some(Seconds(seconds))
}

#[cfg(test)]
mod tests;
