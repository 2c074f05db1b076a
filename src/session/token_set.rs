//! What an identity provider gave with a sign-in (OpenID Connect Core 1.0): kept in the session, never
//! shown to the browser.

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::{Seconds, UnixSeconds};
use crate::encoding::json;
use crate::message::Unexpected;

/// The tokens of a sign-in, and who they were given for. Cannot be printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub struct TokenSet {
    /// The provider, as the tenant names it.
    pub provider: String,
    /// Its issuer identifier.
    pub issuer: String,
    /// `sub`: what it knows the user by.
    pub subject: String,
    /// `sid`: what it knows this sign-in by.
    pub sid: Option<String>,
    /// What the origin may be handed.
    pub access_token: Option<String>,
    /// When that runs out.
    pub expires: Option<UnixSeconds>,
    /// How long it was valid when it was new.
    pub lasts: Option<Seconds>,
    /// What a new one is had for.
    pub refresh_token: Option<String>,
    /// Proof, to the provider, of whose sign-out is asked for.
    pub id_token: Option<String>,
    /// The last sign-ins of this session that came back from a provider, the latest first.
    pub finished: Vec<Finished>,
}

/// A sign-in that came back from its provider, kept for a browser that goes the same way back once more.
#[derive(Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its `state`, which was good once.
    pub state: String,
    /// Where it led to.
    pub return_to: String,
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSet(secret)")
    }
}

/// So many finished sign-ins are kept of a session at most, and so many bytes of them.
const MAX_FINISHED: usize = 10;
const MAX_FINISHED_BYTES: usize = 2_048;

/// The longest time before its end at which an access token is asked for again.
const MARGIN: Seconds = Seconds(60);

/// Beyond this an access token's lifetime, in seconds, is no lifetime.
const MAX_LIFETIME: f64 = 1e12;

/// The texts of a grant, in the order in which they are written.
const TEXTS: usize = 7;

impl TokenSet {
    /// The access token, unless it has run out.
    #[must_use]
    pub fn usable_token(&self, now: UnixSeconds) -> Option<&str> {
        let has_run_out = self.expires.is_some_and(|expires| now >= expires);
        self.access_token.as_deref().filter(|_| !has_run_out)
    }

    /// How long before its end a new one is asked for, so that nobody has to wait for it: a minute, or
    /// a quarter of its life if that is shorter.
    #[must_use]
    pub fn margin(&self) -> Seconds {
        let quarter = self.lasts.map_or(MARGIN, |lasts| Seconds(lasts.0 / 4));
        quarter.min(MARGIN)
    }

    /// The same with an access token, as a token endpoint gave it.
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

    /// The same in place of an earlier one of the same session, whose finished sign-ins are kept with it as far as
    /// there is room.
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

    /// Where the sign-in of this `state` led to, if it is one of the last.
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

    /// How many bytes there are.
    #[must_use]
    pub fn weight(&self) -> usize {
        let texts: usize = self.texts().into_iter().flatten().map(str::len).sum();
        texts + self.finished.iter().map(Finished::weight).sum::<usize>()
    }

    /// As JSON, for the object that orders a session's writes, and for the record.
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

    /// The counterpart of [`TokenSet::to_json`].
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

    /// What this sign-in can be ended by at its provider's word: its `sid`, and its `sub`. Each is a
    /// text that can be no user's name.
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

/// What every sign-in of this user at this provider is revoked under.
#[must_use]
pub(crate) fn subject_of(issuer: &str, subject: &str) -> String {
    ["\0sub\0", issuer, "\0", subject].concat()
}

/// What this very sign-in at this provider is revoked under.
#[must_use]
pub(crate) fn sid_of(issuer: &str, sid: &str) -> String {
    ["\0sid\0", issuer, "\0", sid].concat()
}

/// What a token endpoint answered to a refresh (RFC 6749 section 6).
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// New tokens; whether the ID token among them may be believed, nobody has looked yet.
    Granted(Box<TokenSet>),
    /// The sign-in is over, and asking again will not help.
    Over,
    /// Nothing that can be relied on; perhaps later.
    Later,
}

impl Refreshed {
    /// Reads the answer to a refresh of `grant`; a status of 0 stands for none.
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
            // Of the errors of RFC 6749 section 5.2 only this is about the sign-in; the others are about
            // us, and may be mended.
            (400..=499, _, Some("invalid_grant")) => Self::Over,
            _ => Self::Later,
        }
    }
}

/// How long an access token is valid, from `expires_in`; a provider that does not say leaves it open.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is within the limits"
)]
fn lifetime(answer: &Map<String, Value>) -> Option<Seconds> {
    let seconds = answer.get("expires_in")?;
    // Some providers send it as a text, or with a fraction.
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
