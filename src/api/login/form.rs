//! Parses input of the sign-in pages: forms from people, JSON from programs.

use serde_json::{Map, Value};

use crate::api::body;
use crate::effect::{Body, Need};
use crate::encoding::json;
use crate::gateway::{Interrupt, RequestContext};
use crate::http::form;
use crate::http::json::LARGEST_UNAUTHENTICATED;
use crate::http::query::Query;
use crate::response::problem::Problem;

/// Returns whether a request carries a form.
pub(super) fn is_form(context: &RequestContext<'_>) -> bool {
    form::is_form(context.request)
}

/// Parses the fields of a form. Each may occur once; unknown ones are ignored. The form has at most
/// `limit` bytes.
pub(super) fn fields(
    context: &RequestContext<'_>,
    limit: usize,
    known: &[&str],
) -> Result<Query, Interrupt> {
    let bytes = match context.answers.body() {
        // A body that is not a form is rejected unread.
        _ if !is_form(context) => &[][..],
        None => {
            return Err(Interrupt::Pending(vec![Need::Body { limit }]));
        }
        Some(Body::TooLarge) => return Err(Problem::BodyTooLarge.into()),
        Some(Body::Broken) => return Err(Problem::BrokenBody.into()),
        Some(Body::Bytes(bytes)) => bytes,
    };
    form::fields(context.request, bytes, known).map_err(|bad| Problem::from(bad).into())
}

/// Parses a JSON object, or converts a form's fields into one: `texts` as text, `flags` as `true` if they are neither
/// empty nor "false".
pub(super) fn object(
    context: &RequestContext<'_>,
    texts: &[&str],
    flags: &[&str],
) -> Result<Map<String, Value>, Interrupt> {
    if !is_form(context) {
        let body = body::unauthenticated_object(context)?;
        let is_sound = |(name, value): (&String, &Value)| {
            let name = name.as_str();
            (texts.contains(&name) && value.is_string())
                || (flags.contains(&name) && value.is_boolean())
        };
        if body.iter().all(is_sound) {
            return Ok(body);
        }
        let all = [texts, flags].concat().join(", ");
        let what = format!("The body may hold {all}, and nothing else.");
        return Err(Problem::Invalid(what).into());
    }
    let fields = fields(context, LARGEST_UNAUTHENTICATED, &[texts, flags].concat())?;
    let mut object = Map::new();
    for name in texts {
        if let Some(text) = fields.get(name) {
            object.insert((*name).to_owned(), json!(text));
        }
    }
    for name in flags {
        let is_set = fields
            .get(name)
            .is_some_and(|text| !text.is_empty() && text != "false");
        object.insert((*name).to_owned(), json!(is_set));
    }
    Ok(object)
}

/// Returns a text of such an object; empty if it is missing.
pub(super) fn text<'o>(object: &'o Map<String, Value>, name: &str) -> &'o str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Returns a flag of such an object.
pub(super) fn flag(object: &Map<String, Value>, name: &str) -> bool {
    object.get(name) == Some(&Value::Bool(true))
}
