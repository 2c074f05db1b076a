//! A text without what only looks like text: tokens are opened, and values that are random are put
//! aside as the bytes they stand for, because they do not compress and spoil the code of what does.
//!
//! Where something was taken out stands a separator, which JSON never contains:
//!
//! | byte | |
//! | --- | --- |
//! | 1b | the next byte as it is |
//! | 1c, n | the n-th random value, as a UUID (RFC 9562) |
//! | 1d … 1f | the text between them in base64url |
//! | 1e, n | the n-th random value, in base64url |
//!
//! A value that comes again has the number it had: what two tokens say alike stays alike. The values
//! lie one after the other, each with its length before it.

use super::{put_part, take_part};
use crate::encoding;

const AS_IT_IS: u8 = 0x1b;
const UUID: u8 = 0x1c;
const OPENED: u8 = 0x1d;
const BASE64URL: u8 = 0x1e;
const CLOSED: u8 = 0x1f;

/// The shortest run of base64url that is random rather than a word.
const SHORTEST_RANDOM: usize = 20;
/// What the base64url of a JSON object begins with.
const OBJECT: &[u8] = b"eyJ";
const UUID_LENGTH: usize = 36;

/// What became of a text.
#[derive(Default)]
pub(super) struct Cut {
    /// What can be compressed.
    pub(super) text: Vec<u8>,
    /// What cannot: the random values.
    pub(super) random: Vec<u8>,
}

/// Takes out of `plain` what is only written as text.
pub(super) fn cut(plain: &[u8]) -> Cut {
    let mut cutter = Cutter::default();
    cutter.take(plain, Depth::Record);
    cutter.cut
}

/// The counterpart of [`cut`]; `None` for what it cannot have made, and for more than `most` bytes.
pub(super) fn mend(text: &[u8], mut random: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut values = Vec::new();
    while !random.is_empty() {
        values.push(take_part(&mut random)?);
    }
    let mut plain = Vec::with_capacity(text.len() * 3 / 2 + random.len() * 2);
    let mut opened = None;
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| is_separator(*byte)) {
        let (before, after) = rest.split_at_checked(at)?;
        plain.extend_from_slice(before);
        let (separator, after) = after.split_first()?;
        rest = after;
        if *separator == OPENED {
            if opened.replace(plain.len()).is_some() {
                return None;
            }
        } else if *separator == CLOSED {
            let inner = plain.split_off(opened.take()?);
            plain.extend_from_slice(encoding::base64url(&inner).as_bytes());
        } else {
            let (next, after) = rest.split_first()?;
            rest = after;
            match *separator {
                AS_IT_IS => plain.push(*next),
                UUID => put_uuid(&mut plain, values.get(usize::from(*next))?)?,
                _ => {
                    let value = values.get(usize::from(*next))?;
                    plain.extend_from_slice(encoding::base64url(value).as_bytes());
                }
            }
        }
        if plain.len() > most {
            return None;
        }
    }
    plain.extend_from_slice(rest);
    (opened.is_none() && plain.len() <= most).then_some(plain)
}

/// Whether a run may be opened: what lies in a token is not opened again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Record,
    Token,
}

/// What was found out about a run.
enum Run {
    Text(Vec<u8>),
    Random(u8, Vec<u8>),
    Plain,
}

#[derive(Default)]
struct Cutter {
    cut: Cut,
    values: Vec<Vec<u8>>,
}

impl Cutter {
    fn take(&mut self, plain: &[u8], depth: Depth) {
        let mut rest = plain;
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|byte| is_base64url(**byte)).count();
            let (run, after) = rest.split_at_checked(run.max(1)).unwrap_or((rest, &[]));
            rest = after;
            match recognise(run) {
                Run::Text(inner) if depth == Depth::Record => {
                    self.cut.text.push(OPENED);
                    self.take(&inner, Depth::Token);
                    self.cut.text.push(CLOSED);
                }
                Run::Random(form, value) if self.refer(form, &value) => {}
                _ => {
                    if is_separator(*first) {
                        self.cut.text.push(AS_IT_IS);
                    }
                    self.cut.text.extend_from_slice(run);
                }
            }
        }
    }

    /// Puts a value's number in its place; `false` if there are too many.
    fn refer(&mut self, form: u8, value: &[u8]) -> bool {
        let known = self.values.iter().position(|known| known == value);
        let number = known.unwrap_or(self.values.len());
        let Ok(number) = u8::try_from(number) else {
            return false;
        };
        if known.is_none() {
            put_part(&mut self.cut.random, value);
            self.values.push(value.to_vec());
        }
        self.cut.text.extend_from_slice(&[form, number]);
        true
    }
}

/// What a run stands for, if writing that out gives the same run again.
fn recognise(run: &[u8]) -> Run {
    if let Some(value) = uuid(run) {
        return Run::Random(UUID, value);
    }
    if !run.starts_with(OBJECT) && (run.len() < SHORTEST_RANDOM || !is_mixed(run)) {
        return Run::Plain;
    }
    let Some(bytes) = core::str::from_utf8(run)
        .ok()
        .and_then(encoding::from_base64url)
    else {
        return Run::Plain;
    };
    match core::str::from_utf8(&bytes) {
        Ok(_) => Run::Text(bytes),
        // A word that begins like an object.
        Err(_) if run.len() < SHORTEST_RANDOM => Run::Plain,
        Err(_) => Run::Random(BASE64URL, bytes),
    }
}

