use serde_json::json;

use super::*;
use crate::clock::UnixMillis;
use crate::encoding;
use crate::message;

const NOW: UnixSeconds = UnixSeconds(1_000_000);

fn renewal(userinfo: Option<&str>) -> Renewal {
    let claim = |name: &str| name.to_owned();
    Renewal {
        client_id: "c".to_owned(),
        claims: ClaimNames {
            user: claim("sub"),
            email: claim("email"),
            name: claim("name"),
            groups: claim("groups"),
        },
        allow: Allow {
            groups: vec!["staff".to_owned()],
            ..Allow::default()
        },
        jwks_uri: "https://id.example/keys".to_owned(),
        keys: None,
        userinfo: userinfo.map(str::to_owned),
    }
}

/// Returns a valid token with these changes.
fn token(changes: &Value) -> String {
    let mut claims = json!({
        "iss": "https://id.example", "aud": "c", "sub": "u1",
        "iat": NOW.0, "exp": NOW.0 + 60, "groups": ["staff"],
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    let part = |value: &Value| encoding::base64url(value.to_string().as_bytes());
    let header = json!({ "alg": "RS256", "kid": "k1" });
    format!("{}.{}.c2lnbmVk", part(&header), part(&claims))
}

fn before() -> TokenSet {
    TokenSet {
        issuer: "https://id.example".to_owned(),
        subject: "u1".to_owned(),
        id_token: Some(token(&json!({ "nonce": "n" }))),
        ..TokenSet::default()
    }
}

fn after(id_token: Option<String>) -> TokenSet {
    TokenSet {
        access_token: Some("new".to_owned()),
        id_token: id_token.or(before().id_token),
        ..before()
    }
}

fn keys() -> String {
    let n = crate::auth::weak_keys::SOUND_MODULUS;
    json!({ "keys": [{ "kty": "RSA", "kid": "k1", "n": n, "e": "AQAB" }] }).to_string()
}

/// Returns the judgement of a new ID token, given answers for the keys, the signature and userinfo.
fn judged(
    renewal: &Renewal,
    id_token: Option<String>,
    keys: &str,
    signed: bool,
    userinfo: &str,
) -> (Judgement, usize) {
    let after = after(id_token);
    let mut answers = Answers::default();
    for rounds in 0..10 {
        let needs = match renewal.judge(&before(), &after, &answers, NOW) {
            Judgement::Pending(needs) => needs,
            other => return (other, rounds),
        };
        for need in needs {
            let (key, bytes) = match need {
                Need::Fetch { key, call } if call.url.ends_with("/keys") => (key, keys.to_owned()),
                Need::Fetch { key, call } => {
                    assert_eq!(call.authorization.as_deref(), Some("Bearer new"));
                    (key, userinfo.to_owned())
                }
                Need::Verify { key, .. } => (key, u8::from(signed).to_string()),
                other => panic!("{other:?}"),
            };
            let found = match bytes.as_str() {
                "" => Found::Unavailable,
                bytes => Found::Bytes(bytes.as_bytes().to_vec()),
            };
            answers.add(&key, found, UnixMillis(NOW.0 * 1_000));
        }
    }
    panic!("it never decides");
}

fn outcome(changes: &Value) -> Judgement {
    let keys = format!("200\n{}", keys());
    judged(&renewal(None), Some(token(changes)), &keys, true, "").0
}

#[test]
fn refreshed_id_token_updates_the_identity() {
    let Judgement::Claimed(claimed) =
        outcome(&json!({ "groups": ["staff", "chess"], "name": "A" }))
    else {
        panic!("not judged");
    };
    assert_eq!(
        claimed.identity,
        json!({ "user": "u1", "email": null, "name": "A", "groups": ["staff", "chess"] })
    );
}

#[test]
fn user_no_longer_allowed_is_rejected_at_refresh() {
    for changes in [
        json!({ "groups": ["chess"] }),
        json!({ "groups": [] }),
        json!({ "groups": null }),
        json!({ "groups": "staffer" }),
    ] {
        assert_eq!(
            outcome(&changes),
            Judgement::NotAdmitted("not among those allowed"),
            "{changes}"
        );
    }
}

#[test]
fn refreshed_id_token_of_another_user_client_or_time_is_rejected() {
    for changes in [
        json!({ "sub": "u2" }),
        json!({ "sub": null }),
        json!({ "iss": "https://evil.example" }),
        json!({ "aud": "d" }),
        json!({ "aud": ["c", "d"] }),
        json!({ "azp": "d" }),
        json!({ "exp": NOW.0 - 120 }),
        json!({ "iat": NOW.0 + 120 }),
        json!({ "nonce": "of another sign-in" }),
        json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }),
    ] {
        let outcome = outcome(&changes);
        assert!(
            matches!(outcome, Judgement::Invalid(_)),
            "{changes} {outcome:?}"
        );
    }
    let same = json!({ "nonce": "n", "iat": NOW.0 - 1 });
    assert!(matches!(outcome(&same), Judgement::Claimed(_)));
}

