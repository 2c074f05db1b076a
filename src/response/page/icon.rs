//! Draws a mark for an identity provider: own simple shapes, in the colour of the text.

/// Opening tag of every mark.
const OPEN: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\">";

/// Letter of Google.
const GOOGLE: &str = "<path d=\"M21 12h-8.5M21 12a9 9 0 1 1-2.6-6.4\"/>";
/// Window of Microsoft.
const MICROSOFT: &str = "<path class=\"full\" d=\"M3 3h8.5v8.5H3zM12.5 3H21v8.5h-8.5zM3 12.5h8.5V21H3zM12.5 12.5H21V21h-8.5z\"/>";
/// Key, for every other provider.
const KEY: &str =
    "<circle cx=\"8\" cy=\"16\" r=\"4.5\"/><path d=\"M11.2 12.8 20 4m-4 4 3.5 3.5\"/>";

/// Returns the markup of an issuer's mark.
pub(super) fn of_issuer(issuer: &str) -> String {
    let is_at = |host: &str| {
        let rest = issuer
            .strip_prefix("https://")
            .and_then(|url| url.strip_prefix(host));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let shape = if is_at("accounts.google.com") {
        GOOGLE
    } else if is_at("login.microsoftonline.com") || is_at("sts.windows.net") {
        MICROSOFT
    } else {
        KEY
    };
    [OPEN, shape, "</svg>"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_is_recognised_by_its_whole_host() {
        for (issuer, shape) in [
            ("https://accounts.google.com", GOOGLE),
            ("https://accounts.google.com/", GOOGLE),
            ("https://login.microsoftonline.com/common/v2.0", MICROSOFT),
            ("https://sts.windows.net/1/", MICROSOFT),
            ("https://accounts.google.com.evil.example", KEY),
            ("http://accounts.google.com", KEY),
            ("https://id.example/accounts.google.com", KEY),
        ] {
            assert!(of_issuer(issuer).contains(shape), "{issuer}");
        }
    }
}
