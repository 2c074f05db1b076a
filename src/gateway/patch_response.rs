//! Applies a tenant's merge patch to a JSON response of an origin.
//!
//! The request asks the origin for the whole response without a content coding. Any response that cannot be patched
//! passes unchanged: the origin's own settings are better than none.

use super::Gateway;
use super::response_context::ResponseContext;
use crate::clock::UnixMillis;
use crate::effect::{Answers, Body, Need};
use crate::http::path;
use crate::http::request::Request;
use crate::telemetry::log::{ConfigName, Event, Level};
use crate::tenant::patches;
use crate::tenant::patches::MAX_BODY;

impl Gateway {
    /// Returns whether the tenant patches the response to a request.
    pub(super) fn patches_response(&self, request: &Request<'_>) -> bool {
        let patches = &self.tenant.patches;
        !patches.is_empty()
            && matches!(request.method, "GET" | "HEAD")
            && !request.is_websocket()
            && patches.at(request.location.path).is_some()
    }

    /// Returns the patched body of a response. It is empty in a response to HEAD, whose headers must be those of GET.
    /// Returns `None` for a response that passes unchanged.
    ///
    /// # Errors
    /// Returns the need for the response's body.
    pub(super) fn patch_response(
        &mut self,
        context: &ResponseContext<'_>,
        (status, headers): (u16, &[(&str, &str)]),
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Option<String>, Need> {
        if !context.patches || status != 200 {
            return Ok(None);
        }
        let Some(patch) = self.tenant.patches.at(context.path) else {
            return Ok(None);
        };
        let header = |name| headers.iter().find(|(other, _)| *other == name);
        let is_json = header("content-type").is_some_and(|(_, media_type)| is_json(media_type));
        let length = header("content-length").and_then(|(_, length)| length.parse().ok());
        let reason = if !is_json {
            "not_json"
        } else if length.is_some_and(|length: usize| length > MAX_BODY) {
            "too_large"
        } else {
            match answers.body() {
                None => return Err(Need::Body { limit: MAX_BODY }),
                Some(Body::Bytes(bytes)) if bytes.is_empty() => return Ok(Some(String::new())),
                Some(Body::Bytes(bytes)) => match patches::patched(bytes, patch) {
                    Some(patched) => return Ok(Some(patched)),
                    None => "not_json",
                },
                Some(Body::TooLarge) => "too_large",
                Some(Body::Broken) => "broken",
            }
        };
        // Visitors may write one path in many spellings.
        let path = path::reading(context.path).unwrap_or_default();
        let count = self.limits.unpatched_paths.count(&*path, now);
        if count.is_first() {
            let event = Event::new(Level::Warn, "response_not_patched");
            let event = event.with("path", ConfigName(&path));
            let event = event.with("origin", ConfigName(context.origin));
            self.recorder.emit(event.with("reason", reason));
        }
        Ok(None)
    }
}

/// Returns whether a media type is JSON (RFC 6839 section 3.1).
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}
