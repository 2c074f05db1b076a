//! Defines the text format of decisions for the data plane (`worker/js/wire.js`), the only hand-made format.
//!
//! A decision is one string, because decoding and splitting one string is the cheapest way across the boundary: a kind,
//! then one line per field. Only a response's body may contain line breaks, and it comes last. The data plane finds
//! fields by name ([`FORWARD_FIELDS`], [`RESPONSE_FIELDS`]). The tests of both sides read the golden files in
//! `tests/golden/wire/`.

use core::fmt::Write as _;

use crate::effect::Seed;
use crate::encoding::push_hex;
use crate::gateway::{Forward, Gateway, ResponseAction, Revalidation, Step};
use crate::response::Answer;
use crate::telemetry::labels::RequestLabels;
use crate::upstream::request_headers::{self, Outgoing};

/// Names of a forward decision's lines, in order. The values of [`request_headers::FORWARDED_HEADERS`] follow, then
/// names and values of the tenant's additional headers.
///
/// * `kind`: [`FORWARD`] and a letter for each of [`FORWARD_FLAGS`] that is set
/// * `url`: URL at the origin
/// * `firstByteMs`: maximum milliseconds until the origin's response headers
/// * `pauses`: see [`Pauses::to_text`](crate::tenant::Pauses::to_text)
/// * `place`: tenant and origin
/// * `responseContext`: context for handling the response
/// * `sidSuffix`: suffix for an Engine.IO `sid`
/// * `kept`: for each of the client's headers `+` if it is forwarded
/// * `flags`, `labels`, `members`: see [`RequestLabels`]
/// * `until`: milliseconds since 1970 until which the decision may be reused; empty if it may not
pub(crate) const FORWARD_FIELDS: [&str; 12] = [
    "kind",
    "url",
    "firstByteMs",
    "pauses",
    "place",
    "responseContext",
    "sidSuffix",
    "kept",
    "flags",
    "labels",
    "members",
    "until",
];

/// Names of the lines of our own response, in order. Then come the headers, with a line each for name and value, and
/// the body.
///
/// * `kind`: [`RESPONSE`] or [`FILE`]
/// * `status`: the status code
/// * `flags`, `labels`, `members`: see [`RequestLabels`]
/// * `until`: milliseconds since 1970 until which an identical request gets the same response; empty if it may not
/// * `headers`: number of headers
pub(crate) const RESPONSE_FIELDS: [&str; 7] = [
    "kind", "status", "flags", "labels", "members", "until", "headers",
];

/// Flags of a forward decision with their letters.
///
/// * `handleResponse`: the core handles the response, whatever its headers are
/// * `runBackground`: there is work to do after the response
/// * `revocable`: a stream or socket is revalidated until it ends
/// * `shared`: the zone's cache may answer
/// * `opens`: a response that stays open counts as use, and must be noted
/// * `anyTarget`: the decision holds for other targets, too
pub(crate) const FORWARD_FLAGS: [(&str, char); 6] = [
    ("handleResponse", 's'),
    ("runBackground", 'a'),
    ("revocable", 'w'),
    ("shared", 'k'),
    ("opens", 'h'),
    ("anyTarget", 'o'),
];

/// Kind: the request is sent to an origin.
const FORWARD: char = 'F';
/// Kind: Vestibule responds.
const RESPONSE: &str = "A";
/// Kind: Vestibule responds with a tenant's or the console's file as the body.
const FILE: &str = "B";
/// Kind: the decision has needs and must be driven.
const PENDING: char = 'N';

/// Describes the format to the data plane in one line each: fields of a forward decision, its flags with letters,
/// fields of a response, our headers. Blanks separate the names.
pub(crate) fn description() -> String {
    let flags = FORWARD_FLAGS.map(|(name, letter)| format!("{name}={letter}"));
    [
        FORWARD_FIELDS.join(" "),
        flags.join(" "),
        RESPONSE_FIELDS.join(" "),
        request_headers::FORWARDED_HEADERS.join(" "),
    ]
    .join("\n")
}

/// Formats a step and the labels of its request.
pub(crate) fn step(step: &Step, labels: &RequestLabels) -> String {
    match step {
        Step::Forward(forward) => self::forward(forward, labels),
        Step::Answer(answer) => lettered(RESPONSE, answer, labels),
        Step::Asset(answer) => lettered(FILE, answer, labels),
        Step::Await(_) => pending(None),
    }
}

