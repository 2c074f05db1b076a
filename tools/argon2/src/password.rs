//! Decides what is stored for a password, and whether a password matches it.
//!
//! The stored form is a PHC string, `$argon2id$v=19$m=<KiB>,t=<passes>,p=1$<salt>$<hash>`, which other programs use
//! too. The string sets the cost of its own check, so this module bounds that cost.

use base64ct::{Base64Unpadded, Encoding as _};

use crate::{Fault, HASH_LENGTH};

/// Maximum length of a password, in bytes.
pub const MAX_PASSWORD_LENGTH: usize = 1024;

/// Length of the salt of a new hash, in bytes, as RFC 9106 recommends.
pub const SALT_LENGTH: usize = 16;

/// Maximum length of a stored string, in bytes: more than one with the longest salt takes.
pub const MAX_STORED_LENGTH: usize = 192;

/// Bounds of a stored salt's length, in bytes, from the PHC string format.
const MIN_SALT_LENGTH: usize = 8;
const MAX_SALT_LENGTH: usize = 48;

/// Maximum memory that checking a stored hash may take, in KiB: half of an isolate's.
const MAX_MEMORY: u32 = 65_536;

/// Maximum number of passes that checking a stored hash may take; with the maximum memory, some tenths of a second.
const MAX_PASSES: u32 = 10;

/// Minimum memory that Argon2 needs for one lane, in KiB.
const MIN_MEMORY: u32 = 8;

/// Cost of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Number of passes over the memory.
    pub passes: u32,
}

/// Cost of a new hash: the first of OWASP's recommendations that fits an isolate.
pub const COST: Cost = Cost {
    memory: 19_456,
    passes: 2,
};

/// Hash of a password, with its salt and cost.
#[derive(Clone, Debug)]
pub struct Stored {
    cost: Cost,
    salt: Vec<u8>,
    hash: [u8; HASH_LENGTH],
}

impl Stored {
    /// Parses a PHC string. Returns `None` if it is invalid, is not Argon2id, or costs too much.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let text = text.strip_prefix(b"$argon2id$v=19$m=")?;
        let (memory, text) = number(text)?;
        let (passes, text) = number(text.strip_prefix(b",t=")?)?;
        let mut fields = text.strip_prefix(b",p=1$")?.split(|byte| *byte == b'$');
        let (salt, hash) = (fields.next()?, fields.next()?);
        let cost = Cost { memory, passes };
        let is_affordable = (MIN_MEMORY..=MAX_MEMORY).contains(&cost.memory)
            && (1..=MAX_PASSES).contains(&cost.passes);
        let (mut long_salt, mut own_hash) = ([0; MAX_SALT_LENGTH], [0; HASH_LENGTH]);
        let salt = Base64Unpadded::decode(salt, &mut long_salt).ok()?.to_vec();
        let hash = Base64Unpadded::decode(hash, &mut own_hash).ok()?;
        let is_whole = salt.len() >= MIN_SALT_LENGTH && hash.len() == HASH_LENGTH;
        (is_affordable && is_whole && fields.next().is_none()).then_some(Self {
            cost,
            salt,
            hash: own_hash,
        })
    }

    /// Returns the hash to check for an unknown user: it costs as much as others, and no password matches.
    #[must_use]
    pub fn decoy() -> Self {
        Self {
            cost: COST,
            salt: vec![0; SALT_LENGTH],
            hash: [0; HASH_LENGTH],
        }
    }

    /// Hashes a new password with a random salt.
    ///
    /// # Errors
    ///
    /// Returns [`Fault`] if the password is too long or memory is lacking.
    pub fn new(password: &[u8], salt: &[u8; SALT_LENGTH]) -> Result<Self, Fault> {
        Ok(Self {
            cost: COST,
            salt: salt.to_vec(),
            hash: hashed(password, salt, COST)?,
        })
    }

    /// Returns the PHC string.
    #[must_use]
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = b"$argon2id$v=19$m=".to_vec();
        push_number(&mut text, self.cost.memory);
        text.extend_from_slice(b",t=");
        push_number(&mut text, self.cost.passes);
        text.extend_from_slice(b",p=1");
        for bytes in [&self.salt[..], &self.hash] {
            let mut place = [0; MAX_SALT_LENGTH * 2];
            let base64 = Base64Unpadded::encode(bytes, &mut place).unwrap_or_default();
            text.push(b'$');
            text.extend_from_slice(base64.as_bytes());
        }
        text
    }

    /// Returns the cost of checking a password.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Returns whether the password matches, by a comparison in constant time.
    ///
    /// # Errors
    ///
    /// Returns [`Fault`] if the password is too long or memory is lacking.
    pub fn matches(&self, password: &[u8]) -> Result<bool, Fault> {
        let hash = hashed(password, &self.salt, self.cost)?;
        let pairs = hash.iter().zip(&self.hash);
        Ok(pairs.fold(0, |difference, (one, other)| difference | (one ^ other)) == 0)
    }
}

/// Parses a number in its canonical form, without leading zeros, and returns the rest of the text.
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let mut rest = text;
    let mut number = 0_u32;
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        number = number
            .checked_mul(10)?
            .checked_add(u32::from(digit - b'0'))?;
        rest = after;
    }
    (!text.starts_with(b"0")).then_some((number, rest))
}