#[test]
fn unsigned_token_is_rejected_and_missing_keys_decide_nothing() {
    let new = || Some(token(&json!({ "groups": ["staff", "admin"] })));
    let sound = format!("200\n{}", keys());
    let outcome = |keys: &str, signed| judged(&renewal(None), new(), keys, signed, "").0;
    assert!(matches!(outcome(&sound, false), Judgement::Invalid(_)));
    assert!(matches!(
        outcome("200\n{\"keys\":[]}", true),
        Judgement::Invalid(_)
    ));
    for keys in ["", "500\n", "200\n<html>", "404\n{\"keys\":[]}"] {
        assert_eq!(
            outcome(keys, true),
            Judgement::Unverifiable("keys"),
            "{keys}"
        );
    }
}

#[test]
fn cached_keys_are_not_fetched_again() {
    let new = || Some(token(&json!({ "iat": NOW.0 - 1 })));
    let sound = format!("200\n{}", keys());
    let rounds = |known: Option<String>| {
        let renewal = Renewal {
            keys: known,
            ..renewal(None)
        };
        let (judgement, rounds) = judged(&renewal, new(), &sound, true, "");
        assert!(matches!(judgement, Judgement::Claimed(_)));
        rounds
    };
    assert_eq!(rounds(Some(keys())), 1);
    assert_eq!(rounds(None), 2);
    assert_eq!(
        rounds(Some("{\"keys\":[]}".to_owned())),
        2,
        "a newer one signed it"
    );
}

#[test]
fn refresh_without_identity_claims_changes_no_identity() {
    assert_eq!(
        judged(&renewal(None), None, "", true, ""),
        (Judgement::NoClaims, 0)
    );
    let same = before().id_token;
    assert_eq!(
        judged(&renewal(None), same, "", true, "").0,
        Judgement::NoClaims
    );
}

#[test]
fn userinfo_is_evaluated_with_or_without_a_new_id_token() {
    let renewal = renewal(Some("https://id.example/me"));
    let sound = format!("200\n{}", keys());
    let silent = || Some(token(&json!({ "groups": null })));
    let allowed = "200\n{\"sub\":\"u1\",\"groups\":[\"staff\"]}";
    let gone = "200\n{\"sub\":\"u1\",\"groups\":[]}";
    assert!(matches!(
        judged(&renewal, silent(), &sound, true, allowed).0,
        Judgement::Claimed(_)
    ));
    assert!(matches!(
        judged(&renewal, silent(), &sound, true, gone).0,
        Judgement::NotAdmitted(_)
    ));
    for body in ["", "500\n", "401\n{}"] {
        let judgement = judged(&renewal, silent(), &sound, true, body).0;
        assert_eq!(judgement, Judgement::Unverifiable("no userinfo"), "{body}");
    }
    for body in ["200\n{\"sub\":\"u2\"}", "200\n{}", "200\n[]", "200\nx"] {
        let judgement = judged(&renewal, silent(), &sound, true, body).0;
        assert!(matches!(judgement, Judgement::Invalid(_)), "{body}");
    }
    assert!(matches!(
        judged(&renewal, None, "", true, allowed).0,
        Judgement::Claimed(_)
    ));
    // The sign-in's ID token has the outdated group `staff`.
    assert!(matches!(
        judged(&renewal, None, "", true, gone).0,
        Judgement::NotAdmitted(_)
    ));
}

#[test]
fn provider_becomes_verification_parameters() {
    let renewal = Renewal {
        keys: Some(keys()),
        ..renewal(Some("https://id.example/me"))
    };
    let text = message::write(&renewal);
    let read: Renewal = message::read(text.as_bytes()).unwrap();
    assert_eq!(read, renewal);
    assert!(message::read::<Renewal>(b"{}").is_err());
}
