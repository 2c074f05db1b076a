//! Measures input of anonymous clients, as large as allowed and in the worst form known, because one client shares its
//! isolate with all others.

use core::fmt::Write as _;
use core::hint::black_box;

use crate::auth::jws::{self, Unverified};
use crate::auth::return_url;
use crate::cookie::sid_route::Route;
use crate::encoding::base64url;
use crate::gateway::Step;
use crate::http::canonical::canonical;
use crate::http::engine_io;
use crate::http::path::{classify, resolved};
use crate::http::query::Query;
use crate::http::request::{Location, Request};
use crate::http::{form, json};
use crate::policy::Sampling;
use crate::response::theme::locale::Locale;
use crate::upstream::trace_context::Trace;
use serde_json::json;

use super::Act;
use super::world::{World, keys};

const SITE: &str = "https://chat.example/";

/// Maximum length of a URL, and of a header's value, in bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// Maximum length of an unauthenticated body, in bytes.
const BODY: usize = json::LARGEST_UNAUTHENTICATED;
const MAX_COUNT: usize = json::MAX_UNAUTHENTICATED_LENGTH;

/// Maximum length of a path with escapes, in bytes.
const MAX_ESCAPED_LENGTH: usize = 8 * 1024;

/// Repeats a part as often as it fits.
fn full(room: usize, part: &str) -> String {
    part.repeat(room / part.len())
}

/// Builds a path that repeats one part. With `25` it is one nested escape, thousands of layers deep.
fn longest_path(part: &str) -> String {
    let first = if part == "25" { "%" } else { "" };
    let room = if part.contains('%') || part == "25" {
        MAX_ESCAPED_LENGTH
    } else {
        MAX_LENGTH - SITE.len()
    };
    [SITE, first, &full(room - 1, part)].concat()
}

/// Resolves a path, classifies it, and compares it with a tenant's exceptions.
pub(super) fn path(part: &'static str) -> Act {
    let href = longest_path(part);
    Box::new(move || {
        let location = Location::parse(black_box(&href)).unwrap();
        let sent = canonical(&location);
        let sent = sent.unwrap_or_default().unwrap_or_else(|| href.clone());
        let location = Location::parse(&sent).unwrap();
        black_box(classify(location.path, "/_session"));
        black_box(resolved(location.path));
    })
}

pub(super) fn query(part: &'static str) -> Act {
    let text = full(MAX_LENGTH, part);
    let keys = keys();
    let target = ["/socket.io/?EIO=4&transport=polling&", &text].concat();
    Box::new(move || {
        let _ = black_box(Query::parse_foreign(black_box(&text), &["return_to"]));
        black_box(engine_io::is_handshake(black_box(&target)));
        black_box(Route::of_target(&target, &keys));
    })
}

pub(super) fn return_to(part: &'static str) -> Act {
    let text = ["/", &full(return_url::MAX_LENGTH - 1, part)].concat();
    Box::new(move || {
        black_box(return_url::sound(black_box(&text), "/_session"));
    })
}

pub(super) fn language(part: &'static str) -> Act {
    let text = full(MAX_LENGTH, part);
    Box::new(move || {
        black_box(Locale::accepted(black_box(&text)));
    })
}

pub(super) fn trace(part: &'static str) -> Act {
    let text = full(MAX_LENGTH, part);
    Box::new(move || {
        let parent = Some(black_box(text.as_str()));
        black_box(Trace::follow(parent, parent, &[7; 24], Sampling::default()));
    })
}

