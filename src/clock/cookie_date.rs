//! Parses the date of a cookie's `Expires` as browsers do: the algorithm of RFC 6265 section 5.1.1, step by step.
//!
//! The parts may come in any order, with any delimiters between them. The first token that fits a part counts.
//! Anything but a digit may follow a part.

use super::{UnixSeconds, days_in};

/// Parts of a date found so far.
#[derive(Default)]
struct Parts {
    time: Option<(u64, u64, u64)>,
    day: Option<u64>,
    month: Option<u64>,
    year: Option<u64>,
}

impl UnixSeconds {
    /// Parses a cookie's date. A date before 1970 becomes 0. Returns `None` for text that is no date; browsers ignore
    /// such an attribute.
    #[must_use]
    pub fn parse_cookie_date(text: &str) -> Option<Self> {
        let mut parts = Parts::default();
        let tokens = text.as_bytes().split(|byte| is_delimiter(*byte));
        for token in tokens.filter(|token| !token.is_empty()) {
            parts.take(token);
        }
        let ((hour, minute, second), day, month) = (parts.time?, parts.day?, parts.month?);
        let year = match parts.year? {
            short @ 0..=69 => short + 2_000,
            short @ 70..=99 => short + 1_900,
            full => full,
        };
        let is_valid = year >= 1601
            && (1..=days_in(year, month)).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 59;
        if !is_valid {
            return None;
        }
        Some(match year {
            ..1970 => Self(0),
            _ => Self::at((year, month, day), (hour, minute, second)),
        })
    }
}