/// Formats a forward decision; see [`FORWARD_FIELDS`].
fn forward(forward: &Forward, labels: &RequestLabels) -> String {
    let Outgoing { kept, own, .. } = &forward.headers;
    let mut text =
        String::with_capacity(own.len() + forward.url.len() + forward.response_context.len() + 512);
    text.push(FORWARD);
    let is_set = [
        forward.handle_response,
        forward.run_background,
        forward.revocable,
        forward.shared,
        forward.opens,
        forward.repeat.is_some_and(|repeat| repeat.any_target),
    ];
    for ((_, letter), is_set) in FORWARD_FLAGS.into_iter().zip(is_set) {
        if is_set {
            text.push(letter);
        }
    }
    text.push('\n');
    text.push_str(&forward.url);
    text.push('\n');
    push_number(&mut text, forward.first_byte_ms);
    text.push('\n');
    text.push_str(&forward.pauses);
    text.push('\n');
    // Origins of different tenants may have the same name.
    text.push_str(
        forward
            .response_context
            .split('\t')
            .next()
            .unwrap_or_default(),
    );
    text.push('/');
    for field in [
        forward.origin.as_str(),
        &forward.response_context,
        &forward.sid_suffix,
        kept.as_str(),
    ] {
        text.push_str(field);
        text.push('\n');
    }
    labels.push_lines(&mut text);
    if let Some(repeat) = forward.repeat {
        push_number(&mut text, repeat.until.0);
    }
    text.push('\n');
    text.push_str(own);
    text
}

/// Draws traces for a tenant and formats them: a line with the flags of unsampled requests, then a line per trace. That
/// line contains the seed, `traceparent`, and `x` if the trace is sampled.
pub(crate) fn traces(gateway: &mut Gateway, count: usize) -> String {
    let mut text = String::new();
    gateway.recorder.push_unsampled_flags(&mut text);
    text.reserve(count * 106);
    for _ in 0..count {
        let (trace, seed) = gateway.draw_trace();
        text.push('\n');
        push_hex(&mut text, &seed);
        text.push_str(&trace.parent);
        if trace.is_sampled {
            text.push('x');
        }
    }
    text
}

/// Formats a response that replaces another, without labels.
pub(crate) fn answer(answer: &Answer) -> String {
    lettered(RESPONSE, answer, &RequestLabels::default())
}

/// Formats our own response; see [`RESPONSE_FIELDS`].
fn lettered(letter: &str, answer: &Answer, labels: &RequestLabels) -> String {
    let Answer {
        status,
        headers,
        cacheable_until,
        ..
    } = answer;
    let mut text = String::with_capacity(answer.body.len() + 1_024);
    text.push_str(letter);
    text.push('\n');
    push_number(&mut text, *status);
    text.push('\n');
    labels.push_lines(&mut text);
    if let Some(until) = cacheable_until {
        push_number(&mut text, until.0);
    }
    text.push('\n');
    push_number(&mut text, headers.len());
    text.push('\n');
    for (name, value) in headers {
        for line in [name, value.as_str()] {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(&answer.body);
    text
}

/// Appends a decimal number, without the machinery of `fmt`.
fn push_number(text: &mut String, number: impl itoa::Integer) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Formats a decision with needs: `N`, and the seed of its trace.
pub(crate) fn pending(seed: Option<Seed>) -> String {
    let mut text = PENDING.to_string();
    if let Some(seed) = seed {
        push_hex(&mut text, &seed);
    }
    text
}

/// Formats a revalidation: `G` and the milliseconds until the next one, or `X` and the reason for the end.
pub(crate) fn revalidation(revalidation: &Revalidation) -> String {
    match revalidation {
        Revalidation::Await(_) => pending(None),
        Revalidation::Continue(ms) => format!("G\n{ms}"),
        Revalidation::Over(reason) => format!("X\n{reason}"),
    }
}

/// Formats completed work: `D`.
pub(crate) fn done() -> String {
    "D".to_owned()
}

/// Formats the handling of an origin's response. `U` leaves it unchanged. `E` is followed by the number of headers to
/// remove, their names, then names and values to append. Otherwise the text is our own response.
pub(crate) fn response_action(action: &ResponseAction) -> String {
    match action {
        ResponseAction::Untouched => "U\n".to_owned(),
        ResponseAction::Replaced(answer) => self::answer(answer),
        ResponseAction::Await(_) => pending(None),
        ResponseAction::Edited(edits) => {
            let mut text = format!("E\n{}\n", edits.remove.len());
            for name in &edits.remove {
                let _ = writeln!(text, "{name}");
            }
            for (name, value) in &edits.append {
                let _ = writeln!(text, "{name}\n{value}");
            }
            // It has no line break, and the other lines come in pairs.
            text.push_str(&edits.body);
            text
        }
    }
}

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
