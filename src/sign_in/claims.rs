//! What a verified token must say, and who that makes its bearer.
//!
//! Authority: OpenID Connect Core 1.0 section 3.1.3.7, RFC 7519 section 4.1, RFC 8725. Times must be
//! numbers: a library that took a text for "absent" let expired tokens pass (CVE-2026-25537).

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::clock::{Seconds, UnixSeconds};
use crate::encoding;
use crate::session::identity::LONGEST_FIELD;
use crate::sign_in::jws::{Algorithm, BadToken};
use crate::sign_in::methods::{Allow, ClaimNames};

/// How far clocks may differ.
pub const SKEW: Seconds = Seconds(60);

/// The longest `sub` (OpenID Connect Core section 2).
const LONGEST_SUBJECT: usize = 255;

/// The latest time with a fraction, or an exponent, that a claim may name, in seconds: beyond it no two
/// seconds are told apart.
const LATEST: f64 = 9_007_199_254_740_992.0;

/// The most groups that are taken.
const MOST_GROUPS: usize = 64;

/// The kinds of token an ID token may say it is.
pub const ID_TOKEN: [&str; 2] = ["jwt", "id_token+jwt"];

/// A token's claims.
pub type Claims = Map<String, Value>;

/// What every kind of token is checked against.
pub struct Expected<'a> {
    /// Who must have made it.
    pub issuer: &'a str,
    /// Whom it must be for.
    pub audience: &'a str,
    /// The time.
    pub now: UnixSeconds,
}

/// The claims that every kind of token has: issuer, audience, times.
///
/// # Errors
/// [`BadToken`] with the first that is wrong.
pub fn check(claims: &Claims, expected: &Expected<'_>) -> Result<(), BadToken> {
    if text(claims, "iss")? != Some(expected.issuer) {
        return Err(BadToken("another issuer"));
    }
    check_audience(claims, expected.audience)?;
    let now = expected.now;
    let expires = time(claims, "exp")?.ok_or(BadToken("no exp"))?;
    let issued = time(claims, "iat")?.ok_or(BadToken("no iat"))?;
    if now >= expires + SKEW {
        return Err(BadToken("expired"));
    }
    if issued > now + SKEW || time(claims, "nbf")?.is_some_and(|from| from > now + SKEW) {
        return Err(BadToken("not valid yet"));
    }
    Ok(())
}

fn check_audience(claims: &Claims, ours: &str) -> Result<(), BadToken> {
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audiences.contains(&ours) {
        return Err(BadToken("another audience"));
    }
    Ok(())
}

/// Made for several, an ID token must say for whom first of all. An access token's `azp` says who
/// asked for it, which is somebody else.
///
/// # Errors
/// [`BadToken`].
pub fn check_party(claims: &Claims, ours: &str) -> Result<(), BadToken> {
    let is_for_several = matches!(claims.get("aud"), Some(Value::Array(many)) if many.len() > 1);
    match text(claims, "azp")? {
        Some(party) if party != ours => Err(BadToken("another authorized party")),
        None if is_for_several => Err(BadToken("several audiences and no azp")),
        _ => Ok(()),
    }
}

/// What an ID token must say besides (OpenID Connect Core section 3.1.3.7).
///
/// # Errors
/// [`BadToken`].
pub fn check_id_token(
    claims: &Claims,
    expected: &Expected<'_>,
    nonce: &str,
    max_age: Option<Seconds>,
) -> Result<(), BadToken> {
    check(claims, expected)?;
    check_party(claims, expected.audience)?;
    subject(claims)?;
    if text(claims, "nonce")? != Some(nonce) {
        return Err(BadToken("another nonce"));
    }
    let authenticated = time(claims, "auth_time")?;
    match (max_age, authenticated) {
        (Some(_), None) => Err(BadToken("no auth_time")),
        (Some(most), Some(at))
            if expected.now.since(at) > Seconds(most.0.saturating_add(SKEW.0)) =>
        {
            Err(BadToken("signed in too long ago"))
        }
        _ => Ok(()),
    }
}

/// That an access token belongs to an ID token, if that says so (section 3.1.3.8). Not for EdDSA,
/// whose hash would be another.
///
/// # Errors
/// [`BadToken`].
pub fn check_access_token(
    claims: &Claims,
    algorithm: Algorithm,
    access_token: &str,
) -> Result<(), BadToken> {
    let Some(hash) = text(claims, "at_hash")? else {
        return Ok(());
    };
    if algorithm == Algorithm::EdDsa {
        return Ok(());
    }
    let digest = Sha256::digest(access_token.as_bytes());
    let half = digest.get(..16).unwrap_or_default();
    if encoding::base64url(half) == hash {
        Ok(())
    } else {
        Err(BadToken("another access token"))
    }
}

