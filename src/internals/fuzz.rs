//! Defines the fuzz targets: every parser of untrusted bytes.
#![expect(clippy::unwrap_used, reason = "a fault is to be found")]

use std::sync::LazyLock;

use crate::auth::login_throttle::message as attempts;
use crate::balancer::message as pool;
use crate::clock::UnixMillis;
use crate::clock::UnixSeconds;
use crate::cookie::jar;
use crate::cookie::presented::Presented;
use crate::cookie::token::Token;
use crate::encoding::base64url;
use crate::http::json;
use crate::http::query::Query;
use crate::http::request::Request;
use crate::keys::{DeploymentKeys, KeyRing};
use crate::session::data::Data;
use crate::session::id::{Handle, RecordName, SessionId};
use crate::session::identity::Identity;
use crate::session::record::Version;
use crate::session::{cbor, codec, compress};
use crate::session_object::command::{Command, Reply};
use crate::session_object::outbox;
use crate::store::revocations::Revocations;
use crate::store::session_index::{self, message as directory};
use crate::telemetry::message as telemetry;
use crate::tenant_id::TenantId;

static COOKIE_KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    let keys = DeploymentKeys::parse(&base64url(&[7; 32])).unwrap();
    KeyRing::derive(&keys, &TenantId::parse("t").unwrap()).unwrap()
});

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// Parses a `Cookie` header and a cookie's value: only an issued cookie verifies.
///
/// # Panics
/// Panics on a fault.
pub fn cookie(bytes: &[u8]) {
    if let Ok(header) = core::str::from_utf8(bytes) {
        let found = Presented::find(header, "__Host-session", &COOKIE_KEYS, NOW);
        assert!(!matches!(found, Presented::Genuine { .. }));
        let _ = jar::without(
            header,
            "session".len(),
            |name| name == "session",
            |name| name == "vault",
        );
        assert!(Token::verify(header, &COOKIE_KEYS, NOW).is_err());
    }
    // A cookie issued from these bytes verifies with its content.
    let Some((handle, rest)) = bytes.split_first_chunk::<16>() else {
        return;
    };
    let Some((id, rest)) = rest.split_first_chunk::<16>() else {
        return;
    };
    let token = Token {
        handle: Handle(*handle),
        id: SessionId::from_bytes(*id),
        created: UnixSeconds(1_600_000_000),
        issued: NOW,
        least_version: Version(rest.len() as u64),
    };
    let value = token.mint(&COOKIE_KEYS);
    assert_eq!(
        Token::verify(&value, &COOKIE_KEYS, NOW).map(|verified| verified.token),
        Ok(token)
    );
}

static RECORD_KEYS: LazyLock<(KeyRing, RecordName)> = LazyLock::new(|| {
    let tenant = TenantId::parse("t").unwrap();
    let keys = DeploymentKeys::parse(&base64url(&[7; 32])).unwrap();
    let name = RecordName::derive(&tenant, Handle([1; 16]));
    (KeyRing::derive(&keys, &tenant).unwrap(), name)
});

/// Parses stored bytes: the seal, the compression and the fields. Nothing panics, and a parsed value round-trips.
///
/// # Panics
/// Panics on a fault.
pub fn record(bytes: &[u8]) {
    let (keys, name) = &*RECORD_KEYS;
    assert!(codec::open(bytes, name, keys).is_err());
    if let Ok(entry) = cbor::decode(bytes) {
        let again = cbor::encode(&entry).concat();
        assert_eq!(cbor::decode(&again), Ok(entry));
    }
    if let Some(plain) = compress::decompress(bytes) {
        let _ = cbor::decode(&plain);
    }
    assert_eq!(
        compress::decompress(&compress::compress(&[], bytes)).as_deref(),
        Some(bytes)
    );
}

/// Parses messages of objects, directories, namespaces and callers: none causes a panic.
///
/// # Panics
/// Panics on a fault.
pub fn messages(bytes: &[u8]) {
    if let Some(reply) = Reply::parse(bytes) {
        assert_eq!(Reply::parse(&reply.to_bytes()), Some(reply));
    }
    let mut revocations = Revocations::default();
    let _ = revocations.learn(bytes, UnixMillis(0));
    revocations.learn_names(session_index::names(bytes), UnixMillis(0));
    let _ = session_index::read_list(bytes);
    let _ = session_index::read_names(session_index::names(bytes));
    let _ = outbox::next(
        &TenantId::parse("t").unwrap(),
        Handle([1; 16]),
        bytes,
        UnixMillis(0),
    );
    let request = Request::parse("POST\nhttps://chat.example/\ncontent-type\napplication/json");
    let _ = json::object(&request.unwrap(), bytes, json::MAX_UNAUTHENTICATED_LENGTH);
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(command) = Command::parse(text) {
        assert_eq!(Command::parse(&command.to_text()).ok(), Some(command));
    }
    if let Ok(command) = directory::Command::parse(text) {
        assert_eq!(
            directory::Command::parse(&command.to_text()).ok(),
            Some(command)
        );
    }
    if let Ok(command) = attempts::Command::parse(text) {
        assert_eq!(
            attempts::Command::parse(&command.to_text()).ok(),
            Some(command)
        );
    }
    let _ = attempts::Reply::parse(bytes);
    if let Ok(command) = pool::Command::parse(text) {
        assert_eq!(pool::Command::parse(&command.to_text()).ok(), Some(command));
    }
    if let Ok(command) = telemetry::Command::parse(text) {
        assert_eq!(
            telemetry::Command::parse(&command.to_text()).ok(),
            Some(command)
        );
    }
    let _ = Identity::parse(text);
    let _ = Query::parse(text, &["user", "limit"]);
    if let Ok(data) = Data::default().patched(text) {
        assert!(data.to_header().unwrap_or_default().is_ascii());
    }
}
