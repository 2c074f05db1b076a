//! Parses the body: a request as an operator describes it, or a session by its handle.

use serde_json::{Map, Value};

use crate::gateway::{Interrupt, RequestContext};
use crate::http::url;
use crate::response::problem::Problem;
use crate::session::id::PublicName;

/// Request to explain.
pub(super) struct Question {
    /// Request, packed as by the data plane.
    pub(super) packed: String,
    /// Sender of the request.
    pub(super) sender: Sender,
}

/// Sender of the request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// Visitor of the session cookie or token in the headers.
    Presented,
    /// The browser of this session.
    Named(PublicName),
}

impl Question {
    /// Parses `{"method", "url", "headers"}` or `{"handle", "method", "path"}`.
    pub(super) fn read(
        body: &Map<String, Value>,
        context: &RequestContext<'_>,
    ) -> Result<Self, Interrupt> {
        let known: &[&str] = if body.contains_key("handle") {
            &["handle", "method", "path"]
        } else {
            &["method", "url", "headers"]
        };
        if body.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(invalid(
                "The body may hold `method`, `url` and `headers`, or `handle`, `method` and `path`.",
            ));
        }
        let method = text(body, "method")?.unwrap_or("GET");
        let is_token = |text: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            !text.is_empty() && text.bytes().all(plain)
        };
        if !is_token(method) {
            return Err(invalid("`method` must be an HTTP method, such as GET."));
        }
        let (url, sender) = match text(body, "handle")? {
            Some(handle) => {
                let name = PublicName::parse(handle.trim());
                let name = name.ok_or_else(|| invalid("`handle` is not a session's."))?;
                let path = text(body, "path")?.unwrap_or("/");
                if !path.starts_with('/') {
                    return Err(invalid("`path` must begin with a slash."));
                }
                let here = &context.request.location;
                let url = [here.scheme, "://", here.authority, path].concat();
                (url, Sender::Named(name))
            }
            None => match text(body, "url")? {
                Some(url) => (url.to_owned(), Sender::Presented),
                None => return Err(invalid("Name a `url`, or a `handle`.")),
            },
        };
        let Some(url) = url::normalised(&url) else {
            return Err(invalid(
                "`url` must begin with http:// or https:// and have a host in its DNS form (xn--…).",
            ));
        };
        let mut packed = [method, "\n", &url].concat();
        for (name, value) in headers(body)? {
            if !is_token(&name) {
                return Err(invalid("`headers` has an invalid name."));
            }
            packed.extend(["\n", &name, "\n", &value]);
        }
        Ok(Self { packed, sender })
    }
}

/// Returns the headers with names in lower case, each once, as the runtime has them.
fn headers(body: &Map<String, Value>) -> Result<Vec<(String, String)>, Interrupt> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let given = match body.get("headers") {
        None | Some(Value::Null) => return Ok(headers),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(invalid("`headers` must be an object.")),
    };
    for (name, value) in given {
        let value = value
            .as_str()
            .filter(|value| !value.contains(char::is_control));
        let value = value.ok_or_else(|| invalid("A header's value must be a line of text."))?;
        let value = value.trim_matches([' ', '\t']);
        let name = name.to_ascii_lowercase();
        match headers.iter_mut().find(|(other, _)| *other == name) {
            Some((_, before)) => before.extend([", ", value]),
            None => headers.push((name, value.to_owned())),
        }
    }
    Ok(headers)
}

fn text<'b>(body: &'b Map<String, Value>, name: &str) -> Result<Option<&'b str>, Interrupt> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(&format!("`{name}` must be a text."))),
    }
}

fn invalid(what: &str) -> Interrupt {
    Problem::Invalid(what.to_owned()).into()
}