/// `sub`: text, not empty, of ASCII (OpenID Connect Core section 2).
///
/// # Errors
/// [`BadToken`].
pub fn subject(claims: &Claims) -> Result<&str, BadToken> {
    let subject = text(claims, "sub")?.unwrap_or_default();
    let is_sound = !subject.is_empty()
        && subject.len() <= LONGEST_SUBJECT
        && subject.bytes().all(|b| matches!(b, b' '..=b'~'));
    is_sound.then_some(subject).ok_or(BadToken("no sound sub"))
}

/// A claim that is a text if it is there.
///
/// # Errors
/// [`BadToken`] if it is something else.
pub fn text<'c>(claims: &'c Claims, name: &str) -> Result<Option<&'c str>, BadToken> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(BadToken("a claim that is no text")),
    }
}

/// A claim that is a time if it is there: a `NumericDate` (RFC 7519 section 2), any JSON number of
/// seconds since 1970. Fractions of a second are cut off.
///
/// # Errors
/// [`BadToken`] if it is something else.
pub fn time(claims: &Claims, name: &str) -> Result<Option<UnixSeconds>, BadToken> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let whole = value
        .as_u64()
        .or_else(|| value.as_f64().and_then(whole_seconds));
    let at = whole.ok_or(BadToken("a claim that is no time"))?;
    Ok(Some(UnixSeconds(at)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is within the limits"
)]
fn whole_seconds(number: f64) -> Option<u64> {
    let is_within = (0.0..LATEST).contains(&number);
    is_within.then_some(number as u64)
}

/// Why somebody who has proved who they are does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The claims name no user.
    Nameless,
    /// Whom the tenant lets in is somebody else.
    NotAllowed,
}

impl NotAdmitted {
    /// In words for the operator.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Nameless => "no user in the claims",
            Self::NotAllowed => "not among those allowed",
        }
    }
}

/// What a provider's userinfo endpoint says of the user of an ID token (OpenID Connect Core section 5.3).
///
/// # Errors
/// [`BadToken`] if that is of somebody else (section 5.3.2), or nothing of the kind.
pub fn userinfo(body: &str, said: &Claims) -> Result<Claims, BadToken> {
    match serde_json::from_str(body) {
        Ok(Value::Object(more)) if more.get("sub") == said.get("sub") => Ok(more),
        _ => Err(BadToken("userinfo of somebody else")),
    }
}

/// What is claimed by both; where both say something, what the first says.
#[must_use]
pub fn merged(mut first: Claims, second: Claims) -> Claims {
    for (name, value) in second {
        first.entry(name).or_insert(value);
    }
    first
}

