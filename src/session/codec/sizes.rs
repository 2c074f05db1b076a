//! Checks the sizes of sealed records, and that an older release's record opens.

use super::tests::{keys, name, random, record};
use super::*;
use crate::clock::UnixSeconds;
use crate::encoding::{base64url, from_base64url};
use crate::session::data::Data;
use crate::session::id::{Handle, SessionId};
use crate::session::identity::Identity;
use crate::session::record::{Epoch, Record, Version};
use crate::session::token_set::TokenSet;
use chacha20::ChaCha20Rng;
use serde_json::{Value, json};

/// Creates an identity provider's token of about 800 characters, signed by ES256 (64 bytes) or RS256 (256).
fn token(claims: &Value, signature: usize, random: &mut ChaCha20Rng) -> String {
    let mut bytes = vec![0; signature];
    random.fill_bytes(&mut bytes);
    let header = match signature {
        64 => r#"{"alg":"ES256","typ":"JWT","kid":"Zk3b1Qm9vX"}"#,
        _ => r#"{"alg":"RS256","typ":"JWT","kid":"Zk3b1Qm9vX"}"#,
    };
    let parts = [header.as_bytes(), claims.to_string().as_bytes(), &bytes].map(base64url);
    parts.join(".")
}

/// Session with identity, token claims and data.
struct Session {
    identity: Value,
    id_claims: Value,
    access_claims: Value,
    data: Value,
}

impl Session {
    /// Returns its size in storage, and as JSON.
    fn sizes(&self, signature: usize) -> (usize, usize) {
        let mut random = random();
        let id_token = token(&self.id_claims, signature, &mut random);
        let access_token = token(&self.access_claims, signature, &mut random);
        let json = json!({
            "identity": self.identity, "data": self.data,
            "tokens": { "id_token": id_token, "access_token": access_token },
            "created": 1_763_709_400, "seen": 1_763_712_000, "expires": 1_764_314_200,
        });
        let text = |name: &str| self.id_claims[name].as_str().unwrap().to_owned();
        let stored = Record {
            identity: Some(Identity::parse(&self.identity.to_string()).unwrap().0),
            data: Data::default().patched(&self.data.to_string()).unwrap(),
            grant: Some(TokenSet {
                provider: "main".to_owned(),
                issuer: text("iss"),
                subject: text("sub"),
                sid: Some(text("sid")),
                access_token: Some(access_token),
                id_token: Some(id_token),
                ..TokenSet::default()
            }),
            handle: Handle(*SessionId::generate(&mut random).as_bytes()),
            id: SessionId::generate(&mut random),
            ..record()
        };
        let keys = keys(&[1], "t1");
        let sealed = seal(&Entry::Live(stored), &name("t1", 1), &keys, &mut random);
        (sealed.unwrap().len(), json.to_string().len())
    }
}

/// Merges two sets of claims.
fn with(claims: &Value, more: &Value) -> Value {
    let mut all = claims.as_object().unwrap().clone();
    all.extend(more.as_object().unwrap().clone());
    all.into()
}

/// Creates a session with an identity, two tokens of 800 characters, and twelve members of data with a summary of 600
/// bytes.
fn reference() -> Session {
    let identity = json!({
        "user": "f2b6f7a0-6c1b-4e57-9f6e-3f1f0c8a7d21", "email": "zoe.mueller@acme.example",
        "name": "Zoe Mueller", "groups": ["staff", "chat-users", "beta"],
    });
    let id_claims = json!({
        "iss": "https://login.example.com/realms/acme", "aud": "chat",
        "sub": "f2b6f7a0-6c1b-4e57-9f6e-3f1f0c8a7d21", "sid": "9d8b6b8e-2f7c-4a55-8a53-5f6f2f1f7c3d",
        "exp": 1_763_713_000, "iat": 1_763_709_400, "auth_time": 1_763_709_400,
        "email": "zoe.mueller@acme.example", "email_verified": true, "name": "Zoe Mueller",
        "preferred_username": "zoe.mueller", "groups": ["staff", "chat-users", "beta"],
        "nonce": "n-0S6_WzA2MjQ4c1pZVQ", "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
    });
    let access_claims = with(
        &id_claims,
        &json!({
            "scope": "openid profile email chat:read chat:write offline_access",
            "jti": "5c0a3c3e-98c4-4a1c-b7b5-90b7c2a5e6aa",
        }),
    );
    let summary = "The visitor asks how to run two chat processes behind one address. They are told why a plain proxy breaks the polling handshake of socket.io. They try a sticky cookie and ask what happens when a process is restarted. They learn that the session is kept at the edge and handed to the other process. They ask how long a session lives, and how to end all of a user's sessions at once, and hear that it is one write however many there are. At last they want to know what it costs when nobody is talking: nothing, until there is something to keep; then one write in an hour.";
    let data = json!({
        "tier": "pro", "language": "en", "theme": "dark", "model": "large", "temperature": 0.7,
        "streaming": true, "region": "eu", "timezone": "Europe/Vienna", "seat": 12,
        "feature": ["search", "files"], "onboarding": "done", "summary": summary,
    });
    Session {
        identity,
        id_claims,
        access_claims,
        data,
    }
}

