//! Negotiates the language of a page (RFC 9110 section 12.5.4).

/// Language of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Locale {
    /// English, the default.
    #[default]
    English,
    /// Chinese, in simplified characters.
    Chinese,
    /// Japanese.
    Japanese,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
}

/// Maximum number of language ranges that are read; browsers send one for each language of their user.
const MAX_RANGES: usize = 64;

impl Locale {
    /// All languages. Each has a file in `www/texts/`.
    pub(crate) const ALL: [Self; 6] = [
        Self::English,
        Self::Chinese,
        Self::Japanese,
        Self::German,
        Self::French,
        Self::Spanish,
    ];

    /// Returns the preferred supported language of an `Accept-Language` header; the first of equals.
    #[must_use]
    pub(crate) fn accepted(header: &str) -> Self {
        let mut best = (0, Self::default());
        for range in header.split(',').take(MAX_RANGES) {
            let (tag, weight) = match range.split_once(';') {
                Some((tag, parameter)) => (tag, weight(parameter.trim_ascii())),
                None => (range, 1000),
            };
            let Some(locale) = Self::named(tag.trim_ascii()) else {
                continue;
            };
            if weight > best.0 {
                best = (weight, locale);
            }
        }
        best.1
    }

    /// Returns the language of a range; only its primary part counts.
    fn named(range: &str) -> Option<Self> {
        if range == "*" {
            return Some(Self::English);
        }
        let primary = |tag| str::split(tag, '-').next().unwrap_or_default();
        let mut all = Self::ALL.into_iter();
        all.find(|locale| primary(range).eq_ignore_ascii_case(primary(locale.tag())))
    }

    /// Returns the language's tag (BCP 47).
    #[must_use]
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
            Self::Japanese => "ja",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
        }
    }
}

/// Parses `q=0.8` into thousandths (RFC 9110 section 12.4.2). Returns 0 if it is malformed.
fn weight(parameter: &str) -> u32 {
    let [b'q' | b'Q', b'=', value @ ..] = parameter.as_bytes() else {
        return 0;
    };
    let mut milli = 0;
    let mut unit = 1000;
    for byte in value {
        match byte {
            b'0'..=b'9' => {
                milli += u32::from(byte - b'0') * unit;
                unit /= 10;
            }
            b'.' if unit == 100 => {}
            _ => return 0,
        }
    }
    if milli > 1000 { 0 } else { milli }
}

#[cfg(test)]
mod tests {
    use super::Locale::{self, Chinese, English, French, German, Japanese, Spanish};

    #[test]
    fn preferred_supported_language_wins() {
        for (header, expected) in [
            ("", English),
            ("*", English),
            ("de", German),
            ("de-AT,en;q=0.9", German),
            ("ja-JP,ja;q=0.9,en;q=0.8", Japanese),
            ("es-419", Spanish),
            ("it, fr;q=0.5", French),
            ("it", English),
            ("de-DE;q=0.5, fr-CH;q=0.6", French),
            ("zh", Chinese),
            ("zh-CN,zh;q=0.9,en;q=0.8", Chinese),
            ("zh-Hant-TW", Chinese),
            ("ZH-hk", Chinese),
            ("en-US,en;q=0.9,zh-CN;q=0.8", English),
            ("en;q=0.3, zh;q=0.31", Chinese),
            ("en; q=0.5, zh ; Q=1.000", Chinese),
            ("it-CH, zh;q=0.1", Chinese),
            ("*;q=0.5, zh;q=0.4", English),
            ("zh;q=0", English),
            ("zh;q=0.000, en;q=0.001", English),
            ("zh, en", Chinese),
            ("en, zh", English),
            ("zhx, en;q=0.1", English),
            // A malformed weight counts as 0.
            ("zh;q=2, en;q=0.1", English),
            ("zh;q=1.1, en;q=0.1", English),
            ("zh;q=.9, en;q=0.1", English),
            ("zh;q=-1, en;q=0.1", English),
            ("zh;q=0.+9, en;q=0.01", English),
            ("zh;q=é, en;q=0.1", English),
            (";;,;q=1,,", English),
        ] {
            assert_eq!(Locale::accepted(header), expected, "{header:?}");
        }
    }

    #[test]
    fn number_of_parsed_languages_is_limited() {
        let chinese_at = |place: usize| ["it,".repeat(place - 1), "zh".to_owned()].concat();
        assert_eq!(Locale::accepted(&chinese_at(super::MAX_RANGES)), Chinese);
        assert_eq!(
            Locale::accepted(&chinese_at(super::MAX_RANGES + 1)),
            English
        );
    }
}