/// The identity that claims make, as JSON for [`crate::session::identity::Identity::parse`]. What
/// does not fit a header is mended or left out, but never the user.
///
/// # Errors
/// [`NotAdmitted`].
pub fn identity(claims: &Claims, names: &ClaimNames, allow: &Allow) -> Result<Value, NotAdmitted> {
    // Some providers say it as a text.
    let is_verified = match claims.get("email_verified") {
        Some(Value::Bool(said)) => Some(*said),
        Some(Value::String(said)) => Some(said == "true"),
        Some(_) => Some(false),
        None => None,
    };
    let email = find(claims, &names.email).and_then(Value::as_str);
    let email = email.filter(|text| is_verified != Some(false) && is_address(text));
    // Whoever has not shown that an address is theirs may have written anybody's.
    let is_theirs = is_verified.unwrap_or(allow.unverified_email);
    let proved = email.filter(|_| is_theirs);
    let user = match find(claims, &names.user) {
        Some(Value::String(_)) if names.user == names.email => proved.map(str::to_owned),
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let user = user.filter(|user| {
        !user.is_empty()
            // A header would lose blanks, and the user become another.
            && user.trim() == user
            && user.len() <= LONGEST_FIELD
            && !user.chars().any(char::is_control)
    });
    let user = user.ok_or(NotAdmitted::Nameless)?;
    let groups = groups(find(claims, &names.groups));
    if !admits(allow, proved, &groups) {
        return Err(NotAdmitted::NotAllowed);
    }
    let name = find(claims, &names.name)
        .and_then(Value::as_str)
        .map(presentable);
    let name = name.filter(|name| !name.is_empty());
    Ok(json!({ "user": user, "email": email, "name": name, "groups": groups }))
}

/// A claim by its name, or by the names on the way to it: `realm_access.roles`.
fn find<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

fn groups(claim: Option<&Value>) -> Vec<String> {
    let all: Vec<&str> = match claim {
        Some(Value::String(one)) => one.split(',').collect(),
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let fits = |group: &&str| {
        !group.is_empty()
            && group.len() <= LONGEST_FIELD
            && !group.contains(',')
            && !group.chars().any(char::is_control)
    };
    let fitting = all
        .into_iter()
        .map(str::trim)
        .filter(fits)
        .take(MOST_GROUPS);
    fitting.map(str::to_owned).collect()
}

fn admits(allow: &Allow, email: Option<&str>, groups: &[String]) -> bool {
    let domain = email
        .and_then(|email| email.rsplit_once('@'))
        .map(|(_, domain)| domain);
    let is_of_domain = |one: &String| domain.is_some_and(|domain| domain.eq_ignore_ascii_case(one));
    let is_in_group = |one: &String| groups.contains(one);
    (allow.email_domains.is_empty() || allow.email_domains.iter().any(is_of_domain))
        && (allow.groups.is_empty() || allow.groups.iter().any(is_in_group))
}

/// One `@`, something on both sides, nothing that could be read in two ways.
fn is_address(text: &str) -> bool {
    let mut parts = text.split('@');
    let both = parts.next().is_some_and(|part| !part.is_empty())
        && parts.next().is_some_and(|part| !part.is_empty());
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',');
    both && parts.next().is_none() && text.len() <= LONGEST_FIELD && !text.contains(odd)
}

/// A name without what steers a terminal or a header, and not longer than fits.
fn presentable(name: &str) -> String {
    let mut kept = String::new();
    for char in name.chars().filter(|char| !char.is_control()) {
        if kept.len() + char.len_utf8() > LONGEST_FIELD {
            break;
        }
        kept.push(char);
    }
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::identity::Identity;
    use proptest::prelude::*;

    const NOW: UnixSeconds = UnixSeconds(1_000_000);

    fn claims(changes: &Value) -> Claims {
        let mut claims = json!({
            "iss": "https://id.example", "aud": "c", "sub": "u1", "nonce": "n",
            "iat": NOW.0, "exp": NOW.0 + 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims.as_object().unwrap().clone()
    }

    const EXPECTED: Expected<'_> = Expected {
        issuer: "https://id.example",
        audience: "c",
        now: NOW,
    };

    fn verdict(changes: &Value) -> Result<(), BadToken> {
        check_id_token(&claims(changes), &EXPECTED, "n", None)
    }

    #[test]
    fn a_sound_token_passes_and_clocks_may_differ_by_a_minute() {
        for changes in [
            json!({}),
            json!({ "aud": ["c"] }),
            json!({ "aud": ["c", "d"], "azp": "c" }),
            json!({ "exp": NOW.0 - 59 }),
            json!({ "iat": NOW.0 + 60, "nbf": NOW.0 + 60 }),
            json!({ "exp": 9_999_999_999.5 }),
            json!({ "iat": 999_999.17, "nbf": 999_999.9, "exp": 1.000_000_5e6, "auth_time": 1.5 }),
        ] {
            assert_eq!(verdict(&changes), Ok(()), "{changes}");
        }
    }

    #[test]
    fn every_claim_that_is_wrong_is_refused() {
        for changes in [
            json!({ "iss": "https://id.example/" }),
            json!({ "iss": null }),
            json!({ "aud": "d" }),
            json!({ "aud": [] }),
            json!({ "aud": ["c", "d"] }),
            json!({ "aud": "c", "azp": "d" }),
            json!({ "exp": NOW.0 - 60 }),
            json!({ "exp": null }),
            json!({ "exp": (NOW.0 + 60).to_string() }),
            json!({ "exp": 1e300 }),
            json!({ "exp": 999_939.5 }),
            json!({ "exp": -0.5 }),
            json!({ "iat": 1_000_061.5 }),
            json!({ "nbf": 1_000_061.5 }),
            json!({ "exp": -1 }),
            json!({ "exp": [] }),
            json!({ "exp": true }),
            json!({ "iat": null }),
            json!({ "iat": NOW.0 + 61 }),
            json!({ "nbf": NOW.0 + 61 }),
            json!({ "nbf": "1" }),
            json!({ "sub": "" }),
            json!({ "sub": null }),
            json!({ "sub": 7 }),
            json!({ "sub": "x".repeat(300) }),
            json!({ "sub": "é" }),
            json!({ "nonce": "m" }),
            json!({ "nonce": null }),
        ] {
            assert!(verdict(&changes).is_err(), "{changes}");
        }
    }

    #[test]
    fn a_time_is_any_number_of_seconds() {
        let read = |text: &str| {
            let claims = format!(r#"{{"at":{text}}}"#);
            time(&serde_json::from_str(&claims).unwrap(), "at")
        };
        for (text, at) in [
            ("0", 0),
            ("1700000000", 1_700_000_000),
            ("1700000000.17", 1_700_000_000),
            ("1700000000.999", 1_700_000_000),
            ("1.7e9", 1_700_000_000),
            ("17E8", 1_700_000_000),
            ("0.5", 0),
            ("4503599627370496.0", 1 << 52),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(read(text), Ok(Some(UnixSeconds(at))), "{text}");
        }
        for text in [
            "-1",
            "-0.5",
            "1e16",
            "1e300",
            "9007199254740992.0",
            "18446744073709551616",
            "\"1700000000\"",
            "null",
            "true",
            "[1]",
            "{}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(time(&Claims::new(), "at"), Ok(None));
    }

    #[test]
    fn who_asks_for_a_fresh_proof_gets_one() {
        let at = |time: Value| {
            let claims = claims(&json!({ "auth_time": time }));
            check_id_token(&claims, &EXPECTED, "n", Some(Seconds(10)))
        };
        assert_eq!(at(json!(NOW.0 - 70)), Ok(()));
        assert!(at(json!(NOW.0 - 71)).is_err());
        assert!(at(Value::Null).is_err());
    }

    #[test]
    fn an_access_token_belongs_to_its_id_token() {
        // The example of OpenID Connect Core appendix A.3.
        let claims = claims(&json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }));
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(check_access_token(&claims, Algorithm::Rs256, token), Ok(()));
        assert!(check_access_token(&claims, Algorithm::Rs256, "other").is_err());
    }

    fn names() -> ClaimNames {
        ClaimNames {
            user: "sub".to_owned(),
            email: "email".to_owned(),
            name: "name".to_owned(),
            groups: "realm_access.roles".to_owned(),
        }
    }

    #[test]
    fn claims_become_an_identity() {
        let claims = claims(&json!({
            "email": "a@b.example", "name": " Zoë\r\nX-Evil: 1 ",
            "realm_access": { "roles": ["x", "a,b", "\n", 7, "y"] },
        }));
        let identity = identity(&claims, &names(), &Allow::default()).unwrap();
        let (read, _) = Identity::parse(&identity.to_string()).unwrap();
        assert_eq!(
            (read.user.as_str(), read.email.as_deref()),
            ("u1", Some("a@b.example"))
        );
        assert_eq!(read.name.as_deref(), Some("ZoëX-Evil: 1"));
        assert_eq!(read.groups, ["x", "y"]);
    }

    #[test]
    fn only_those_who_are_let_in_come_in() {
        let allow = Allow {
            email_domains: vec!["company.example".to_owned()],
            groups: Vec::new(),
            unverified_email: true,
        };
        let told = |changes: Value| identity(&claims(&changes), &names(), &allow).is_ok();
        assert!(told(json!({ "email": "a@Company.example" })));
        assert!(told(
            json!({ "email": "a@company.example", "email_verified": true })
        ));
        for email in [
            "a@evil.example",
            "attacker@evil@company.example",
            "a@company.example.evil.example",
            "a@sub.company.example",
            "@company.example",
            "a@company.example\n",
            "",
        ] {
            assert!(!told(json!({ "email": email })), "{email}");
        }
        assert!(!told(json!({})));
        for said in [json!(false), json!("false"), json!(1)] {
            let claims = json!({ "email": "a@company.example", "email_verified": said });
            assert!(!told(claims.clone()), "{claims}");
        }
        let strict = Allow {
            unverified_email: false,
            ..allow.clone()
        };
        let strictly = |changes: Value| identity(&claims(&changes), &names(), &strict).is_ok();
        assert!(!strictly(json!({ "email": "a@company.example" })));
        assert!(strictly(
            json!({ "email": "a@company.example", "email_verified": "true" })
        ));
        let allow = Allow {
            email_domains: Vec::new(),
            groups: vec!["staff".to_owned()],
            ..Allow::default()
        };
        let of = |roles: Value| {
            identity(
                &claims(&json!({ "realm_access": { "roles": roles } })),
                &names(),
                &allow,
            )
        };
        assert!(of(json!(["x", "staff"])).is_ok());
        assert_eq!(of(json!(["staffer"])), Err(NotAdmitted::NotAllowed));
    }

    #[test]
    fn an_address_that_is_not_shown_to_be_theirs_names_nobody() {
        let by_email = ClaimNames {
            user: "email".to_owned(),
            ..names()
        };
        let unverified = claims(&json!({ "email": "boss@b.example", "email_verified": false }));
        let told = identity(&unverified, &by_email, &Allow::default());
        assert_eq!(told, Err(NotAdmitted::Nameless));
    }

    proptest! {
        #[test]
        fn whatever_is_claimed_fits_or_is_refused(
            sub in any::<String>(), email in any::<String>(), name in any::<String>(), groups: Vec<String>,
        ) {
            let claims = claims(&json!({
                "sub": sub, "email": email, "name": name, "realm_access": { "roles": groups },
            }));
            if let Ok(identity) = identity(&claims, &names(), &Allow::default()) {
                prop_assert!(Identity::parse(&identity.to_string()).is_ok());
            }
        }
    }
}