impl Parts {
    /// Assigns a token to the first missing part that it fits.
    fn take(&mut self, token: &[u8]) {
        if self.time.is_none()
            && let Some(time) = time(token)
        {
            self.time = Some(time);
        } else if self.day.is_none()
            && let Some(day) = number(token, 1, 2)
        {
            self.day = Some(day);
        } else if self.month.is_none()
            && let Some(month) = month(token)
        {
            self.month = Some(month);
        } else if self.year.is_none()
            && let Some(year) = number(token, 2, 4)
        {
            self.year = Some(year);
        }
    }
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

/// Parses `hms-time`; anything but a digit may follow it.
fn time(token: &[u8]) -> Option<(u64, u64, u64)> {
    let mut fields = token.splitn(3, |byte| *byte == b':');
    let hour = whole(fields.next()?)?;
    let minute = whole(fields.next()?)?;
    let second = number(fields.next()?, 1, 2)?;
    Some((hour, minute, second))
}

/// Parses a field of one or two digits and nothing else.
fn whole(field: &[u8]) -> Option<u64> {
    let is_whole = field.iter().all(u8::is_ascii_digit);
    number(field, 1, 2).filter(|_| is_whole)
}

/// Parses a number of `least` to `most` digits at the beginning of a token, unless another digit follows.
fn number(token: &[u8], least: usize, most: usize) -> Option<u64> {
    let digits = token.iter().take_while(|byte| byte.is_ascii_digit());
    let (count, value) = digits.take(most + 1).fold((0, 0), |(count, value), byte| {
        (count + 1, value * 10 + u64::from(byte - b'0'))
    });
    (least..=most).contains(&count).then_some(value)
}

/// Returns the month, from 1, whose name begins with the token's first three letters.
fn month(token: &[u8]) -> Option<u64> {
    const MONTHS: [&[u8; 3]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let name = token.first_chunk::<3>()?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| month.as_slice() == name)?;
    u64::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cookie_dates_follow_rfc_6265_exactly() {
        const EXPECTED: u64 = 784_111_777;
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(EXPECTED)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(EXPECTED)),
            ("Sun Nov  6 08:49:37 1994", Some(EXPECTED)),
            ("6 Nov 1994 8:49:37", Some(EXPECTED)),
            ("1994 Nov 06 08:49:37", Some(EXPECTED)),
            ("06 1994 November 08:49:37", Some(EXPECTED)),
            ("08:49:37 6th NOVember 1994AD", Some(EXPECTED)),
            ("08:49:37GMT 06 Nov 1994", Some(EXPECTED)),
            ("08:49:37:99 06 Nov 1994", Some(EXPECTED)),
            ("08:49:37.500 06 Nov 1994", None), // 500 is a year
            ("06 Nov 1994 08:49:37.500", Some(EXPECTED)),
            ("06~Nov!1994\"08:49:37", Some(EXPECTED)),
            ("(06)[Nov]{1994}<08:49:37>", Some(EXPECTED)),
            ("06\u{2000}Nov 1994 08:49:37", None), // no delimiter, so one token
            ("\u{2000} 06 Nov 1994 08:49:37 \u{e9}", Some(EXPECTED)),
            ("06 Nov 1994 08:49:37 07 Dec 1995 09:00:00", Some(EXPECTED)),
            ("06 Nov 94 08:49:37", Some(EXPECTED)),
            ("06 Nov 094 08:49:37", Some(EXPECTED)),
            ("06 Nov 1994x 08:49:37", Some(EXPECTED)),
            ("06 Nov 19941 08:49:37", None),
            ("006 Nov 1994 08:49:37", None),
            ("06 No 1994 08:49:37", None),
            ("06 Nov 1994 08:49", None),
            ("06 Nov 1994 008:49:37", None),
            ("06 Nov 1994 08:49:371", None),
            ("06 Nov 1994 08::37", None),
            ("06 Nov 1994 24:00:00", None),
            ("06 Nov 1994 23:60:00", None),
            ("06 Nov 1994 23:59:60", None),
            ("00 Nov 1994 08:49:37", None),
            ("31 Nov 1994 08:49:37", None),
            ("29 Feb 1900 00:00:00", None),
            ("29 Feb 2000 00:00:00", Some(951_782_400)),
            ("06 Nov 1600 08:49:37", None),
            ("01 Jan 1601 00:00:00", Some(0)),
            ("01 Jan 70 00:00:01", Some(1)),
            ("01 Jan 69 00:00:00", Some(3_124_224_000)),
            ("31 Dec 9999 23:59:59", Some(253_402_300_799)),
            ("+6 Nov 1994 08:49:37", Some(EXPECTED)),
            ("06 Nov -1994 08:49:37", Some(EXPECTED)),
            ("", None),
            ("0", None),
            ("never", None),
        ] {
            let read = UnixSeconds::parse_cookie_date(text).map(|at| at.0);
            assert_eq!(read, expected, "{text:?}");
        }
    }

    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];

    proptest! {
        /// The parts of any date, in any order that the algorithm can tell apart, between any delimiters.
        #[test]
        fn every_spelling_of_a_date_is_parsed(
            days in 0_u64..30_000,
            second_of_day in 0_u64..86_400,
            delimiters in "[\t -/;-@\\[-`{-~]{1,3}",
            tail in "([^0-9\t -/;-@\\[-`{-~][A-Za-z0-9:]{0,5})?",
            order in prop::sample::select(vec!["tdmy", "dtmy", "dmty", "dmyt", "mdyt", "dymt", "tmdy"]),
            upper: bool,
        ) {
            let at = days * 86_400 + second_of_day;
            let (mut year, mut left) = (1970, days);
            let length = |year: u64| (1..=12).map(|month| days_in(year, month)).sum::<u64>();
            while left >= length(year) {
                left -= length(year);
                year += 1;
            }
            let mut month = 1;
            while left >= days_in(year, month) {
                left -= days_in(year, month);
                month += 1;
            }
            let name = NAMES[usize::try_from(month - 1).unwrap()];
            let name = if upper { name.to_ascii_uppercase() } else { name.to_owned() };
            let parts: Vec<String> = order.chars().map(|part| match part {
                't' => format!("{}:{}:{:02}{tail}", second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60),
                'd' => format!("{}{tail}", left + 1),
                'm' => format!("{name}{tail}"),
                _ => format!("{year}{tail}"),
            }).collect();
            // After the day, a tail with colons would be a time.
            prop_assume!(!tail.contains(':'));
            let text = parts.join(&delimiters);
            prop_assert_eq!(UnixSeconds::parse_cookie_date(&text), Some(UnixSeconds(at)), "{}", text);
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".{0,60}") {
            let _ = UnixSeconds::parse_cookie_date(&text);
        }
    }
}