/// Creates a similar session with another provider's claims, settings and conversation. The dictionary was not written
/// for it.
fn another() -> Session {
    let identity = json!({
        "user": "71c0a5de-44b9-4f0e-9d51-08c2b6e7f913", "email": "amina@harbour.example",
        "name": "Amina Okafor", "groups": ["crew", "night-shift"],
    });
    let id_claims = json!({
        "exp": 1_763_713_000, "iat": 1_763_709_400, "auth_time": 1_763_709_395,
        "jti": "b3c9e8f2-0a64-4c0e-a7d5-6a7c1c1d9e40", "iss": "https://sso.harbour.example/oauth2",
        "aud": "portal", "sub": "71c0a5de-44b9-4f0e-9d51-08c2b6e7f913", "azp": "portal",
        "nonce": "Jb3vPq8Zr1TtWcXy7LkN0g", "sid": "0e2f64c7-98d1-4b3a-8a76-d41f5b90c2e8",
        "at_hash": "q0Vn5yX2mJ9sUe4HfRzK1A", "acr": "1", "email_verified": true, "name": "Amina Okafor",
        "preferred_username": "amina", "given_name": "Amina", "family_name": "Okafor",
        "email": "amina@harbour.example",
    });
    let access_claims = with(
        &id_claims,
        &json!({
            "jti": "5f1d0b7a-62ce-4d38-9b1f-c3e7a9046d82", "aud": "bookings",
            "scope": "openid profile email",
        }),
    );
    let summary = "Amina wants her ferry booking moved from Friday to Sunday morning. The clerk found two free places but said the cabin costs eleven euros more. She agreed, then wondered if the dog still needs a ticket of its own; yes, unless it weighs under eight kilos. Payment by card failed twice because the bank declined it, so an invoice goes out tonight. She should call again if nothing has arrived by noon tomorrow. Remaining: send new boarding passes, cancel the old cabin, and remind the harbour office about wheelchair access on deck three.";
    let data = json!({
        "plan": "basic", "lang": "fr", "colour": "light", "agent": "small", "notes": ["berth 4", "tide"],
        "draft": true, "step": 3, "channel": "web", "currency": "EUR", "score": 0.25,
        "last": "2026-03-02", "summary": summary,
    });
    Session {
        identity,
        id_claims,
        access_claims,
        data,
    }
}

#[test]
fn record_is_two_fifths_of_its_json() {
    for session in [reference(), another()] {
        // Limits per mille for ES256 and for RS256, whose signatures take 512 bytes.
        for (signature, most) in [(64, 400), (256, 480)] {
            let (stored, json) = session.sizes(signature);
            assert!(stored * 1000 / json <= most, "{stored} of {json} bytes");
        }
    }
}

/// Data of a small session.
const SETTING: &str = r#"{"theme":"dark"}"#;

/// Returns a session of one setting.
fn small() -> Record {
    let mut random = random();
    let now = UnixSeconds(1_763_709_400);
    Record {
        version: Version(1),
        epoch: Epoch(7),
        data: Data::default().patched(SETTING).unwrap(),
        ..Record::unstored(
            Handle(*SessionId::generate(&mut random).as_bytes()),
            SessionId::generate(&mut random),
            now,
            now,
        )
    }
}

fn sealed_length(record: Record) -> usize {
    let keys = keys(&[1], "t1");
    let sealed = seal(&Entry::Live(record), &name("t1", 1), &keys, &mut random());
    sealed.unwrap().len()
}

/// Checks the table "Small records" in `docs/internals/session-engine.md`.
#[test]
fn small_record_is_its_seal_its_random_bytes_its_data_and_27_more() {
    let (seal, handle_and_id, data) = (45, 32, SETTING.len());
    assert_eq!(sealed_length(small()), seal + handle_and_id + data + 27);
}

#[test]
fn small_record_is_smaller_than_json_of_the_same_content() {
    let record = small();
    let json = json!({
        "handle": base64url(&record.handle.0),
        "id": base64url(record.id.as_bytes()),
        "version": record.version,
        "created": record.created,
        "seen": record.seen,
        "epoch": record.epoch,
        "data": serde_json::from_str::<Value>(SETTING).unwrap(),
    });
    assert_eq!(json.to_string().len(), 150);
    assert!(sealed_length(record) < 150);
}

/// Record sealed by a release that wrote format 2.
const OLDER: &str = concat!(
    "Alq-7sWaN0RQRWBjnsZwt6F9SSsnPgd7Cpa-9Yt0ZHqgNQ--4q0c0ZpkRnXX-9lbqUlU73muEkEgo80VFSGQpRza",
    "f_jwgmG5qanI9iV5oyLTDknopIgZjYKKE5cbcie5DqIv_oagKpBMO1r1NgQCKshjDIi2ZfUCZczCxYdhb1iRd6Vd",
    "Ikyccm6MnEbcuhRiV2iEFfKqf9k_zxYncXwD7ryIwkwUI0xwJ-1NYhWqZ-i2N-pgDTSQvo31JfujT6jJr8I_loYZ",
    "fM3BnKadTDl462cm5JtTsoBTf91vFC8dzXO5ZrAzRxq4UDoRFYiPHZTOPJoAaeTvL4fwb3SRmHrhsf8AJXQZEbt5",
    "K50Gxbd9iUe0jJZThW0vNOZbg4gtne-u1A",
);

#[test]
fn record_of_an_older_release_opens() {
    let claims = json!({ "iss": "https://id.example" });
    let expected = Record {
        grant: Some(TokenSet {
            provider: "main".to_owned(),
            issuer: "https://id.example".to_owned(),
            subject: "u1".to_owned(),
            id_token: Some(token(&claims, 64, &mut random())),
            ..TokenSet::default()
        }),
        ..record()
    };
    let bytes = from_base64url(OLDER).unwrap();
    let opened = open(&bytes, &name("t1", 1), &keys(&[1], "t1"));
    assert_eq!(opened, Ok(Entry::Live(expected)));
}