// Avoids `core::fmt`, which would make up a fifth of the module.
fn push_number(text: &mut Vec<u8>, number: u32) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.extend(u8::try_from(number % 10).map(|digit| b'0' + digit));
}

fn hashed(password: &[u8], salt: &[u8], cost: Cost) -> Result<[u8; HASH_LENGTH], Fault> {
    if password.len() > MAX_PASSWORD_LENGTH {
        return Err(Fault::OutOfBounds);
    }
    crate::hash(password, salt, cost.memory, cost.passes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of the reference implementation: "password", with the salt "somesalt".
    const KNOWN: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    const CHEAP: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn text(stored: &Stored) -> String {
        String::from_utf8(stored.to_text()).unwrap()
    }

    fn matches(password: &str, stored: &str) -> bool {
        Stored::read(stored.as_bytes())
            .is_some_and(|stored| stored.matches(password.as_bytes()).unwrap())
    }

    #[test]
    fn password_matches_its_hash_only() {
        let stored = Stored::new(b"correct horse", &[7; SALT_LENGTH]).unwrap();
        let first = text(&stored);
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"));
        assert!(first.len() <= MAX_STORED_LENGTH);
        assert!(matches("correct horse", &first));
        assert!(!matches("correct horse ", &first));
        assert!(!matches("", &first));
        let other = Stored::new(b"correct horse", &[8; SALT_LENGTH]).unwrap();
        assert_ne!(text(&other), first);
        assert!(matches("correct horse", &text(&other)));
    }

    #[test]
    fn hashes_of_other_programs_are_verified() {
        assert!(matches("password", KNOWN));
        assert!(!matches("Password", KNOWN));
        assert!(matches("password", CHEAP));
        assert_eq!(text(&Stored::read(KNOWN.as_bytes()).unwrap()), KNOWN);
        let cost = Stored::read(CHEAP.as_bytes()).unwrap().cost();
        assert_eq!((cost.memory, cost.passes), (256, 2));
    }

    #[test]
    fn longest_phc_string_fits() {
        let stored = Stored {
            cost: Cost {
                memory: MAX_MEMORY,
                passes: MAX_PASSES,
            },
            salt: vec![7; MAX_SALT_LENGTH],
            hash: [7; HASH_LENGTH],
        };
        assert!(text(&stored).len() <= MAX_STORED_LENGTH);
        assert!(Stored::read(&stored.to_text()).is_some());
    }

    #[test]
    fn invalid_or_too_expensive_phc_string_is_rejected() {
        let mut fields = CHEAP.rsplit('$');
        let (hash, salt) = (fields.next().unwrap(), fields.next().unwrap());
        let of =
            |cost: &str, salt: &str, hash: &str| format!("$argon2id$v=19${cost}${salt}${hash}");
        let phc = |cost: &str| of(cost, salt, hash);
        let fair = "m=256,t=2,p=1";
        assert!(Stored::read(phc(fair).as_bytes()).is_some());
        for bad in [
            String::new(),
            "password".to_owned(),
            format!(" {CHEAP}"),
            format!("{CHEAP}\n"),
            format!("{CHEAP}="),
            format!("{CHEAP}$"),
            CHEAP.replace("argon2id", "argon2i"),
            CHEAP.replace("v=19", "v=16"),
            CHEAP.replace("v=19$", ""),
            phc("m=65537,t=2,p=1"),
            phc("m=4294967552,t=2,p=1"),
            phc("m=7,t=2,p=1"),
            phc("m=256,t=11,p=1"),
            phc("m=256,t=0,p=1"),
            phc("m=256,t=2,p=2"),
            phc("m=0256,t=2,p=1"),
            phc("m=+256,t=2,p=1"),
            phc("m=256,t=2,p=1,keyid=AA"),
            phc("m=256,t=2"),
            phc("t=2,m=256,p=1"),
            of(fair, "c2hvcnRlcg", hash),
            of(fair, &"A".repeat(66), hash),
            of(fair, "c29tZXNhbHR", hash),
            of(fair, "c29tZXNhb-Q", hash),
            of(fair, salt, &hash[..42]),
            of(fair, salt, &format!("{}5", &hash[..42])),
            of(fair, salt, &format!("{hash}AAAA")),
            of(fair, salt, ""),
            format!("$argon2id$v=19${fair}${salt}"),
        ] {
            assert!(Stored::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn password_is_limited_to_1024_bytes() {
        let stored = Stored::new(&[b'x'; MAX_PASSWORD_LENGTH], &[7; SALT_LENGTH]).unwrap();
        assert_eq!(stored.matches(&[b'x'; MAX_PASSWORD_LENGTH]), Ok(true));
        let longer = [b'x'; MAX_PASSWORD_LENGTH + 1];
        assert_eq!(stored.matches(&longer), Err(Fault::OutOfBounds));
        assert!(Stored::new(&longer, &[7; SALT_LENGTH]).is_err());
    }

    #[test]
    fn decoy_hash_costs_the_same_and_matches_nothing() {
        let decoy = Stored::decoy();
        assert_eq!(decoy.cost(), COST);
        assert_eq!(
            text(&decoy),
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        );
        assert_eq!(decoy.matches(b""), Ok(false));
    }
}
