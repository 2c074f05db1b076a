//! Checks names of users, groups and people by one rule for all sources: origins, token claims, accounts and the
//! accounts' command line (`scripts/accounts.mjs` has the same rule).
//!
//! A server compares user names byte by byte, so a header must not change one. HTTP drops blanks at the ends of a value
//! (RFC 9110 section 5.5). An invisible character makes a second name that looks like the first. Blanks at the ends and
//! invisible characters are therefore refused. All other bytes are sent unchanged ([`header_text`]), so different
//! Unicode forms stay different names.

/// Maximum bytes of a user name, address, group or display name.
pub(crate) const MAX_LENGTH: usize = 320;

/// Invisible characters: general categories Cf, Zl and Zp, and the derived property `Default_Ignorable_Code_Point`
/// (Unicode 17). Both ends belong to a range.
const INVISIBLE: [(u32, u32); 25] = [
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x600, 0x605),
    (0x61c, 0x61c),
    (0x6dd, 0x6dd),
    (0x70f, 0x70f),
    (0x890, 0x891),
    (0x8e2, 0x8e2),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
];

/// Returns whether a text can be a user name, mail address or group: 1 to [`MAX_LENGTH`] bytes without control or
/// invisible characters. Spaces may only be inside; other blanks are refused.
#[must_use]
pub(crate) fn is_identifier(text: &str) -> bool {
    let is_odd = |c: char| c.is_control() || is_invisible(c) || (c.is_whitespace() && c != ' ');
    fits(text) && !text.contains(is_odd)
}

/// Returns whether a text can be a display name: as [`is_identifier`], but blanks of any kind inside, and the joiners
/// and variation selectors of scripts and emoji, are allowed.
#[must_use]
pub(crate) fn is_presentable(text: &str) -> bool {
    fits(text) && !text.contains(|c| !is_readable(c))
}

/// Makes a display name of any text: removes unreadable characters and blanks at the ends, and truncates. Returns an
/// empty text if nothing is left.
#[must_use]
pub(crate) fn presentable(text: &str) -> String {
    let mut kept = String::new();
    for char in text.chars().filter(|char| is_readable(*char)) {
        if kept.len() + char.len_utf8() > MAX_LENGTH {
            break;
        }
        kept.push(char);
    }
    kept.trim().to_owned()
}

fn fits(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_LENGTH && text.trim() == text
}

fn is_readable(char: char) -> bool {
    let joins = matches!(char, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    joins || !(char.is_control() || is_invisible(char))
}

fn is_invisible(char: char) -> bool {
    let code = u32::from(char);
    !char.is_ascii()
        && INVISIBLE
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&code))
}

/// Encodes a text for a header: printable ASCII unchanged; other bytes, `%` and a blank at either end percent-encoded
/// (RFC 3986).
#[must_use]
pub(crate) fn header_text(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    push_header_text(&mut line, text);
    line
}

/// Encodes texts for one header, separated by commas; a comma inside a text is encoded.
#[must_use]
pub(crate) fn header_list(texts: &[String]) -> String {
    let mut line = String::new();
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        push_header_text(&mut line, text);
    }
    line
}

fn push_header_text(line: &mut String, text: &str) {
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let is_end = at == 0 || at == last;
        if matches!(byte, b' '..=b'~') && byte != b'%' && !(byte == b' ' && is_end) {
            line.push(char::from(byte));
        } else {
            line.push('%');
            for nibble in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                line.push(digit.to_ascii_uppercase());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identifier_with_invisible_or_header_breaking_characters_is_rejected() {
        for sound in ["admin", "a b", "Zoë", "Zoe\u{308}", "管理", "50%", "a,b"] {
            assert!(is_identifier(sound), "{sound:?}");
        }
        let long = "x".repeat(MAX_LENGTH + 1);
        for odd in [
            "",
            " ",
            " admin",
            "admin ",
            "admin\t",
            "\u{a0}admin",
            "admin\u{3000}",
            "ad\u{a0}min",
            "ad\u{200b}min",
            "admin\u{200d}",
            "\u{202e}nimda",
            "\u{2066}admin\u{2069}",
            "admin\u{feff}",
            "ad\u{ad}min",
            "admin\u{fe0f}",
            "admin\u{e0041}",
            "admin\u{3164}",
            "ad\nmin",
            "ad\u{7f}min",
            "ad\u{85}min",
            long.as_str(),
        ] {
            assert!(!is_identifier(odd), "{odd:?}");
        }
    }

    #[test]
    fn display_name_keeps_joiners_of_its_script() {
        for sound in [
            "👩\u{200d}💻",
            "می\u{200c}خواهم",
            "❤\u{fe0f}",
            "Anne\u{a0}L.",
        ] {
            assert!(is_presentable(sound), "{sound:?}");
            assert_eq!(presentable(sound), sound);
        }
        for (odd, mended) in [
            (" Ada ", "Ada"),
            ("Ada\u{202e}", "Ada"),
            ("A\u{200b}da\r\nX-Evil: 1", "AdaX-Evil: 1"),
            ("\u{a0}", ""),
        ] {
            assert!(!is_presentable(odd), "{odd:?}");
            assert_eq!(presentable(odd), mended);
        }
    }

    /// Decodes as a server does: HTTP drops the blanks at the ends first.
    fn decoded(line: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = line.trim_matches([' ', '\t']).bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                let hex = core::str::from_utf8(&hex).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn any_text_round_trips_through_a_header(text: String) {
            let line = header_text(&text);
            prop_assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(decoded(&line), text);
        }

        #[test]
        fn presentable_names_are_valid(text: String) {
            let made = presentable(&text);
            prop_assert!(made.is_empty() || is_presentable(&made));
        }
    }
}
