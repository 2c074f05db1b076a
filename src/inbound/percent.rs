//! Percent-encoding (RFC 3986 section 2.1), through any number of layers.

/// A text once every escape is decoded, those included that only appear by decoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// An escape was itself written with escapes, as in `%252e`.
    pub is_nested: bool,
}

/// Decodes all layers in one pass.
///
/// An escape is complete when its last digit is written, so the end of the output is all there is to look at. Each
/// byte of the text is written once, and each decoding takes two bytes away for good: the work is linear in the
/// length, whatever the number of layers.
#[must_use]
pub fn decoded(text: &[u8]) -> Decoded {
    let mut bytes = Vec::with_capacity(text.len());
    for byte in text {
        bytes.push(*byte);
        // What was decoded may be the last digit of another escape.
        while let Some(value) = bytes.last_chunk().and_then(escape) {
            bytes.truncate(bytes.len() - 3);
            bytes.push(value);
        }
    }
    // Escapes do not overlap, so these are the ones of the outermost layer.
    let outermost = text.windows(3).filter(|window| {
        let window = window.first_chunk();
        window.and_then(escape).is_some()
    });
    let is_nested = text.len() - bytes.len() > 2 * outermost.count();
    Decoded { bytes, is_nested }
}

/// The byte that an escape stands for.
fn escape(three: &[u8; 3]) -> Option<u8> {
    let [b'%', high, low] = three else {
        return None;
    };
    Some((hex(*high)? << 4) | hex(*low)?)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Appends a byte as an escape, with the upper-case digits that RFC 3986 prefers and URL parsers write.
pub fn push_escaped(url: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    url.push('%');
    for nibble in [byte >> 4, byte & 15] {
        let digit = DIGITS.get(usize::from(nibble)).copied();
        url.push(char::from(digit.unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One layer, as any decoder does it.
    fn once(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let [first, tail @ ..] = rest {
            let value = rest.first_chunk().and_then(escape);
            out.push(value.unwrap_or(*first));
            rest = match value {
                Some(_) => &rest[3..],
                None => tail,
            };
        }
        out
    }

    #[test]
    fn every_layer_is_decoded_and_nested_ones_are_noticed() {
        for (text, expected, is_nested) in [
            ("", "", false),
            ("plain", "plain", false),
            ("%41%2f", "A/", false),
            ("100%25", "100%", false),
            ("%25%25", "%%", false),
            ("%zz%4", "%zz%4", false),
            ("%2541", "A", true),
            ("%252525252e", ".", true),
            ("%%34%31", "A", true),
            ("%4%31", "A", true),
            ("%2%35%34%31", "A", true),
        ] {
            let found = decoded(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found.bytes), expected, "{text}");
            assert_eq!(found.is_nested, is_nested, "{text}");
        }
    }

    #[test]
    fn a_hundred_thousand_layers_are_no_more_work_than_their_length() {
        // Layer by layer this is 10^10 steps, which no test would wait for.
        let text = format!("%{}41", "25".repeat(100_000));
        assert_eq!(decoded(text.as_bytes()).bytes, b"A");
        let text = "%".repeat(100_000) + &"25".repeat(100_000);
        assert!(decoded(text.as_bytes()).bytes.len() < text.len());
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_decoding_again_and_again_leads_to(text in "[%a0-9fF2-5]{0,40}") {
            let mut expected = text.clone().into_bytes();
            let mut layers = 0;
            while once(&expected) != expected {
                expected = once(&expected);
                layers += 1;
            }
            let found = decoded(text.as_bytes());
            prop_assert_eq!(found.bytes, expected);
            prop_assert_eq!(found.is_nested, layers > 1);
        }
    }
}