pub(super) fn json_body(part: &'static str, end: &'static str) -> Act {
    let packed = "POST\nhttps://a/\ncontent-type\napplication/json";
    let body = [r#"{"a":["#, &full(BODY - 16, part), end, "]}"].concat();
    Box::new(move || {
        let request = Request::parse(packed).unwrap();
        let _ = black_box(json::object(
            &request,
            black_box(body.as_bytes()),
            MAX_COUNT,
        ));
    })
}

/// Parses an array of the maximum number of numbers, or none, and one text of escapes, which fills the largest body.
pub(super) fn json_text(numbers: usize) -> Act {
    let packed = "POST\nhttps://a/\ncontent-type\napplication/json";
    let escapes = full(BODY - 2 * numbers - 16, "\\u0041");
    let body = format!(r#"{{"a":[{}"{escapes}"]}}"#, "0,".repeat(numbers));
    Box::new(move || {
        let request = Request::parse(packed).unwrap();
        black_box(json::object(
            &request,
            black_box(body.as_bytes()),
            MAX_COUNT,
        ))
        .unwrap();
    })
}

pub(super) fn json_numbers() -> Act {
    json_text(MAX_COUNT - 4)
}

/// Parses an object with the maximum number of distinct members.
pub(super) fn json_members() -> Act {
    let packed = "POST\nhttps://a/\ncontent-type\napplication/json";
    let mut body = String::from("{");
    let name = "x".repeat(BODY / (MAX_COUNT / 2) - 11);
    for number in 0..u32::try_from(MAX_COUNT / 2 - 2).unwrap() {
        let _ = write!(body, "\"{name}{:04x}\":0,", number.reverse_bits() >> 16);
    }
    body.push_str("\"a\":0}");
    Box::new(move || {
        let request = Request::parse(packed).unwrap();
        black_box(json::object(
            &request,
            black_box(body.as_bytes()),
            MAX_COUNT,
        ))
        .unwrap();
    })
}

pub(super) fn form_body(part: &'static str) -> Act {
    let packed = "POST\nhttps://a/\ncontent-type\napplication/x-www-form-urlencoded";
    let body = full(BODY, part);
    Box::new(move || {
        let request = Request::parse(packed).unwrap();
        let _ = black_box(form::fields(&request, black_box(body.as_bytes()), &["a"]));
    })
}

/// Parses a token of dots, or one with claims of maximum length.
pub(super) fn token(part: &'static str) -> Act {
    let header = base64url(br#"{"alg":"ES256"}"#);
    let claims = [
        r#"{"a":["#,
        &full(jws::MAX_LENGTH * 3 / 4 - 64, part),
        "0]}",
    ]
    .concat();
    let token = match part {
        "." => ".".repeat(jws::MAX_LENGTH),
        _ => format!("{header}.{}.c2ln", base64url(claims.as_bytes())),
    };
    Box::new(move || {
        let _ = black_box(Unverified::parse(black_box(&token)));
    })
}

/// Handles a whole request with a header value of 16 KiB, and 230 other headers.
pub(super) fn request(name: &'static str, part: &'static str) -> Act {
    let mut packed = format!(
        "GET\n{SITE}\nhost\nchat.example\n{name}\n{}",
        full(MAX_LENGTH, part)
    );
    for number in 0..230 {
        let _ = write!(packed, "\nx-{number}-application-header\nvalue");
    }
    whole(packed)
}

/// Handles a request with the maximum number of headers, all named by `Connection`.
pub(super) fn connection() -> Act {
    let names: Vec<String> = (0..230)
        .map(|number| format!("X-{number}-{}", "x".repeat(50)))
        .collect();
    let mut packed = format!(
        "GET\n{SITE}\nhost\nchat.example\nconnection\n{}",
        names.join(", ")
    );
    for name in names {
        let _ = write!(packed, "\n{}\n{}", name.to_lowercase(), "v".repeat(100));
    }
    whole(packed)
}

/// Handles a whole request with a path of maximum length.
pub(super) fn request_for(part: &'static str) -> Act {
    whole(format!("GET\n{}\nhost\nchat.example", longest_path(part)))
}

fn whole(packed: String) -> Act {
    let mut world = World::with(2, &json!({}));
    Box::new(move || {
        let step = world.ask(black_box(&packed));
        assert!(
            matches!(step, Step::Forward(_) | Step::Answer(_)),
            "{step:?}"
        );
        black_box(step);
    })
}
