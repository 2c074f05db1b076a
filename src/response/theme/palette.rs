//! Derives a page's colours, for light and dark mode, from the few that a tenant sets.

use super::color::{Color, EDGE, TEXT};
use crate::encoding::push_hex;

/// Colours that a tenant sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colors {
    /// Colour of buttons.
    pub accent: Color,
    /// Background of the page.
    pub background: Color,
    /// Colour of text.
    pub text: Color,
}

impl Default for Colors {
    fn default() -> Self {
        Self {
            accent: Color([0x2f, 0x4b, 0x7c]),
            background: Color([0xf6, 0xf4, 0xef]),
            text: Color([0x1d, 0x24, 0x33]),
        }
    }
}

/// Maximum luminance of a background that makes a page dark.
const DARK: f64 = 0.05;

impl Colors {
    /// Returns the colours as CSS custom properties. A dark background stays dark in light mode, too.
    #[must_use]
    pub(crate) fn to_css(self) -> String {
        let day = self.properties();
        if self.background.luminance() < DARK {
            return [":root{color-scheme:dark;", &day, "}"].concat();
        }
        let night = self.by_night().properties();
        [
            ":root{color-scheme:light dark;",
            &day,
            "}@media(prefers-color-scheme:dark){:root{",
            &night,
            "}}",
        ]
        .concat()
    }

    /// Returns the colours for dark mode: nearly black, with a little of the accent.
    fn by_night(self) -> Self {
        let background = Color([0x0e, 0x10, 0x14]).mixed(self.accent, 7);
        Self {
            accent: self.accent.legible_on(background, EDGE),
            background,
            text: Color([0xec, 0xed, 0xf0]),
        }
    }

    fn properties(self) -> String {
        let Self {
            accent,
            background,
            text,
        } = self;
        let is_dark = background.luminance() < DARK;
        let card = background.mixed(Color::WHITE, if is_dark { 6 } else { 92 });
        // Text outside of the card must be readable on both of its backgrounds.
        let outside = readable(text, background);
        let wash = background.mixed(accent, if is_dark { 12 } else { 6 });
        let wash = if outside.contrast(wash) < TEXT {
            background
        } else {
            wash
        };
        let on_card = readable(text, card);
        let alarm = Color(if is_dark {
            [0xff, 0x8a, 0x80]
        } else {
            [0xb3, 0x26, 0x1e]
        });
        let alarm_ground = card.mixed(alarm, 10);
        let named = [
            ("ground", background),
            ("wash", wash),
            ("outside", outside),
            ("card", card),
            ("text", on_card),
            ("soft", on_card.mixed(card, 30).legible_on(card, TEXT)),
            ("line", card.mixed(on_card, 14)),
            ("edge", card.mixed(on_card, 45).legible_on(card, EDGE)),
            ("accent", accent),
            ("on-accent", accent.ink()),
            // The accent for text and for marks.
            ("mark", accent.legible_on(card, TEXT)),
            ("alarm", alarm.legible_on(alarm_ground, TEXT)),
            ("alarm-ground", alarm_ground),
        ];
        let mut css = String::new();
        for (name, Color(parts)) in &named {
            css.push_str("--");
            css.push_str(name);
            css.push_str(":#");
            push_hex(&mut css, parts);
            css.push(';');
        }
        css
    }
}

/// Returns the tenant's text colour if it is readable, else nearly black or white.
fn readable(text: Color, ground: Color) -> Color {
    if text.contrast(ground) < TEXT {
        ground.ink().mixed(ground, 10).legible_on(ground, TEXT)
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    fn color(properties: &str, name: &str) -> Color {
        let (_, rest) = properties.split_once(&format!("--{name}:")).unwrap();
        Color::parse(rest.get(..7).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn any_tenant_color_is_readable(accent: [u8; 3], background: [u8; 3], text: [u8; 3]) {
            let [accent, background, text] = [accent, background, text].map(Color);
            let day = Colors { accent, background, text };
            for colors in [day, day.by_night()] {
                let css = colors.properties();
                for (what, ground, least) in [
                    ("outside", "ground", TEXT),
                    ("outside", "wash", TEXT),
                    ("text", "card", TEXT),
                    ("soft", "card", TEXT),
                    ("mark", "card", TEXT),
                    ("edge", "card", EDGE),
                    ("on-accent", "accent", TEXT),
                    ("alarm", "alarm-ground", TEXT),
                ] {
                    let contrast = color(&css, what).contrast(color(&css, ground));
                    assert!(contrast >= least, "{what} on {ground}: {contrast} in {css}");
                }
            }
        }
    }

    #[test]
    fn dark_background_is_used_in_light_mode_too() {
        let colors = Colors {
            background: Color([0x10, 0x14, 0x18]),
            ..Colors::default()
        };
        assert!(!colors.to_css().contains("@media"));
        assert!(
            Colors::default()
                .to_css()
                .contains("prefers-color-scheme:dark")
        );
    }
}
