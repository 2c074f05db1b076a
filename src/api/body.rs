//! Reads the bodies of requests to reserved paths.

use serde_json::{Map, Value};

use crate::effect::{Body, Need};
use crate::gateway::{Interrupt, RequestContext};
use crate::http::json;
use crate::response::problem::Problem;

/// Returns the JSON object in an authenticated request's body.
pub(super) fn object(context: &RequestContext<'_>) -> Result<Map<String, Value>, Interrupt> {
    read(context, json::LARGEST, json::ANY_NUMBER)
}

/// Returns the JSON object in an unauthenticated request's body.
pub(super) fn unauthenticated_object(
    context: &RequestContext<'_>,
) -> Result<Map<String, Value>, Interrupt> {
    read(
        context,
        json::LARGEST_UNAUTHENTICATED,
        json::MAX_UNAUTHENTICATED_LENGTH,
    )
}

fn read(
    context: &RequestContext<'_>,
    limit: usize,
    most: usize,
) -> Result<Map<String, Value>, Interrupt> {
    match context.answers.body() {
        None => Err(Interrupt::Pending(vec![Need::Body { limit }])),
        Some(Body::TooLarge) => Err(Problem::BodyTooLarge.into()),
        Some(Body::Broken) => Err(Problem::BrokenBody.into()),
        Some(Body::Bytes(bytes)) => {
            json::object(context.request, bytes, most).map_err(|bad| Problem::from(bad).into())
        }
    }
}
