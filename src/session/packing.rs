//! Smaller records: tokens in their own bytes, then DEFLATE (RFC 1951) with a preset dictionary.
//!
//! A token is base64url, four characters for three bytes, and what its payload repeats of other
//! fields is hidden from the compressor by that. So the text is cut into parts: long runs of
//! base64url are kept as the bytes they stand for. Then everything is compressed after a dictionary
//! of what sessions usually hold. The first byte says how it is packed:
//!
//! | | |
//! | --- | --- |
//! | 0 | as it is: short, or not smaller otherwise |
//! | 1 | parts, compressed after dictionary 1 |
//!
//! Why this and not another encoding: the table in `docs/session-engine.md`.

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use crate::encoding;

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;

/// Below this nothing worth the work is gained.
const SHORTEST: usize = 192;

/// The largest text that is ever unpacked: data is limited to 64 KiB, the rest is far smaller.
const LARGEST: usize = 160 * 1024;

/// The shortest run that is worth a part of its own.
const SHORTEST_RUN: usize = 48;

/// What sessions usually hold, the most usual last. Never changed: records depend on it. A better
/// one gets a number of its own.
const DICTIONARY: &[u8] = br#""nonce":"","at_hash":"","session_state":"","sid":"","jti":"","acr":"1","azp":"","amr":["pwd"],"zoneinfo":"Europe/London","locale":"en","preferred_username":"","given_name":"","family_name":"","picture":"https://","realm_access":{"roles":["offline_access","uma_authorization"]},"scope":"openid profile email offline_access","typ":"Bearer","groups":["email_verified":true,"email":"@example.com","name":"","iss":"https://accounts.login.example.com/realms/","aud":"chat","sub":"","exp":17,"iat":17,"auth_time":17,{"alg":"RS256","kid":"","typ":"JWT"}{"alg":"ES256","typ":"JWT","kid":"The user asked about the conversation summary that they want to know how to and the assistant answered with and that this is for you can , which has been "language":"en","theme":"dark","model":"","temperature":0.7,"streaming":true,"timezone":"Europe/Berlin","onboarding":"done","tier":"pro","role":"user","content":"","messages":[{"summary":"The "#;

/// Packs `plain`.
#[must_use]
pub fn pack(plain: &[u8]) -> Vec<u8> {
    let packed = (plain.len() >= SHORTEST)
        .then(|| deflate(&split(plain)))
        .flatten()
        .filter(|packed| packed.len() < plain.len());
    match packed {
        Some(packed) => [&[DEFLATED], packed.as_slice()].concat(),
        None => [&[PLAIN], plain].concat(),
    }
}

/// Unpacks what [`pack`] made; `None` for anything else, and for what would be too large.
#[must_use]
pub fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    match packed.split_first()? {
        (&PLAIN, plain) => Some(plain.to_vec()),
        (&DEFLATED, packed) => join(&inflate(packed)?),
        _ => None,
    }
}

fn deflate(parts: &[u8]) -> Option<Vec<u8>> {
    const LEVEL: i32 = 9;
    const RAW_WINDOW: i32 = -15;
    let flags = create_comp_flags_from_zip_params(LEVEL, RAW_WINDOW, 0);
    let mut compressor = CompressorOxide::new(flags);
    let mut out = vec![0; 2 * (parts.len() + DICTIONARY.len()) + 512];
    // Flushed to a byte's end, what the dictionary itself became can be left out: the reader has it.
    let (status, _, _) = compress(&mut compressor, DICTIONARY, &mut out, TDEFLFlush::Sync);
    if status != TDEFLStatus::Okay {
        return None;
    }
    let (status, _, length) = compress(&mut compressor, parts, &mut out, TDEFLFlush::Finish);
    out.truncate(length);
    (status == TDEFLStatus::Done).then_some(out)
}

