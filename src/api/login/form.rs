//! What people send with the pages' forms, and programs as JSON.

use serde_json::{Map, Value};

use crate::api::body;
use crate::effect::{Body, Need};
use crate::encoding::json;
use crate::gateway::{Interrupt, RequestContext};
use crate::http::form;
use crate::http::json::LARGEST_UNAUTHENTICATED;
use crate::http::query::Query;
use crate::response::problem::Problem;

/// Whether a request carries a form.
pub(super) fn is_form(context: &RequestContext<'_>) -> bool {
    form::is_form(context.request)
}

/// The fields of a form; each may occur once, others are passed over.
pub(super) fn fields(context: &RequestContext<'_>, known: &[&str]) -> Result<Query, Interrupt> {
    let bytes = match context.answers.body() {
        // What is no form is refused without being read.
        _ if !is_form(context) => &[][..],
        None => {
            let limit = LARGEST_UNAUTHENTICATED;
            return Err(Interrupt::Pending(vec![Need::Body { limit }]));
        }
        Some(Body::TooLarge) => return Err(Problem::BodyTooLarge.into()),
        Some(Body::Broken) => return Err(Problem::BrokenBody.into()),
        Some(Body::Bytes(bytes)) => bytes,
    };
    form::fields(context.request, bytes, known).map_err(|bad| Problem::from(bad).into())
}

/// The members of a JSON object, or the fields of a form as if they were: texts, and `true` for those
/// that are `flags` and not empty.
pub(super) fn object(
    context: &RequestContext<'_>,
    texts: &[&str],
    flags: &[&str],
) -> Result<Map<String, Value>, Interrupt> {
    if !is_form(context) {
        let body = body::of_stranger(context)?;
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
    let fields = fields(context, &[texts, flags].concat())?;
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

/// A text of such an object; empty if it is not there.
pub(super) fn text<'o>(object: &'o Map<String, Value>, name: &str) -> &'o str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A flag of such an object.
pub(super) fn flag(object: &Map<String, Value>, name: &str) -> bool {
    object.get(name) == Some(&Value::Bool(true))
}
