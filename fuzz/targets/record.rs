//! Stored bytes: the seal, the packing and the fields. Nothing panics, and what is read can be
//! written and read again.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vestibule::encoding::base64url;
use vestibule::keys::{DeploymentKeys, KeyRing};
use vestibule::session::id::{Handle, RecordName};
use vestibule::session::{codec, fields, packing};
use vestibule::tenant_id::TenantId;

static KEYS: LazyLock<(KeyRing, RecordName)> = LazyLock::new(|| {
    let tenant = TenantId::parse("t").unwrap();
    let keys = DeploymentKeys::parse(&base64url(&[7; 32])).unwrap();
    let name = RecordName::derive(&tenant, Handle([1; 16]));
    (KeyRing::derive(&keys, &tenant).unwrap(), name)
});

fuzz_target!(|bytes: &[u8]| {
    let (keys, name) = &*KEYS;
    assert!(codec::open(bytes, name, keys).is_err());
    if let Ok(entry) = fields::decode(bytes) {
        let again = fields::encode(&entry).concat();
        assert_eq!(fields::decode(&again), Ok(entry));
    }
    if let Some(plain) = packing::unpack(bytes) {
        let _ = fields::decode(&plain);
    }
    assert_eq!(
        packing::unpack(&packing::pack(&[], bytes)).as_deref(),
        Some(bytes)
    );
});
