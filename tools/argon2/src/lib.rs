//! Computes Argon2id (RFC 9106) in a wasm module of its own, separate from the gateway's.
//!
//! A hash needs 19 MiB of memory, and wasm memory never shrinks. In a separate module, an isolate takes that memory
//! only from its first password on. The gateway's module stays small, and its instance survives a trap of this one.
//! The Worker (`src/worker/io/password.rs`) and `npm run users` (`scripts/passwords.mjs`) run the same module, so both
//! read and write the same format.

use argon2::{Algorithm, Argon2, Error, Params, Version};

#[cfg(target_arch = "wasm32")]
mod exports;
pub mod password;

/// Length of a hash, in bytes.
pub const HASH_LENGTH: usize = 32;

/// Number of lanes. An isolate has one thread, so more lanes would help only an attacker.
const LANES: u32 = 1;

/// Reason why hashing failed. The wasm module returns these numbers, negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Fault {
    /// The password, the salt or the cost is out of bounds.
    OutOfBounds = 1,
    /// Less memory is available than the cost requires.
    NoMemory = 2,
}

/// Hashes a password.
///
/// The salt has at least 8 bytes, `memory` at least 8 KiB, and there is at least one pass.
///
/// # Errors
///
/// Returns [`Fault`] if a parameter is out of bounds or memory is lacking.
pub fn hash(
    password: &[u8],
    salt: &[u8],
    memory: u32,
    passes: u32,
) -> Result<[u8; HASH_LENGTH], Fault> {
    let mut hash = [0; HASH_LENGTH];
    Params::new(memory, passes, LANES, Some(HASH_LENGTH))
        .and_then(|cost| {
            let argon2id = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost);
            argon2id.hash_password_into(password, salt, &mut hash)
        })
        .map_err(|error| match error {
            Error::OutOfMemory => Fault::NoMemory,
            _ => Fault::OutOfBounds,
        })?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 9106, section 5.3. It has four lanes, a secret and associated data, which Vestibule does not use: the test
    /// covers the crate.
    #[test]
    fn rfc_9106_test_vector() {
        let cost = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).unwrap())
            .build()
            .unwrap();
        let argon2id =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, cost).unwrap();
        let mut hash = [0; HASH_LENGTH];
        argon2id
            .hash_password_into(&[1; 32], &[2; 16], &mut hash)
            .unwrap();
        assert_eq!(
            hex(&hash),
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
        );
    }

    /// From the tests of the reference implementation, `phc-winner-argon2/src/test.c`.
    #[test]
    fn reference_implementation_vectors() {
        for (memory, passes, expected) in [
            (
                256,
                2,
                "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
            ),
            (
                65_536,
                2,
                "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
            ),
        ] {
            let hash = hash(b"password", b"somesalt", memory, passes).unwrap();
            assert_eq!(hex(&hash), expected);
        }
    }

    #[test]
    fn parameters_out_of_bounds_are_rejected() {
        for (salt, memory, passes) in [
            (&b"shorter"[..], 256, 2),
            (b"somesalt", 7, 2),
            (b"somesalt", 256, 0),
        ] {
            let outcome = hash(b"password", salt, memory, passes);
            assert_eq!(outcome, Err(Fault::OutOfBounds));
        }
    }
}
