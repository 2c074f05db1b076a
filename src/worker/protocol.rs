//! Defines the text in which decisions cross to the data plane (`worker/js/wire.js`): the only hand-made format.
//!
//! A decision is one string, because one string that is decoded once and split is the cheapest thing that can cross
//! the boundary: a kind, then one line per field. No field but a response's body can hold a line break, and the body
//! comes last. The data plane finds fields by their names ([`FORWARD_FIELDS`], [`RESPONSE_FIELDS`]); golden files in
//! `tests/golden/wire/` are read by the tests of both sides.

use core::fmt::Write as _;

use crate::effect::Seed;
use crate::encoding::push_hex;
use crate::gateway::{Forward, Gateway, ResponseAction, Revalidation, Step};
use crate::response::Answer;
use crate::telemetry::labels::RequestLabels;
use crate::upstream::request_headers::{self, Outgoing};

/// Names the lines of a decision to forward, in their order; the values of [`request_headers::FORWARDED_HEADERS`] follow, then names and
/// values of headers that the tenant's origins know.
///
/// * `kind`: [`FORWARD`] and a letter for each of [`FORWARD_FLAGS`] that is set
/// * `url`: where to
/// * `firstByteMs`: milliseconds the origin may take for its response headers
/// * `pauses`: see [`Pauses::to_text`](crate::tenant::Pauses::to_text)
/// * `place`: tenant and origin
/// * `responseContext`: what the response is handled with
/// * `sidSuffix`: what an Engine.IO `sid` is made longer by
/// * `kept`: for each of the client's headers `+` if it is passed on
/// * `flags`, `labels`, `members`: what is recorded of the request, see [`RequestLabels`]
/// * `until`: milliseconds since 1970 until which the decision may be repeated; empty if it may not
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

/// Names the lines of a response of our own, in their order; then come the headers, a line for the name and one for
/// the value, and the body.
///
/// * `kind`: [`RESPONSE`] or [`FILE`]
/// * `status`: the status code
/// * `flags`, `labels`, `members`: what is recorded of the request, see [`RequestLabels`]
/// * `until`: milliseconds since 1970 until which the very same request gets the same response; empty if it may not be
/// * `headers`: how many there are
pub(crate) const RESPONSE_FIELDS: [&str; 7] = [
    "kind", "status", "flags", "labels", "members", "until", "headers",
];

/// Letters of a decision to forward, and what they stand for.
///
/// * `handleResponse`: the core handles the response whatever its headers are
/// * `runBackground`: something can be done once the client has the response
/// * `revocable`: a stream or socket is followed to its end
/// * `shared`: the cache of the zone may answer it
/// * `opens`: should the response stay open, that is use, and must be noted
/// * `anyTarget`: the decision holds for other targets, too
pub(crate) const FORWARD_FLAGS: [(&str, char); 6] = [
    ("handleResponse", 's'),
    ("runBackground", 'a'),
    ("revocable", 'w'),
    ("shared", 'k'),
    ("opens", 'h'),
    ("anyTarget", 'o'),
];

/// The request is sent to an origin.
const FORWARD: char = 'F';
/// The request is answered here.
const RESPONSE: &str = "A";
/// The same; the body is the file that was asked for, a tenant's or the console's.
const FILE: &str = "B";
/// Something is lacking, and has to be driven.
const PENDING: char = 'N';

/// Describes the format to the data plane: a line each with the names of the fields of a decision to forward, of its
/// flags with their letters, of the fields of a response, and of our headers, apart by blanks.
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

/// Writes what is to be done, and what is recorded of it.
pub(crate) fn step(step: &Step, labels: &RequestLabels) -> String {
    match step {
        Step::Forward(forward) => self::forward(forward, labels),
        Step::Answer(answer) => lettered(RESPONSE, answer, labels),
        Step::Asset(answer) => lettered(FILE, answer, labels),
        Step::Await(_) => pending(None),
    }
}

/// Writes a decision to forward: see [`FORWARD_FIELDS`].
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
    let _ = write!(text, "\n{}\n", forward.first_byte_ms);
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
        &forward.origin,
        &forward.response_context,
        &forward.sid_suffix,
        kept,
    ] {
        text.push_str(field);
        text.push('\n');
    }
    push_labels(&mut text, labels);
    if let Some(repeat) = forward.repeat {
        let _ = write!(text, "{}", repeat.until.0);
    }
    text.push('\n');
    text.push_str(own);
    text
}

/// Draws so many traces of a tenant's: a line with the flags of requests that are not sampled, then one for each trace
/// with what it is made of, `traceparent`, and `x` if it is sampled.
pub(crate) fn traces(gateway: &mut Gateway, count: usize) -> String {
    let mut text = gateway.recorder.unsampled_flags();
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

/// Writes what is recorded of a request: flags, labels, and the members of its log line.
fn push_labels(text: &mut String, request: &RequestLabels) {
    for line in [request.flags(), request.labels(), request.members()] {
        text.push_str(&line);
        text.push('\n');
    }
}

/// Writes a response in place of another, of which nothing is recorded again.
pub(crate) fn answer(answer: &Answer) -> String {
    lettered(RESPONSE, answer, &RequestLabels::default())
}

/// Writes a response of our own: see [`RESPONSE_FIELDS`].
fn lettered(letter: &str, answer: &Answer, labels: &RequestLabels) -> String {
    let Answer {
        status,
        headers,
        cacheable_until,
        ..
    } = answer;
    let mut text = String::with_capacity(answer.body.len() + 1_024);
    let _ = write!(text, "{letter}\n{status}\n");
    push_labels(&mut text, labels);
    if let Some(until) = cacheable_until {
        let _ = write!(text, "{}", until.0);
    }
    let _ = writeln!(text, "\n{}", headers.len());
    for (name, value) in headers {
        for line in [name, value.as_str()] {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(&answer.body);
    text
}

/// Writes that something is lacking: `N`, and what the trace was begun with.
pub(crate) fn pending(seed: Option<Seed>) -> String {
    let mut text = PENDING.to_string();
    if let Some(seed) = seed {
        push_hex(&mut text, &seed);
    }
    text
}

/// Writes whether what stays open may: `G` and after how many milliseconds to look again, or `X` and why it ends.
pub(crate) fn revalidation(revalidation: &Revalidation) -> String {
    match revalidation {
        Revalidation::Await(_) => pending(None),
        Revalidation::Continue(ms) => format!("G\n{ms}"),
        Revalidation::Over(reason) => format!("X\n{reason}"),
    }
}

/// Writes that nothing is left to do: `D`.
pub(crate) fn done() -> String {
    "D".to_owned()
}

/// Writes what the client gets of an origin's response: `U` for all of it as it is; or `E`, the number of headers to
/// remove, their names, then names and values to append; or a response of our own.
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
            text
        }
    }
}

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
