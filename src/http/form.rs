//! Parses forms of our own pages: `application/x-www-form-urlencoded`.

use thiserror::Error;

use super::json::BadBody;
use super::query::{BadQuery, Query};
use super::request::Request;

/// Media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// Reason why a form is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadForm {
    /// The body is not a form.
    #[error("{0}")]
    Body(BadBody),
    /// A field is invalid.
    #[error("{0}")]
    Field(BadQuery),
}

/// Returns whether a request declares a form.
#[must_use]
pub(crate) fn is_form(request: &Request<'_>) -> bool {
    let declared = request.header("content-type").unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case(FORM)
}

/// Parses the fields of a form. Each may occur once; fields that are not `known` are ignored.
///
/// # Errors
/// Returns [`BadForm`].
pub(crate) fn fields(request: &Request<'_>, body: &[u8], known: &[&str]) -> Result<Query, BadForm> {
    if !is_form(request) {
        return Err(BadForm::Body(BadBody::MediaType));
    }
    let text = core::str::from_utf8(body).map_err(|_| BadForm::Body(BadBody::Encoding))?;
    Query::parse_foreign(text, known).map_err(BadForm::Field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, body: &[u8]) -> Result<Query, BadForm> {
        let packed = format!("POST\nhttps://a/\ncontent-type\n{content_type}");
        fields(&Request::parse(&packed).unwrap(), body, &["a", "b"])
    }

    #[test]
    fn form_fields_are_unique_and_unknown_ones_ignored() {
        let form = read(
            "application/x-www-form-urlencoded; charset=utf-8",
            b"a=1%202&x=3&x=4",
        );
        assert_eq!(form.unwrap().get("a"), Some("1 2"));
        for (content_type, body) in [
            ("application/json", b"a=1".as_slice()),
            ("application/x-www-form-urlencoded", b"a=\xff"),
            ("application/x-www-form-urlencoded", b"a=1&a=2"),
            ("application/x-www-form-urlencoded", b"a=%zz"),
        ] {
            assert!(read(content_type, body).is_err(), "{content_type}");
        }
    }
}