fn inflate(packed: &[u8]) -> Option<Vec<u8>> {
    let start = DICTIONARY.len();
    let mut room = start + packed.len() * 4 + 256;
    loop {
        let mut out = vec![0; room];
        out.get_mut(..start)?.copy_from_slice(DICTIONARY);
        let mut decompressor = Box::<DecompressorOxide>::default();
        let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, _, length) = decompress(&mut decompressor, packed, &mut out, start, flags);
        match status {
            TINFLStatus::Done => {
                out.truncate(start + length);
                out.drain(..start);
                return Some(out);
            }
            // Hardly ever: what is so compressible is padding.
            TINFLStatus::HasMoreOutput if room < LARGEST => room = LARGEST + start,
            _ => return None,
        }
    }
}

/// Cuts into text and bytes by turns, each with its length before it.
fn split(plain: &[u8]) -> Vec<u8> {
    let mut parts = Vec::with_capacity(plain.len() + 16);
    let mut text_from = 0;
    let mut at = 0;
    while at < plain.len() {
        let rest = plain.get(at..).unwrap_or_default();
        let run = rest.iter().take_while(|byte| is_base64url(**byte)).count();
        if let Some(bytes) = rest.get(..run).and_then(worth_a_part) {
            put_part(&mut parts, plain.get(text_from..at).unwrap_or_default());
            put_part(&mut parts, &bytes);
            text_from = at + run;
        }
        at += run.max(1);
    }
    put_part(&mut parts, plain.get(text_from..).unwrap_or_default());
    parts
}

/// The bytes a run of base64url stands for, if writing them out gives the same run again.
fn worth_a_part(run: &[u8]) -> Option<Vec<u8>> {
    if run.len() < SHORTEST_RUN {
        return None;
    }
    encoding::from_base64url(core::str::from_utf8(run).ok()?)
}

fn join(parts: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(parts.len() * 3 / 2);
    let mut rest = parts;
    let mut is_text = true;
    while !rest.is_empty() {
        let part = take_part(&mut rest)?;
        if is_text {
            plain.extend_from_slice(part);
        } else {
            plain.extend_from_slice(encoding::base64url(part).as_bytes());
        }
        is_text = !is_text;
    }
    (plain.len() <= LARGEST).then_some(plain)
}

/// Length as LEB128, then the part.
fn put_part(parts: &mut Vec<u8>, part: &[u8]) {
    let mut length = part.len();
    while length > 0x7f {
        parts.push(0x80 | u8::try_from(length & 0x7f).unwrap_or_default());
        length >>= 7;
    }
    parts.push(u8::try_from(length).unwrap_or_default());
    parts.extend_from_slice(part);
}

fn take_part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (part, after) = rest.split_at_checked(length)?;
            *rest = after;
            return Some(part);
        }
    }
    None
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let token = encoding::base64url(&[7; 300]);
        let long = format!(
            r#"{{"token":"{token}.{token}","text":"{}"}}"#,
            "a ".repeat(400)
        );
        for plain in ["", "short", long.as_str()] {
            let packed = pack(plain.as_bytes());
            assert_eq!(unpack(&packed).as_deref(), Some(plain.as_bytes()));
        }
        assert!(pack(long.as_bytes()).len() * 5 < long.len());
    }

    #[test]
    fn what_would_grow_beyond_all_bounds_is_refused() {
        let bomb = [
            &[DEFLATED],
            deflate(&vec![0; 10_000_000]).unwrap().as_slice(),
        ]
        .concat();
        assert_eq!(unpack(&bomb), None);
        assert_eq!(unpack(&[]), None);
        assert_eq!(unpack(&[9, 1, 2]), None);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "([A-Za-z0-9_-]{40,200}|.{0,40}){0,12}") {
            let packed = pack(text.as_bytes());
            prop_assert_eq!(unpack(&packed), Some(text.into_bytes()));
        }

        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert_eq!(unpack(&pack(&bytes)), Some(bytes));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = unpack(&bytes);
            let _ = unpack(&[&[DEFLATED], bytes.as_slice()].concat());
        }
    }
}
