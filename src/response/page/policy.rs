//! Builds the Content Security Policy (Level 3) of a page. A page may only show its style and logo, and send its form.

use sha2::{Digest as _, Sha256};

use super::Form;
use crate::encoding::base64;

/// Directive that forbids all frames.
const FRAMED_BY_NOBODY: &str = "frame-ancestors 'none'";

/// Directive that allows frames on this site alone; further sites can follow.
pub(crate) const FRAMED_BY_SELF: &str = "frame-ancestors 'self'";

/// Returns the policy of a page with this style and script, and with a logo from this origin.
pub(super) fn of_page(
    style: &str,
    script: &str,
    logo_origin: Option<&str>,
    form: Form<'_>,
) -> String {
    let hash = base64(&Sha256::digest(style));
    let mut policy = format!("default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'");
    if let Some(origin) = logo_origin {
        push_source(&mut policy, origin);
    }
    if !script.is_empty() {
        let hash = base64(&Sha256::digest(script));
        policy.push_str("; script-src 'sha256-");
        policy.push_str(&hash);
        policy.push('\'');
    }
    policy.push_str("; base-uri 'none'; ");
    policy.push_str(FRAMED_BY_NOBODY);
    policy.push_str("; form-action ");
    match form {
        Form::None => policy.push_str("'none'"),
        Form::ToUs(redirected) => {
            policy.push_str("'self'");
            // Chromium applies the list to redirects of the response, too.
            for origin in redirected {
                push_source(&mut policy, origin);
            }
        }
    }
    policy
}

/// Allows frames as `directive` says.
pub(super) fn of_framed(policy: &str, directive: &str) -> String {
    policy.replace(FRAMED_BY_NOBODY, directive)
}

/// Appends a source, unless it contains other characters than an origin's.
fn push_source(policy: &mut String, origin: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:/-[]".contains(&byte);
    if origin.contains("://") && origin.bytes().all(plain) {
        policy.push(' ');
        policy.push_str(origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_without_a_form_may_send_none() {
        assert_eq!(
            of_page("", "", None, Form::None),
            "default-src 'none'; style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
        );
    }

    #[test]
    fn only_origins_enter_the_content_security_policy() {
        let redirected = [
            "https://id.example:8443".to_owned(),
            "https://a; script-src *".to_owned(),
            "https://a, default-src *".to_owned(),
            "https://a\r\nx: y".to_owned(),
            "'unsafe-inline'".to_owned(),
            "*".to_owned(),
            String::new(),
        ];
        let policy = of_page("", "", Some("https://cdn.example"), Form::ToUs(&redirected));
        assert!(policy.ends_with("form-action 'self' https://id.example:8443"));
        assert!(policy.contains("img-src 'self' https://cdn.example;"));
    }
}
