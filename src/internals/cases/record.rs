//! Measures sealing a record for storage, and opening it.

use core::hint::black_box;

use crate::encoding::base64url;
use crate::session::codec;
use crate::session::data::{Data, LARGEST_DATA};
use crate::session::id::RecordName;
use crate::session::identity::Identity;
use crate::session::record::{Entry, Record};
use crate::session::token_set::TokenSet;
use crate::session::vault::{StoredCookie, Vault};
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};

use super::Act;
use super::world::{keys, record, tenant};

/// Returns a session without data.
pub(super) fn empty() -> Record {
    record()
}

/// Returns a signed-in session with two tokens of 800 bytes, twelve members and a summary of 600 bytes.
pub(super) fn reference() -> Record {
    let turns = [
        "The visitor asks how to run two chat processes behind one address.",
        "They are told why a plain proxy breaks the polling handshake of socket.io.",
        "They try a sticky cookie and ask what happens when a process is restarted.",
        "They learn that the session is kept at the edge and handed to the other process.",
        "They ask how long a session lives, and how to end all of a user's sessions at once.",
    ];
    let mut summary = turns.join(" ");
    summary.extend(" And so on.".chars().cycle().take(600 - summary.len()));
    let data = serde_json::json!({
        "tier": "pro", "language": "en", "theme": "dark", "model": "large", "temperature": 0.7,
        "streaming": true, "region": "eu", "timezone": "Europe/Vienna", "seat": 12,
        "feature": ["search", "files"], "onboarding": "done", "summary": summary,
    });
    Record {
        identity: Some(Identity {
            user: "u-12345".to_owned(),
            email: Some("alice@chat.example".to_owned()),
            name: Some("Alice Example".to_owned()),
            groups: ["staff", "beta", "support"].map(str::to_owned).to_vec(),
            groups_omitted: 0,
        }),
        grant: Some(TokenSet {
            provider: "corporate".to_owned(),
            issuer: "https://id.chat.example".to_owned(),
            subject: "248289761001".to_owned(),
            access_token: Some(noise(1, 800)),
            id_token: Some(noise(2, 800)),
            ..TokenSet::default()
        }),
        data: Data::from_stored(data.to_string()),
        ..record()
    }
}

/// Returns the largest session, with incompressible data and as many stored cookies as allowed.
pub(super) fn largest() -> Record {
    let data = format!(r#"{{"noise":"{}"}}"#, noise(3, LARGEST_DATA - 12));
    let cookies = (0..32).map(|number| StoredCookie {
        name: format!("own-{number:02}"),
        value: noise(100 + number, 490),
        path: "/".to_owned(),
        expires: None,
    });
    Record {
        data: Data::from_stored(data),
        vault: Vault(cookies.collect()),
        ..reference()
    }
}

/// Returns random base64url of this length.
fn noise(seed: u64, length: usize) -> String {
    let mut bytes = vec![0; length];
    ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    let mut text = base64url(&bytes);
    text.truncate(length);
    text
}

pub(super) fn sealed(record: Record) -> Act {
    let (keys, name, entry) = (keys(), name(&record), Entry::Live(record));
    let mut random = ChaCha20Rng::seed_from_u64(1);
    Box::new(move || {
        let sealed = codec::seal(black_box(&entry), &name, &keys, &mut random);
        black_box(sealed.unwrap());
    })
}

pub(super) fn opened(record: Record) -> Act {
    let (keys, name, entry) = (keys(), name(&record), Entry::Live(record));
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let sealed = codec::seal(&entry, &name, &keys, &mut random).unwrap();
    Box::new(move || {
        let opened = codec::open(black_box(&sealed), &name, &keys);
        black_box(opened.unwrap());
    })
}

fn name(record: &Record) -> RecordName {
    RecordName::derive(&tenant(), record.handle)
}
