//! Defines times and durations in whole units. The core receives them as parameters and reads no system clock.

mod cookie_date;

use core::fmt;

use core::ops::Add;
use thiserror::Error;

use crate::encoding::quoted;

use serde::{Deserialize, Serialize};

/// Duration in whole seconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seconds(pub u64);

/// Seconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct UnixSeconds(pub u64);

/// Milliseconds since the Unix epoch: the precision of the runtime's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnixMillis(pub u64);

impl UnixMillis {
    /// Returns the second that contains this time.
    #[must_use]
    pub(crate) fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0 / 1000)
    }

    /// Returns the milliseconds from `earlier` to `self`; 0 if `earlier` is later.
    #[must_use]
    pub(crate) fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl UnixSeconds {
    /// Returns the duration from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }
}

impl UnixSeconds {
    /// Parses a date, or a date and time, in UTC from 1970 on: `2026-11-21`, `2026-11-21T10:00:00Z` (RFC 3339, without
    /// fractions and other offsets).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, time.strip_suffix('Z')?),
            None => (text, "00:00:00"),
        };
        let (year, month, day) = three(date, '-')?;
        let (hour, minute, second) = three(time, ':')?;
        let is_valid = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        is_valid.then(|| Self::at((year, month, day), (hour, minute, second)))
    }

    /// Converts a valid date and time from 1970 on.
    fn at((year, month, day): (u64, u64, u64), (hour, minute, second): (u64, u64, u64)) -> Self {
        let days_before = |year: u64| {
            let past = year - 1;
            past * 365 + past / 4 - past / 100 + past / 400
        };
        let days = days_before(year) - days_before(1970)
            + (1..month).map(|month| days_in(year, month)).sum::<u64>()
            + (day - 1);
        Self(days * 86_400 + hour * 3_600 + minute * 60 + second)
    }
}

/// Parses three numbers of two or four digits each.
fn three(text: &str, between: char) -> Option<(u64, u64, u64)> {
    let mut parts = text.split(between);
    let mut next = || {
        let part = parts.next()?;
        let is_plain = matches!(part.len(), 2 | 4) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|_| is_plain)
    };
    let numbers = (next()?, next()?, next()?);
    parts.next().is_none().then_some(numbers)
}

fn days_in(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Add<Seconds> for UnixSeconds {
    type Output = Self;

    fn add(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is not a duration of the form `<number><unit>`, or is out of range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} is not a duration; write a whole number and a unit, for example 90s, 30m, 8h or 7d", quoted(.0))]
pub struct BadDuration(pub String);

impl Seconds {
    /// Parses `90s`, `30m`, `8h` or `7d`. Zero is valid; a number without a unit is not, because its unit would be a
    /// guess.
    ///
    /// # Errors
    /// Returns [`BadDuration`] if the unit is missing or unknown, or the duration overflows 64 bits.
    pub fn parse(text: &str) -> Result<Self, BadDuration> {
        let bad = || BadDuration(text.to_owned());
        let (digits, unit) = text
            .char_indices()
            .last()
            .and_then(|(at, _)| text.split_at_checked(at))
            .ok_or_else(bad)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let number: u64 = digits.parse().map_err(|_| bad())?;
        let scale = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(bad()),
        };
        number.checked_mul(scale).map(Self).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_parsed() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2026-11-21T10:00:01Z", Some(1_795_255_201)),
            ("2024-02-29", Some(1_709_164_800)),
            ("2023-02-29", None),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("2026-01-00", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T10:00:00", None),
            ("2026-01-01T10:00:00+02:00", None),
            ("0000-01-01", None),
            ("26-1-1", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(UnixSeconds::parse(text).map(|at| at.0), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_parsed() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("30m", 1_800),
            ("8h", 28_800),
            ("7d", 604_800),
        ] {
            assert_eq!(Seconds::parse(text), Ok(Seconds(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "5",
            "-5s",
            "1.5h",
            "5 m",
            "5w",
            "99999999999999999999s",
            "é",
            "5é",
        ] {
            assert!(Seconds::parse(text).is_err(), "{text}");
        }
    }
}
