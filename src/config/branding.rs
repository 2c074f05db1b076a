//! Defines the branding of a tenant document.

use core::fmt;

use serde_json::{Map, Value};

use super::object_macro::{checked, choice, object, text};
use super::parse::{FromDocument, Reader, described};
use crate::encoding::json;
use crate::response::theme::color::Color;
use crate::response::theme::locale::Locale;

object! {
    /// Look of Vestibule's own pages.
    pub(crate) struct Branding {
        /// Name of the site, up to 80 characters.
        title: Option<Line>,
        /// Logo: an https URL, or a path on the site's own host.
        logo: Option<ImageUrl>,
        /// Colours; the others, and those for dark mode, are derived.
        colors: ColorNames,
        /// CSS applied after the page's own style: up to 16384 bytes without <.
        css: Option<Css>,
        /// Links below every page, for example to the imprint.
        links: Vec<FooterLink>,
        /// Language of the pages; auto: the browser's.
        locale: LocaleChoice = "auto",
    }
}

object! {
    /// Colours: #rgb or #rrggbb.
    pub(crate) struct ColorNames {
        /// Colour of buttons. Text on them is black or white, whichever is more readable.
        accent: Option<Color>,
        /// Background. A dark one makes the pages always dark.
        background: Option<Color>,
        /// Text. Where it would be unreadable, nearly black or white replaces it.
        text: Option<Color>,
    }
}

object! {
    /// A link.
    pub(crate) struct FooterLink {
        /// Text of the link.
        text: Line,
        /// Target: https://, mailto: or a path on the site's own host.
        url: LinkUrl,
    }
}

/// Language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocaleChoice {
    /// The visitor's language.
    Auto,
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
    /// Japanese.
    Ja,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
}

choice! {
    LocaleChoice {
        "auto" => Auto,
        "en" => En,
        "zh" => Zh,
        "ja" => Ja,
        "de" => De,
        "fr" => Fr,
        "es" => Es,
    }
}

impl LocaleChoice {
    /// Returns the fixed language; `None` if the visitor's language decides.
    #[must_use]
    pub(crate) fn fixed(self) -> Option<Locale> {
        match self {
            Self::Auto => None,
            Self::En => Some(Locale::English),
            Self::Zh => Some(Locale::Chinese),
            Self::Ja => Some(Locale::Japanese),
            Self::De => Some(Locale::German),
            Self::Fr => Some(Locale::French),
            Self::Es => Some(Locale::Spanish),
        }
    }
}

text!(Color, "^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$", Color::parse);

checked! {
    /// Short text in one line.
    Line, "^[^\\u0000-\\u001f\\u007f]{1,80}$",
    |text| (1..=80).contains(&text.chars().count()) && !text.contains(char::is_control),
    "use a text of 1 to 80 characters, in one line"
}
checked! {
    /// Location of an image.
    ImageUrl, "^(https://[A-Za-z0-9.-]+(:[0-9]+)?(/|$)|/(?!/))[!-~]*$",
    |text| is_https(text) || is_path(text),
    "use a URL such as https://cdn.example/logo.svg, or a path such as /logo.svg"
}
checked! {
    /// Target of a link.
    LinkUrl, "^(https://[A-Za-z0-9.-]+(:[0-9]+)?(/|$)|mailto:|/(?!/))[!-~]*$",
    |text| is_https(text) || is_path(text) || (text.starts_with("mailto:") && is_plain(text)),
    "use a URL that begins with https:// or mailto:, or a path such as /terms"
}
checked! {
    /// Style sheet that cannot leave its HTML element.
    Css, "^[^<\\u0000]{0,16384}$",
    |text| text.len() <= 16_384 && !text.contains(['<', '\0']),
    "use up to 16384 bytes of CSS without <"
}

/// Returns whether every character may occur in a URL, without the backslash, which browsers read as a slash.
fn is_plain(text: &str) -> bool {
    let odd = |byte: u8| !byte.is_ascii_graphic() || b"\"'<>\\^`{|}".contains(&byte);
    !text.bytes().any(odd)
}

