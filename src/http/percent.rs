//! Decodes percent-encoding (RFC 3986 section 2.1), through any number of layers.

/// Fully decoded text, including escapes that only appear by decoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Decoded bytes.
    pub bytes: Vec<u8>,
    /// Whether an escape was itself escaped, as in `%252e`.
    pub is_nested: bool,
}

/// Decodes all layers in one pass.
///
/// An escape is complete when its last digit is written, so only the end of the output needs checking. Each byte of
/// the text is written once, and each decoding removes two bytes. So the work is linear in the length, whatever the
/// number of layers.
#[must_use]
pub(crate) fn decoded(text: &[u8]) -> Decoded {
    let mut bytes = text.to_vec();
    let mut length: usize = 0;
    // The two bytes before `length`, and the end of the last decoded byte.
    let mut tail = [0, 0];
    let mut decoded_until = 0;
    let mut is_nested = false;
    for byte in text {
        let mut byte = *byte;
        let mut is_decoded = false;
        // A decoded byte may be the last digit of another escape.
        while tail[0] == b'%' {
            let high = hex(tail[1]);
            if high > 15 {
                break;
            }
            let low = hex(byte);
            if low > 15 {
                break;
            }
            length = length.saturating_sub(2);
            is_nested |= is_decoded || decoded_until > length;
            is_decoded = true;
            byte = (high << 4) | low;
            let before = |many| bytes.get(length.wrapping_sub(many)).copied();
            tail = [before(2).unwrap_or(0), before(1).unwrap_or(0)];
        }
        if let Some(place) = bytes.get_mut(length) {
            *place = byte;
        }
        length += 1;
        if is_decoded {
            decoded_until = length;
        }
        tail = [tail[1], byte];
    }
    bytes.truncate(length);
    Decoded { bytes, is_nested }
}

/// Returns the value of a hexadecimal digit; more than 15 for any other byte. Without `Option`, `Vec::push` and calls,
/// decoding takes a third of the instructions; any client can send 16 KiB of escapes.
#[inline(always)]
const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => u8::MAX,
    }
}

/// Appends a byte as an escape, with the upper-case digits that RFC 3986 prefers and URL parsers write.
pub(crate) fn push_escaped(url: &mut Vec<u8>, byte: u8) {
    let digit = |nibble: u8| match nibble {
        0..10 => b'0' + nibble,
        _ => b'A' + nibble - 10,
    };
    url.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes one layer, as any decoder does.
    fn once(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let [first, tail @ ..] = rest {
            let value = match rest {
                [b'%', high, low, ..] if hex(*high) <= 15 && hex(*low) <= 15 => {
                    Some((hex(*high) << 4) | hex(*low))
                }
                _ => None,
            };
            out.push(value.unwrap_or(*first));
            rest = match value {
                Some(_) => &rest[3..],
                None => tail,
            };
        }
        out
    }

    #[test]
    fn nested_escapes_are_decoded_and_reported() {
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
    fn nested_escapes_take_linear_time() {
        // Layer by layer this would take 10^10 steps, far too long for a test.
        let text = format!("%{}41", "25".repeat(100_000));
        assert_eq!(decoded(text.as_bytes()).bytes, b"A");
        let text = "%".repeat(100_000) + &"25".repeat(100_000);
        assert!(decoded(text.as_bytes()).bytes.len() < text.len());
    }

    proptest! {
        #[test]
        fn one_pass_equals_repeated_decoding(text in "[%a0-9fF2-5]{0,40}") {
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
