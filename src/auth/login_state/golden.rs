//! Checks the cookies of pending sign-ins against those of earlier releases.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;

use super::*;
use crate::golden;
use crate::keys::DeploymentKeys;
use crate::tenant_id::TenantId;
use serde_json::json;

#[test]
fn golden_sign_ins_are_written_and_read() {
    let keys = DeploymentKeys::parse(&encoding::base64url(&[1; 32])).unwrap();
    let ring = KeyRing::derive(&keys, &TenantId::parse("acme").unwrap()).unwrap();
    let random = || ChaCha20Rng::seed_from_u64(1);
    let now = UnixSeconds(1_700_000_000);
    let usual = Transaction::begin("main", "/chat?room=1", None, now, &mut random());
    let fresh = Transaction {
        max_age: Some(Seconds(60)),
        ..usual.clone()
    };
    let for_frame = Transaction {
        frame: Some(encoding::base64url(&[7; 32])),
        ..usual.clone()
    };
    let sign_ins = [
        ("usual", Sealed(usual)),
        ("in a window for a frame", Sealed(for_frame)),
        ("of one who must prove it anew", Sealed(fresh)),
    ];
    golden::check(
        "sign-ins.json",
        &sign_ins,
        |Sealed(sign_in)| json!([sign_in.state, sign_in.seal(&ring, &mut random())]),
        |golden| {
            let (state, cookie) = (golden.get(0)?.as_str()?, golden.get(1)?.as_str()?);
            Transaction::open(cookie, state, &ring, now).map(Sealed)
        },
    );
}

/// Printable sign-in, for assertions.
#[derive(PartialEq)]
struct Sealed(Transaction);

impl core::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "to {} at {}", self.0.return_to, self.0.provider)
    }
}