/// Returns whether the text is a path. With two slashes at the start it would name another site.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && is_plain(text)
}

/// Returns whether the text is an https URL with a host simple enough for a security policy.
fn is_https(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    is_plain(text)
        && !host.is_empty()
        && host.bytes().all(is_host)
        && port.parse::<u16>().is_ok()
        && !port.starts_with('+')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(branding: &Value) -> Vec<String> {
        let read = Reader::read::<Branding>(branding);
        let faults = read.err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn valid_branding_is_accepted() {
        let branding = json!({
            "title": "名".repeat(80),
            "logo": "https://cdn.example:8443/a/logo.svg?v=1",
            "colors": { "accent": "#06c", "background": "#F6F4EF" },
            "css": "main::before { content: \">\" }",
            "links": [
                { "text": "Terms", "url": "/terms#1" },
                { "text": "Mail", "url": "mailto:help@a.example?subject=Hello%20there" },
                { "text": "Site", "url": "https://a.example" },
            ],
            "locale": "zh",
        });
        assert_eq!(faults(&branding), [""; 0]);
        let read: Branding = Reader::read(&branding).unwrap();
        assert_eq!(read.locale.fixed(), Some(Locale::Chinese));
        let nothing: Branding = Reader::read(&json!({})).unwrap();
        assert_eq!((nothing.title, nothing.locale), (None, LocaleChoice::Auto));
    }

    #[test]
    fn every_fault_is_reported_with_its_fix() {
        let branding = json!({
            "title": "x".repeat(81),
            "logo": "http://cdn.example/logo.svg",
            "colors": { "accent": "red", "backgrund": "#fff" },
            "css": "</style>",
            "links": [{ "text": "", "url": "javascript:alert(1)" }, { "text": "a" }],
            "locale": "it",
        });
        assert_eq!(
            faults(&branding),
            [
                "title: use a text of 1 to 80 characters, in one line.",
                "logo: use a URL such as https://cdn.example/logo.svg, or a path such as /logo.svg.",
                "colors.backgrund: is not known; perhaps background is meant.",
                "colors.accent: \"red\" is not a colour; use one such as #06c or #0066cc.",
                "css: use up to 16384 bytes of CSS without <.",
                "links[0].text: use a text of 1 to 80 characters, in one line.",
                "links[0].url: use a URL that begins with https:// or mailto:, or a path such as /terms.",
                "links[1].url: is missing.",
                "locale: use auto, en, zh, ja, de, fr or es.",
            ]
        );
    }

    #[test]
    fn branding_url_cannot_inject_css_or_html() {
        for url in [
            "",
            "//evil.example/a.svg",
            "/\\evil.example/a.svg",
            "\\\\evil.example",
            "/a b",
            "/a\nb",
            "/\tevil",
            "/é",
            "https://",
            "https:///a",
            "https://a.example:/",
            "https://a.example:+1/",
            "https://a.example:99999/",
            "https://user@a.example/",
            "https://a.example;script-src *",
            "https://a.example,b",
            "https://a.example\\@b/",
            "https://*.example/",
            "https://a.example?b",
            "data:image/svg+xml,x",
            "JavaScript:alert(1)",
            "mailto:a b",
        ] {
            let logo = json!({ "logo": url });
            let link = json!({ "links": [{ "text": "a", "url": url }] });
            assert_eq!(
                (faults(&logo).len(), faults(&link).len()),
                (1, 1),
                "{url:?}"
            );
        }
    }

    #[test]
    fn css_is_limited_in_bytes() {
        for (css, is_good) in [
            ("a".repeat(16_384), true),
            ("a".repeat(16_385), false),
            ("中".repeat(5_462), false),
            ("\0".to_owned(), false),
        ] {
            assert_eq!(faults(&json!({ "css": css })).is_empty(), is_good);
        }
    }
}
