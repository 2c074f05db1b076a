//! Computes colours and their contrast (WCAG 2.2, success criterion 1.4.3).

use core::fmt;

use thiserror::Error;

use crate::encoding::push_hex;
use crate::encoding::quoted;

/// Colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Color(pub [u8; 3]);

/// Text that is not a colour.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} is not a colour; use one such as #06c or #0066cc", quoted(.0))]
pub(crate) struct ColorError(String);

/// Minimum contrast between text and its background.
pub(crate) const TEXT: f64 = 4.5;
/// Minimum contrast between controls and their background (criterion 1.4.11).
pub(crate) const EDGE: f64 = 3.0;

impl Color {
    /// Black.
    pub(crate) const BLACK: Self = Self([0; 3]);
    /// White.
    pub(crate) const WHITE: Self = Self([255; 3]);

    /// Parses `#rgb` or `#rrggbb`.
    ///
    /// # Errors
    /// Returns an error that gives the valid form.
    pub(crate) fn parse(text: &str) -> Result<Self, ColorError> {
        let digits = text.strip_prefix('#').unwrap_or_default();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex);
        let [_, r, g, b] = match (number, digits.len()) {
            // In the short form each digit counts twice.
            (Some(n), 3) => ((n & 0xf00) << 8 | (n & 0xf0) << 4 | n & 0xf) * 17,
            (Some(n), 6) => n,
            _ => return Err(ColorError(text.to_owned())),
        }
        .to_be_bytes();
        Ok(Self([r, g, b]))
    }

    /// Mixes `percent` of another colour into this one.
    #[must_use]
    #[inline(never)]
    pub(crate) fn mixed(self, other: Self, percent: u16) -> Self {
        let Self([r, g, b]) = self;
        let Self([other_r, other_g, other_b]) = other;
        let percent = percent.min(100);
        let mix = |from: u8, to: u8| {
            let sum = u16::from(from) * (100 - percent) + u16::from(to) * percent;
            u8::try_from((sum + 50) / 100).unwrap_or(u8::MAX)
        };
        Self([mix(r, other_r), mix(g, other_g), mix(b, other_b)])
    }

    /// Returns the relative luminance, 0 to 1.
    #[must_use]
    pub(crate) fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                power_2_4((part + 0.055) / 1.055)
            }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Returns the contrast with another colour, 1 to 21.
    #[must_use]
    pub(crate) fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Returns black or white, whichever is more readable on this colour. The contrast always suffices.
    #[must_use]
    pub(crate) fn ink(self) -> Self {
        if self.contrast(Self::BLACK) > self.contrast(Self::WHITE) {
            Self::BLACK
        } else {
            Self::WHITE
        }
    }

    /// Mixes black or white into this colour until its contrast with the background suffices.
    #[must_use]
    pub(crate) fn legible_on(self, ground: Self, least: f64) -> Self {
        let ink = ground.ink();
        (0..20)
            .map(|step| self.mixed(ink, step * 5))
            .find(|color| color.contrast(ground) >= least)
            .unwrap_or(ink)
    }
}

/// Raises to the power of 2.4. In binary 0.4 is 0.0110 0110 …, and each digit is a square root, for which wasm has an
/// instruction. A general power function would add two kilobytes.
fn power_2_4(base: f64) -> f64 {
    let mut root = base;
    let mut power = base * base;
    for digit in 1..=28 {
        root = root.sqrt();
        if matches!(digit % 4, 2 | 3) {
            power *= root;
        }
    }
    power
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = "#".to_owned();
        push_hex(&mut text, &self.0);
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn color_has_three_or_six_hex_digits() {
        for (text, read) in [
            ("#06c", "#0066cc"),
            ("#0066cc", "#0066cc"),
            ("#FFF", "#ffffff"),
        ] {
            assert_eq!(Color::parse(text).unwrap().to_string(), read);
        }
        for text in [
            "", "#", "06c", "#06", "#0066c", "#0066cc0", "#06g", "red", "#é6",
        ] {
            assert!(Color::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn contrast_matches_wcag() {
        for base in (1..=1000).map(|milli| f64::from(milli) / 1000.0) {
            assert!((power_2_4(base) - base.powf(2.4)).abs() < 1e-7, "{base}");
        }
        let grey = Color([0x76; 3]);
        assert!((Color::BLACK.contrast(Color::WHITE) - 21.0).abs() < 1e-6);
        // The lightest grey that is readable on white.
        assert!((grey.contrast(Color::WHITE) - 4.5423).abs() < 1e-4);
    }

    #[test]
    fn text_color_has_the_better_contrast() {
        for (ground, ink) in [
            ("#ffd400", Color::BLACK),
            ("#00c853", Color::BLACK),
            ("#0057b8", Color::WHITE),
            ("#b3261e", Color::WHITE),
            ("#777", Color::BLACK),
        ] {
            assert_eq!(Color::parse(ground).unwrap().ink(), ink, "{ground}");
        }
    }

    proptest! {
        #[test]
        fn any_color_becomes_readable_on_any_background(ground: [u8; 3], color: [u8; 3]) {
            let (ground, color) = (Color(ground), Color(color));
            assert!(ground.ink().contrast(ground) >= TEXT);
            assert!(color.legible_on(ground, TEXT).contrast(ground) >= TEXT);
        }
    }
}
