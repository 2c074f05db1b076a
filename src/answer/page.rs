//! The pages the edge shows to people.

use crate::answer::Answer;

const PROBLEM: &str = include_str!("../../www/pages/problem.html");

/// Nothing may be loaded, run, framed or submitted; the page's own style is all there is.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page that says what went wrong and what to do.
#[must_use]
pub fn problem(status: u16, title: &str, detail: &str, code: &str, trace_id: &str) -> Answer {
    let body = PROBLEM
        .replace("{{title}}", &escaped(title))
        .replace("{{detail}}", &escaped(detail))
        .replace("{{status}}", &status.to_string())
        .replace("{{code}}", &escaped(code))
        .replace("{{trace_id}}", &escaped(trace_id));
    Answer {
        body,
        ..Answer::empty(status)
    }
    .with("content-type", "text/html; charset=utf-8")
    .with("content-security-policy", POLICY)
    .with("referrer-policy", "no-referrer")
    .with("x-content-type-options", "nosniff")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
