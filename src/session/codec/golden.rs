//! Checks records against those of earlier releases: reads theirs, and writes nothing they cannot read.
//!
//! A failure here means refused or lost sessions while two releases serve side by side, or after a rollback.
//! `sizes.rs` has a record of the oldest format.

use chacha20poly1305::aead::Aead as _;
use serde_json::{Value, json};

use super::tests::{keys, name, random, record};
use super::*;
use crate::clock::{Seconds, UnixSeconds};
use crate::encoding;
use crate::golden;
use crate::session::data::Data;
use crate::session::id::SessionId;
use crate::session::identity::Identity;
use crate::session::record::{Epoch, Previous, Record};
use crate::session::token_set::{Finished, TokenSet};
use crate::session::vault::{StoredCookie, Vault};

/// Newest compression method that the last release reads.
const LAST_METHOD: u8 = 2;

const AT: UnixSeconds = UnixSeconds(1_700_000_900);

/// Returns records that together have every field.
fn entries() -> [(&'static str, Entry); 5] {
    let data = format!(r#"{{"text":"{}"}}"#, "one of many words ".repeat(12));
    let longer = Record {
        data: Data::default().patched(&data).unwrap(),
        ..record()
    };
    let on_a_page = Record {
        browser: Some("Firefox".to_owned()),
        path: Some("/chat".to_owned()),
        ..record()
    };
    [
        ("short", Entry::Live(record())),
        ("longer", Entry::Live(longer.clone())),
        ("with all there may be", Entry::Live(full(longer))),
        ("ended", Entry::Ended { at: AT }),
        ("on a page", Entry::Live(on_a_page)),
    ]
}

fn full(record: Record) -> Record {
    let id = SessionId::from_bytes([5; 16]);
    Record {
        previous: Some(Previous {
            id,
            at: AT,
            by_sign_in: true,
        }),
        opened: Some(AT),
        epoch: Epoch(1_700_000_000_123),
        user_epoch: Epoch(1_700_000_000_456),
        remembered: true,
        identity: Some(Identity {
            user: "ada".to_owned(),
            email: Some("ada@acme.example".to_owned()),
            name: Some("Ada Lovelace".to_owned()),
            groups: vec!["staff".to_owned(), "chess".to_owned()],
            groups_omitted: 2,
        }),
        authenticated: Some(AT),
        sign_in: Some(id.sign_in()),
        device: Some("phone".to_owned()),
        country: Some("DE".to_owned()),
        grant: Some(TokenSet {
            provider: "main".to_owned(),
            issuer: "https://id.example".to_owned(),
            subject: "00ada".to_owned(),
            sid: Some("s".to_owned()),
            access_token: Some("a".to_owned()),
            expires: Some(AT),
            lasts: Some(Seconds(3_600)),
            refresh_token: Some("r".to_owned()),
            id_token: Some("i".to_owned()),
            finished: vec![Finished {
                state: "state".to_owned(),
                return_to: "/chat".to_owned(),
            }],
        }),
        vault: Vault(vec![StoredCookie {
            name: "access_token".to_owned(),
            value: "v".to_owned(),
            path: "/".to_owned(),
            expires: Some(AT),
        }]),
        ..record
    }
}

fn sealed(entry: &Entry) -> Vec<u8> {
    seal(entry, &name("t1", 1), &keys(&[1], "t1"), &mut random()).unwrap()
}

fn opened(bytes: &[u8]) -> Result<Entry, Unreadable> {
    open(bytes, &name("t1", 1), &keys(&[1], "t1"))
}

fn named(each: impl Fn(&Entry) -> Value) -> Value {
    let all = entries()
        .into_iter()
        .map(|(name, entry)| (name.to_owned(), each(&entry)));
    Value::Object(all.collect())
}

#[test]
fn golden_records_are_read() {
    golden::keep(
        "records.json",
        &named(|entry| json!(encoding::base64url(&sealed(entry)))),
    );
    for (release, records) in golden::of_releases("records.json") {
        for (name, entry) in entries() {
            let Some(golden) = records[name].as_str() else {
                continue;
            };
            let bytes = encoding::from_base64url(golden).unwrap();
            assert_eq!(opened(&bytes), Ok(entry), "{release}: {name}");
        }
    }
}

#[test]
fn last_release_reads_what_is_written() {
    let (_, records) = golden::of_releases("records.json").pop().unwrap();
    for (name, entry) in entries() {
        let golden = encoding::from_base64url(records[name].as_str().unwrap()).unwrap();
        assert_eq!(sealed(&entry)[0], golden[0], "the format of {name}");
        let [numbers, texts] = cbor::encode(&entry);
        assert!(compress::compress(&numbers, &texts)[0] <= LAST_METHOD);
    }
    let fields = named(|entry| json!(cbor::encode(entry).map(|part| encoding::base64url(&part))));
    golden::check_written("record-fields.json", &fields);
}

/// Records of this release never cause 503 `schema_newer`.
#[test]
fn written_records_do_not_count_as_newer() {
    for (name, entry) in entries() {
        assert_eq!(opened(&sealed(&entry)), Ok(entry), "{name}");
    }
}

/// A valid seal proves that Vestibule wrote a record, so an unknown compression method means a later release, not
/// damage.
#[test]
fn unknown_compression_counts_as_newer_not_as_damage() {
    let name = name("t1", 1);
    let keys = keys(&[1], "t1");
    let key = keys.signing();
    let written = |plain: &[u8]| {
        let payload = Payload {
            msg: plain,
            aad: &associated(FORMAT, &name),
        };
        let nonce = [7; NONCE_BYTES];
        let sealed = key
            .record_cipher
            .encrypt(&XNonce::from(nonce), payload)
            .unwrap();
        [&[FORMAT], key.id.as_slice(), &nonce, &sealed].concat()
    };
    for (plain, why) in [
        ([LAST_METHOD + 1, 0].as_slice(), Unreadable::NewerFormat),
        // Map of one field, the kind: 2.
        (&[0, 0xa1, 0, 2], Unreadable::NewerFormat),
        (&[LAST_METHOD, 255], Unreadable::Malformed),
        (&[0, 255], Unreadable::Malformed),
    ] {
        assert_eq!(open(&written(plain), &name, &keys), Err(why), "{plain:?}");
    }
}

/// Unknown fields survive, so the older of two releases removes nothing.
#[test]
fn unknown_fields_round_trip() {
    let [_, (_, Entry::Live(mut later)), ..] = entries() else {
        panic!("it lives");
    };
    // Field 900: a text.
    later.unknown = b"\x19\x03\x84\x65later".to_vec();
    let entry = Entry::Live(later);
    assert_eq!(opened(&sealed(&entry)), Ok(entry));
}