fn uuid(run: &[u8]) -> Option<Vec<u8>> {
    if run.len() != UUID_LENGTH {
        return None;
    }
    let digits: String = core::str::from_utf8(run).ok()?.split('-').collect();
    let value = encoding::from_hex::<16>(&digits)?;
    let mut again = Vec::with_capacity(UUID_LENGTH);
    put_uuid(&mut again, &value)?;
    (again == run).then(|| value.to_vec())
}

fn put_uuid(plain: &mut Vec<u8>, value: &[u8]) -> Option<()> {
    let value: &[u8; 16] = value.try_into().ok()?;
    let mut text = String::with_capacity(UUID_LENGTH);
    for (at, bytes) in value.chunks(2).enumerate() {
        if (2..=5).contains(&at) {
            text.push('-');
        }
        encoding::push_hex(&mut text, bytes);
    }
    plain.extend_from_slice(text.as_bytes());
    Some(())
}

/// Capitals, small letters and digits: hardly a word.
fn is_mixed(run: &[u8]) -> bool {
    run.iter().any(u8::is_ascii_uppercase)
        && run.iter().any(u8::is_ascii_lowercase)
        && run.iter().any(u8::is_ascii_digit)
}

fn is_separator(byte: u8) -> bool {
    (AS_IT_IS..=CLOSED).contains(&byte)
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID_TEXT: &str = "f2b6f7a0-6c1b-4e57-9f6e-3f1f0c8a7d21";

    fn comes_back(plain: &[u8]) -> bool {
        let Cut { text, random } = cut(plain);
        mend(&text, &random, 1 << 20).as_deref() == Some(plain)
    }

    #[test]
    fn a_token_is_opened_and_its_signature_put_aside() {
        let header = r#"{"alg":"ES256"}"#;
        let claims = format!(r#"{{"sub":"{UUID_TEXT}"}}"#);
        let signature: Vec<u8> = (1..=64).map(|byte: u8| byte.wrapping_mul(37)).collect();
        let parts = [header.as_bytes(), claims.as_bytes(), &signature].map(encoding::base64url);
        let plain = format!(r#"["{UUID_TEXT}","{}"]"#, parts.join("."));
        let Cut { text, random } = cut(plain.as_bytes());
        let expected = "[\"\u{1c}\0\",\"\u{1d}{\"alg\":\"ES256\"}\u{1f}.\u{1d}{\"sub\":\"\u{1c}\0\"}\u{1f}.\u{1e}\u{1}\"]";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert_eq!(random.len(), 1 + 16 + 1 + 64);
        assert!(comes_back(plain.as_bytes()));
    }

    #[test]
    fn words_and_what_is_almost_a_form_stay_as_they_are() {
        for plain in [
            "eyJ",
            "eyJx",
            "eyJa-word",
            "F2B6F7A0-6C1B-4E57-9F6E-3F1F0C8A7D21",
            "f2b6f7a06c1b-4e57-9f6e-3f1f-0c8a7d21",
            "a_long_name_in_capitals_LIKE_THIS_one",
            "the second 2nd_Line_of_words_with_an_end",
        ] {
            assert!(comes_back(plain.as_bytes()), "{plain}");
        }
        let words = "preferred_username_of_the_visitor";
        assert_eq!(cut(words.as_bytes()).text, words.as_bytes());
    }

    #[test]
    fn more_values_than_can_be_numbered_stay_in_the_text() {
        let values = (0..600_u32).map(|number| {
            let bytes = [number.to_be_bytes(), [0x81, 0xfe, 0x93, 0xc0]].concat();
            encoding::base64url(&bytes.repeat(4))
        });
        let plain = values.collect::<Vec<_>>().join(" ");
        assert!(comes_back(plain.as_bytes()));
    }

    #[test]
    fn what_was_not_cut_here_is_refused() {
        for text in [
            b"\x1b".as_slice(),
            b"\x1c",
            b"\x1c\x00",
            b"\x1c\x01",
            b"\x1e\x02",
            b"\x1d",
            b"\x1f",
            b"\x1d\x1d\x1f\x1f",
        ] {
            assert_eq!(mend(text, b"\x01a", 100), None, "{text:?}");
        }
        assert_eq!(mend(b"", b"\x05a", 100), None);
        assert_eq!(mend(&b"\x1e\x00".repeat(9), &[8; 9], 90), None);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "([A-Za-z0-9_-]{20,90}|eyJ[a-zA-Z0-9]{0,9}|[\\x18-\\x22]{0,3}|.{0,40}){0,12}") {
            prop_assert!(comes_back(text.as_bytes()));
        }

        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            prop_assert!(comes_back(&bytes));
        }

        #[test]
        fn arbitrary_bytes_never_panic(text: Vec<u8>, random: Vec<u8>) {
            let _ = mend(&text, &random, 1 << 16);
        }
    }
}
