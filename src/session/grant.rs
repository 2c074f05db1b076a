//! What an identity provider gave with a sign-in (OpenID Connect Core 1.0): kept in the session, never
//! shown to the browser.

use core::fmt;

use serde_json::{Map, Value, json};

use crate::clock::{Seconds, UnixSeconds};

/// The tokens of a sign-in, and who they were given for. Cannot be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Grant {
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
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grant(secret)")
    }
}

/// The longest time before its end at which an access token is asked for anew.
const MARGIN: Seconds = Seconds(60);

/// Beyond this an access token's lifetime, in seconds, is no lifetime.
const LONGEST_LIFETIME: f64 = 1e12;

/// The texts of a grant, in the order in which they are written.
const TEXTS: usize = 7;

impl Grant {
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
        self.texts().into_iter().flatten().map(str::len).sum()
    }

    /// As JSON, for the object that orders a session's writes, and for the record.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!([
            self.texts(),
            self.expires.map(|at| at.0),
            self.lasts.map(|lasts| lasts.0)
        ])
    }

    /// The counterpart of [`Grant::to_json`].
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

/// What every sign-in of this user at this provider is revoked under.
#[must_use]
pub fn subject_of(issuer: &str, subject: &str) -> String {
    ["\0sub\0", issuer, "\0", subject].concat()
}

/// What this very sign-in at this provider is revoked under.
#[must_use]
pub fn sid_of(issuer: &str, sid: &str) -> String {
    ["\0sid\0", issuer, "\0", sid].concat()
}

/// What a token endpoint answered to a refresh (RFC 6749 section 6).
#[derive(Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// New tokens.
    Granted(Grant),
    /// The sign-in is over, and asking again will not help.
    Over,
    /// Nothing that can be relied on; perhaps later.
    Later,
}

impl Refreshed {
    /// Reads the answer to a refresh of `grant`; a status of 0 stands for none.
    #[must_use]
    pub fn read(grant: &Grant, status: u16, body: &str, now: UnixSeconds) -> Self {
        let Ok(Value::Object(answer)) = serde_json::from_str(body) else {
            return Self::Later;
        };
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        match (status, text("access_token"), text("error").as_deref()) {
            (200, Some(access_token), None) => {
                let renewed = grant.clone().with_token(access_token, &answer, now);
                Self::Granted(Grant {
                    refresh_token: text("refresh_token").or(renewed.refresh_token),
                    ..renewed
                })
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
    let number = seconds
        .as_f64()
        .or_else(|| text.and_then(|text| text.parse().ok()))?;
    let seconds = (0.0..LONGEST_LIFETIME)
        .contains(&number)
        .then_some(number as u64)?;
    Some(Seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_000);

    fn grant() -> Grant {
        Grant {
            provider: "main".to_owned(),
            issuer: "https://id.example".to_owned(),
            subject: "u1".to_owned(),
            sid: Some("s1".to_owned()),
            access_token: Some("old".to_owned()),
            expires: Some(NOW),
            lasts: Some(Seconds(100)),
            refresh_token: Some("r1".to_owned()),
            id_token: None,
        }
    }

    #[test]
    fn a_grant_comes_back_as_it_was_and_is_never_printed() {
        assert_eq!(Grant::from_json(&grant().to_json()), Some(grant()));
        assert_eq!(format!("{:?}", grant()), "Grant(secret)");
        assert_eq!(Grant::from_json(&json!([["a"], 1])), None);
    }

    #[test]
    fn a_token_that_has_run_out_is_of_no_use() {
        assert_eq!(grant().usable_token(NOW), None);
        assert_eq!(grant().usable_token(UnixSeconds(999)), Some("old"));
        let open = Grant {
            expires: None,
            ..grant()
        };
        assert_eq!(open.usable_token(NOW), Some("old"));
    }

    #[test]
    fn only_what_is_fatal_ends_a_sign_in() {
        let read = |status, body| Refreshed::read(&grant(), status, body, NOW);
        let fresh = r#"{"access_token":"new","expires_in":60,"refresh_token":"r2"}"#;
        let Refreshed::Granted(next) = read(200, fresh) else {
            panic!("not granted");
        };
        assert_eq!(next.access_token.as_deref(), Some("new"));
        assert_eq!(next.expires, Some(UnixSeconds(1_060)));
        assert_eq!(
            (grant().margin(), next.margin()),
            (Seconds(25), Seconds(15))
        );
        assert_eq!(next.refresh_token.as_deref(), Some("r2"));
        assert_eq!(next.subject, "u1");
        let Refreshed::Granted(kept) = read(200, r#"{"access_token":"n","expires_in":"60"}"#)
        else {
            panic!("not granted");
        };
        assert_eq!(kept.refresh_token.as_deref(), Some("r1"), "not rotated");
        assert!(read(400, r#"{"error":"invalid_grant"}"#) == Refreshed::Over);
        for (status, body) in [
            (0, ""),
            (200, "{}"),
            (200, "<html>"),
            (400, r#"{"error":"invalid_request"}"#),
            (401, r#"{"error":"invalid_client"}"#),
            (429, "{}"),
            (500, r#"{"error":"invalid_grant"}"#),
        ] {
            assert!(read(status, body) == Refreshed::Later, "{status} {body}");
        }
    }

    #[test]
    fn nobody_is_named_like_a_sign_in() {
        let [sub, sid] = <[String; 2]>::try_from(grant().subjects()).unwrap();
        assert_ne!(sub, sid);
        assert!(sub.contains('\0') && sid.contains('\0'));
    }
}
