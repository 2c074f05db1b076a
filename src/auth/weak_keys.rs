//! Rejects public keys that are known to be weak, with which anyone can sign. Checks them when they are read, so that
//! nothing depends on the runtime's checks.

/// Minimum length of an RSA modulus, in bits (RFC 7518 section 3.3).
const MIN_MODULUS_LENGTH: usize = 2_048;

/// Maximum length of an RSA modulus, in bits: verification takes longer with each bit, and issuers publish no longer
/// ones.
const MAX_MODULUS_LENGTH: usize = 8_192;

/// Minimum RSA exponent (FIPS 186-5 section 5.4 requires more than 2^16).
const MIN_EXPONENT: u32 = 65_537;

/// Prime factors of the product M that Infineon's library uses to generate primes (CVE-2017-15361): all from 3 to 167.
const FINGERPRINT: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Returns why an RSA key is rejected; `None` if no weakness is known. Both numbers are big-endian (RFC 7518 section
/// 6.3.1).
#[must_use]
pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<&'static str> {
    let modulus = without_zeros(modulus);
    let exponent = without_zeros(exponent);
    let bits = match modulus.first() {
        Some(first) => 8 * modulus.len() - usize::try_from(first.leading_zeros()).unwrap_or(0),
        None => 0,
    };
    if bits < MIN_MODULUS_LENGTH {
        return Some("an RSA modulus of less than 2048 bits");
    }
    if bits > MAX_MODULUS_LENGTH {
        return Some("an RSA modulus of more than 8192 bits");
    }
    if exponent.len() > 4 {
        return Some("an RSA exponent of more than 32 bits");
    }
    let exponent = exponent
        .iter()
        .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    if exponent < MIN_EXPONENT || exponent % 2 == 0 {
        return Some("an RSA exponent that is even or less than 65537");
    }
    let remainders = FINGERPRINT.map(|prime| (prime, remainder(modulus, prime)));
    if remainder(modulus, 2) == 0 || remainders.iter().any(|(_, rest)| *rest == 0) {
        return Some("an RSA modulus with a small factor");
    }
    // Each prime of the library is a power of 65537 modulo M, and so is their product. Of other moduli this holds for
    // one in 2^27.
    let is_of_library = remainders
        .iter()
        .all(|(prime, rest)| is_power(*rest, *prime));
    is_of_library
        .then_some("an RSA modulus of a library whose keys can be factored (CVE-2017-15361)")
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    let step = |rest: u32, byte: &u8| (rest << 8 | u32::from(*byte)) % divisor;
    number.iter().fold(0, step)
}

/// Returns whether a remainder is a power of 65537 modulo a small prime.
fn is_power(rest: u32, prime: u32) -> bool {
    let generator = MIN_EXPONENT % prime;
    let mut power = 1;
    for _ in 0..prime {
        if power == rest {
            return true;
        }
        power = power * generator % prime;
    }
    false
}

/// The prime 2^255 - 19, little-endian.
const FIELD: [u8; 32] = {
    let mut field = [0xff; 32];
    field[0] = 0xed;
    field[31] = 0x7f;
    field
};

/// The y coordinates of the points of order 8, little-endian; those of order 1, 2 and 4 are 1, -1 and 0.
const ORDER_EIGHT: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Returns why an Ed25519 key (RFC 8032 section 5.1.5) is rejected. With a key of small order anyone can make a
/// signature that is valid for many texts.
#[must_use]
pub(crate) fn ed25519(key: &[u8]) -> Option<&'static str> {
    let Ok(mut y) = <[u8; 32]>::try_from(key) else {
        return Some("an Ed25519 key that is not 32 bytes");
    };
    y[31] &= 0x7f;
    // Compares from the most significant byte.
    if y.iter().rev().cmp(FIELD.iter().rev()).is_ge() {
        return Some("an Ed25519 key that is not in canonical form");
    }
    let [first, rest @ ..] = y;
    let is_zero_or_one = first <= 1 && rest == [0; 31];
    let mut minus_one = FIELD;
    minus_one[0] -= 1;
    let is_small = is_zero_or_one || y == minus_one || ORDER_EIGHT.contains(&y);
    is_small.then_some("an Ed25519 key of small order")
}

