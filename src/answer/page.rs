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

/// STUB until the pages come.
pub struct Look;
/// STUB
pub struct LoginPage<'a> {
    /// a
    pub prefix: &'a str,
    /// a
    pub return_to: &'a str,
    /// a
    pub has_password: bool,
    /// a
    pub providers: &'a [(String, String)],
    /// a
    pub username: &'a str,
    /// a
    pub fault: Option<LoginFault>,
}
/// STUB
pub enum LoginFault {
    /// a
    Wrong,
    /// a
    Locked(u64),
}
/// STUB
pub enum PasswordState {
    /// a
    Ask,
    /// a
    Wrong,
    /// a
    TooShort,
    /// a
    Done,
}
/// STUB
#[must_use]
pub fn login(_: &Look, status: u16, page: &LoginPage<'_>) -> Answer {
    problem(status, page.prefix, page.return_to, page.username, "")
}
/// STUB
#[must_use]
pub fn signed_out(_: &Look) -> Answer {
    problem(200, "", "", "", "")
}
/// STUB
#[must_use]
pub fn confirm_sign_out(_: &Look, prefix: &str, _: &[String]) -> Answer {
    problem(200, prefix, "", "", "")
}
/// STUB
#[must_use]
pub fn change_password(_: &Look, _: &str, status: u16, _: PasswordState) -> Answer {
    problem(status, "", "", "", "")
}
