//! Compresses the text of records by DEFLATE (RFC 1951) with a preset dictionary, and stores random bytes separately.
//!
//! A token is base64url, four characters for three bytes. This encoding hides from the compressor what the payload
//! repeats of other fields. Signatures, hashes and ids are random; within the text each of their bytes would need a
//! code of its own. So [`token_split`] separates them, and only real text is compressed, with a dictionary of common
//! session content. The first byte names the method:
//!
//! | | |
//! | --- | --- |
//! | 0 | uncompressed: short, or not smaller otherwise |
//! | 1 | parts, compressed with the first part of the dictionary; only read |
//! | 2 | length of the head, head, text compressed with the dictionary, random values |
//! | more | of a later release |
//!
//! `docs/internals/session-engine.md` compares other encodings.

mod dictionary;
mod first;
mod token_split;

use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress as deflate_step,
    create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress as inflate_step, inflate_flags};

use self::token_split::Cut;

const PLAIN: u8 = 0;
const PARTS: u8 = 1;
const CUT: u8 = 2;

/// Minimum bytes of a text to compress.
const MIN_LENGTH: usize = 64;

/// Minimum bytes of a text for which custom Huffman codes are smaller than the fixed ones of RFC 1951, because the
/// codes must be stored, too.
const MIN_WITH_OWN_CODES_LENGTH: usize = 320;

/// Maximum bytes of a decompressed text: data is limited to 64 KiB, the rest is far smaller.
const LARGEST: usize = 160 * 1024;

/// Stores `head` as it is and compresses the `text` after it.
#[must_use]
pub(crate) fn compress(head: &[u8], text: &[u8]) -> Vec<u8> {
    let compressed = (text.len() >= MIN_LENGTH)
        .then(|| compress_split(head, text))
        .flatten()
        .filter(|compressed| compressed.len() < head.len() + text.len());
    compressed.unwrap_or_else(|| [&[PLAIN], head, text].concat())
}

/// Reverses [`compress`] and returns head and text in one. Returns `None` for other bytes, and for a result above
/// [`LARGEST`].
#[must_use]
pub(crate) fn decompress(compressed: &[u8]) -> Option<Vec<u8>> {
    match compressed.split_first()? {
        (&PLAIN, plain) => Some(plain.to_vec()),
        (&PARTS, compressed) => {
            let known = dictionary::WHOLE.get(..dictionary::FIRST)?;
            let (parts, _) = inflate(compressed, known)?;
            first::join(&parts)
        }
        (&CUT, compressed) => decompress_split(compressed),
        _ => None,
    }
}

/// Returns whether a later release compressed these bytes.
#[must_use]
pub(crate) fn is_of_later_release(compressed: &[u8]) -> bool {
    compressed.first().is_some_and(|way| *way > CUT)
}

fn compress_split(head: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let Cut { text, random } = token_split::split(text);
    let text = deflate(&text)?;
    let mut compressed = Vec::with_capacity(head.len() + text.len() + random.len() + 8);
    compressed.push(CUT);
    put_part(&mut compressed, head);
    compressed.extend_from_slice(&text);
    compressed.extend_from_slice(&random);
    Some(compressed)
}

fn decompress_split(compressed: &[u8]) -> Option<Vec<u8>> {
    let mut rest = compressed;
    let head = take_part(&mut rest)?;
    // A DEFLATE stream marks its own end.
    let (text, length) = inflate(rest, dictionary::WHOLE)?;
    let text = token_split::join(&text, rest.get(length..)?, LARGEST)?;
    Some([head, &text].concat())
}

fn deflate(text: &[u8]) -> Option<Vec<u8>> {
    const LEVEL: i32 = 9;
    const RAW_WINDOW: i32 = -15;
    let codes = if text.len() < MIN_WITH_OWN_CODES_LENGTH {
        CompressionStrategy::Fixed
    } else {
        CompressionStrategy::Default
    };
    let flags = create_comp_flags_from_zip_params(LEVEL, RAW_WINDOW, codes as i32);
    let mut compressor = CompressorOxide::new(flags);
    let mut out = vec![0; 2 * (text.len() + dictionary::WHOLE.len()) + 512];
    // After a flush to a byte boundary the dictionary's own output can be dropped: the reader has it.
    let (status, _, _) = deflate_step(
        &mut compressor,
        dictionary::WHOLE,
        &mut out,
        TDEFLFlush::Sync,
    );
    if status != TDEFLStatus::Okay {
        return None;
    }
    let (status, _, length) = deflate_step(&mut compressor, text, &mut out, TDEFLFlush::Finish);
    out.truncate(length);
    (status == TDEFLStatus::Done).then_some(out)
}

/// Decompresses with the dictionary `known`. Returns the text and the number of compressed bytes read.
fn inflate(compressed: &[u8], known: &[u8]) -> Option<(Vec<u8>, usize)> {
    let start = known.len();
    let mut room = start + compressed.len() * 4 + 256;
    loop {
        let mut out = vec![0; room];
        out.get_mut(..start)?.copy_from_slice(known);
        let mut decompressor = Box::<DecompressorOxide>::default();
        let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, length) =
            inflate_step(&mut decompressor, compressed, &mut out, start, flags);
        match status {
            TINFLStatus::Done => {
                out.truncate(start + length);
                out.drain(..start);
                return Some((out, read));
            }
            // Rare: only padding compresses that well.
            TINFLStatus::HasMoreOutput if room < LARGEST => room = LARGEST + start,
            _ => return None,
        }
    }
}

/// Writes the length as LEB128, then the part.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding;
    use proptest::prelude::*;

    #[test]
    fn compressed_bytes_decompress() {
        let token = encoding::base64url(&[7; 300]);
        let long = format!(
            r#"{{"token":"{token}.{token}","text":"{}"}}"#,
            "a ".repeat(400)
        );
        for plain in ["", "short", long.as_str()] {
            let compressed = compress(b"head", plain.as_bytes());
            assert_eq!(
                decompress(&compressed).as_deref(),
                Some([b"head", plain.as_bytes()].concat().as_slice())
            );
        }
        assert!(compress(b"", long.as_bytes()).len() * 5 < long.len());
    }

    #[test]
    fn decompression_bomb_is_rejected() {
        let bomb = deflate(&vec![0; 10_000_000]).unwrap();
        assert_eq!(decompress(&[&[PARTS], bomb.as_slice()].concat()), None);
        assert_eq!(decompress(&[&[CUT, 0], bomb.as_slice()].concat()), None);
        assert_eq!(decompress(&[]), None);
        assert_eq!(decompress(&[9, 1, 2]), None);
    }

    proptest! {
        #[test]
        fn any_text_round_trips(text in "([A-Za-z0-9_-]{40,200}|.{0,40}){0,12}") {
            let compressed = compress(b"", text.as_bytes());
            prop_assert_eq!(decompress(&compressed), Some(text.into_bytes()));
        }

        #[test]
        fn any_bytes_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), head: u8) {
            let (head, text) = bytes.split_at(bytes.len().min(head.into()));
            prop_assert_eq!(decompress(&compress(head, text)), Some(bytes));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decompress(&bytes);
            let _ = decompress(&[&[PARTS], bytes.as_slice()].concat());
            let _ = decompress(&[&[CUT, 0], bytes.as_slice()].concat());
        }
    }
}
