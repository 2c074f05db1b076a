//! Splits text for compression: decodes tokens, and moves random values out as bytes, because they do not compress and
//! worsen the codes of the rest.
//!
//! A separator, which JSON never contains, marks each replaced run:
//!
//! | byte | |
//! | --- | --- |
//! | 1b | the next byte as it is |
//! | 1c, n | the n-th random value, as a UUID (RFC 9562) |
//! | 1d … 1f | the text between them in base64url |
//! | 1e, n | the n-th random value, in base64url |
//!
//! A repeated value keeps its number, so claims that two tokens share stay equal text. The values follow one another,
//! each after its length.

use core::ops::Range;

use super::{put_part, take_part};
use crate::encoding;

const AS_IT_IS: u8 = 0x1b;
const UUID: u8 = 0x1c;
const OPENED: u8 = 0x1d;
const BASE64URL: u8 = 0x1e;
const CLOSED: u8 = 0x1f;

/// Minimum length of a base64url run that counts as random.
const MIN_RANDOM_LENGTH: usize = 20;
/// Prefix of a JSON object in base64url.
const OBJECT: &[u8] = b"eyJ";
const UUID_LENGTH: usize = 36;

/// Result of splitting a text.
pub(super) struct Cut {
    /// Compressible text.
    pub(super) text: Vec<u8>,
    /// Random values, which do not compress.
    pub(super) random: Vec<u8>,
}

/// Decodes tokens and moves random values out of `plain`.
pub(super) fn split(plain: &[u8]) -> Cut {
    let mut cutter = Cutter {
        split: Cut {
            text: Vec::with_capacity(plain.len()),
            random: Vec::with_capacity(plain.len() / 4),
        },
        values: Vec::with_capacity(16),
    };
    cutter.take(plain, Depth::Record);
    cutter.split
}

/// Reverses [`split`]; returns `None` for malformed input, and for a result of more than `most` bytes.
pub(super) fn join(text: &[u8], mut random: &[u8], most: usize) -> Option<Vec<u8>> {
    let room = text.len() * 4 / 3 + random.len() * 9 / 4;
    let mut values = Vec::with_capacity(16);
    while !random.is_empty() {
        values.push(take_part(&mut random)?);
    }
    let mut plain = Vec::with_capacity(room);
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

/// Nesting of a run; runs inside a token are not decoded again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Record,
    Token,
}

/// Classification of a run.
enum Run {
    Text(Vec<u8>),
    Random(u8, Vec<u8>),
    Plain,
}

struct Cutter {
    split: Cut,
    /// Positions of the values within `random`.
    values: Vec<Range<usize>>,
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
                    self.split.text.push(OPENED);
                    self.take(&inner, Depth::Token);
                    self.split.text.push(CLOSED);
                }
                Run::Random(form, value) if self.refer(form, &value) => {}
                _ => {
                    if is_separator(*first) {
                        self.split.text.push(AS_IT_IS);
                    }
                    self.split.text.extend_from_slice(run);
                }
            }
        }
    }

    /// Writes a reference to a value; returns `false` if there are too many values.
    fn refer(&mut self, form: u8, value: &[u8]) -> bool {
        let random = &mut self.split.random;
        let is_known = |at: &Range<usize>| random.get(at.clone()) == Some(value);
        let known = self.values.iter().position(is_known);
        let number = known.unwrap_or(self.values.len());
        let Ok(number) = u8::try_from(number) else {
            return false;
        };
        if known.is_none() {
            put_part(random, value);
            self.values.push(random.len() - value.len()..random.len());
        }
        self.split.text.extend_from_slice(&[form, number]);
        true
    }
}

/// Classifies a run; decodes it only if encoding the result returns the same run.
fn recognise(run: &[u8]) -> Run {
    if let Some(value) = uuid(run) {
        return Run::Random(UUID, value);
    }
    if !run.starts_with(OBJECT) && (run.len() < MIN_RANDOM_LENGTH || !is_mixed(run)) {
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
        Err(_) if run.len() < MIN_RANDOM_LENGTH => Run::Plain,
        Err(_) => Run::Random(BASE64URL, bytes),
    }
}

fn uuid(run: &[u8]) -> Option<Vec<u8>> {
    if run.len() != UUID_LENGTH {
        return None;
    }
    let groups = run.split(|byte| *byte == b'-');
    if !groups.clone().map(<[u8]>::len).eq([8, 4, 4, 4, 12]) {
        return None;
    }
    let mut value = Vec::with_capacity(16);
    for pair in groups.flat_map(|group| group.chunks(2)) {
        let [high, low] = pair else { return None };
        value.push(nibble(*high)? << 4 | nibble(*low)?);
    }
    Some(value)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
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

/// Returns whether a run mixes capitals, small letters and digits, as words hardly do.
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
mod tests;