/// Modulus without known weakness, from RFC 7515 appendix A.2.
#[cfg(test)]
pub(crate) const SOUND_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{from_base64url, from_hex};

    const EXPONENT: &[u8] = &[1, 0, 1];

    /// Returns the least number of at least 2048 bits whose remainders are those of this power of 65537.
    fn of_library(power: u32) -> Vec<u8> {
        // Garner's algorithm: one prime after the other, in arithmetic on bytes.
        let mut modulus = vec![0; 256];
        modulus[0] = 0x80;
        let mut product = vec![0; 256];
        product[255] = 1;
        let primes = core::iter::once(2).chain(FINGERPRINT);
        for prime in primes {
            let mut wanted = 1;
            for _ in 0..power {
                wanted = wanted * (MIN_EXPONENT % prime) % prime;
            }
            while remainder(&modulus, prime) != wanted {
                add(&mut modulus, &product);
            }
            product = times(&product, prime);
        }
        modulus
    }

    fn add(sum: &mut [u8], other: &[u8]) {
        let mut carry = 0;
        for (at, byte) in other.iter().enumerate().rev() {
            let more = u16::from(sum[at]) + u16::from(*byte) + carry;
            sum[at] = more.to_le_bytes()[0];
            carry = more >> 8;
        }
    }

    fn times(number: &[u8], factor: u32) -> Vec<u8> {
        let mut product = vec![0; number.len()];
        let mut carry = 0;
        for (at, byte) in number.iter().enumerate().rev() {
            let more = u32::from(*byte) * factor + carry;
            product[at] = more.to_le_bytes()[0];
            carry = more >> 8;
        }
        product
    }

    #[test]
    fn sound_rsa_key_is_accepted() {
        let modulus = from_base64url(SOUND_MODULUS).unwrap();
        assert_eq!(rsa(&modulus, EXPONENT), None);
        assert_eq!(
            rsa(&[&[0], modulus.as_slice()].concat(), &[0, 1, 0, 1]),
            None
        );
    }

    #[test]
    fn weak_rsa_key_is_rejected() {
        let modulus = from_base64url(SOUND_MODULUS).unwrap();
        for exponent in [
            &[][..],
            &[0],
            &[1],
            &[2],
            &[3],
            &[1, 0, 0],
            &[1, 0, 2],
            &[1, 0, 0, 0, 1],
        ] {
            assert!(rsa(&modulus, exponent).is_some(), "{exponent:?}");
        }
        let mut short = modulus.clone();
        short[0] = 0x7f;
        assert_eq!(
            rsa(&short, EXPONENT),
            Some("an RSA modulus of less than 2048 bits")
        );
        assert!(rsa(&modulus[1..], EXPONENT).is_some());
        let mut even = modulus.clone();
        even[255] &= 0xfe;
        assert_eq!(
            rsa(&even, EXPONENT),
            Some("an RSA modulus with a small factor")
        );
        assert_eq!(
            rsa(&[0xff; 256], EXPONENT),
            Some("an RSA modulus with a small factor")
        );
        assert!(rsa(&[0xff; 1_025], EXPONENT).is_some());
        assert!(rsa(&[], EXPONENT).is_some());
        for power in [1, 5, 77] {
            let reason = rsa(&of_library(power), EXPONENT);
            assert!(
                reason.is_some_and(|why| why.contains("CVE-2017-15361")),
                "{reason:?}"
            );
        }
    }

    #[test]
    fn small_order_ed25519_key_is_rejected_in_every_encoding() {
        let hex = |text: &str| from_hex::<32>(text).unwrap();
        // From RFC 8032 section 7.1.
        let sound = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(ed25519(&sound), None);
        let ff = "ff".repeat(30);
        let zeros = "00".repeat(31);
        let mut bad = vec![
            hex(&format!("00{zeros}")),
            hex(&format!("01{zeros}")),
            hex(&format!("ec{ff}7f")),
            hex(&format!("ed{ff}7f")),
            hex(&format!("ee{ff}7f")),
            hex(&format!("ff{ff}7f")),
        ];
        bad.extend(ORDER_EIGHT);
        for mut key in bad {
            for sign in [0, 0x80] {
                key[31] = (key[31] & 0x7f) | sign;
                assert!(ed25519(&key).is_some(), "{key:x?}");
            }
        }
        assert!(ed25519(&sound[1..]).is_some());
        assert!(ed25519(&[]).is_some());
    }
}
