//! Renders the page of a problem: the fault and the next step.

use super::{Form, Layout, Text, Theme, template::Slot::If};
use crate::response::Answer;

const PROBLEM: &str = include_str!("../../../www/pages/problem.html");
const WAITING: &str = include_str!("../../../www/pages/waiting.html");

/// Content of the page.
pub(in crate::response) struct Trouble<'a> {
    pub(in crate::response) status: u16,
    pub(in crate::response) title: &'a str,
    pub(in crate::response) detail: &'a str,
    /// Stable problem code.
    pub(in crate::response) code: &'a str,
    /// Trace id, which leads to the log.
    pub(in crate::response) trace_id: &'a str,
    pub(in crate::response) remedy: Remedy<'a>,
}

/// Next step for the visitor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::response) enum Remedy<'a> {
    /// Wait: the page reloads by itself. Holds the visitor's place in the queue.
    Waiting(Option<u32>),
    /// Load the page again.
    TryingAgain,
    /// Go to the front page.
    StartingOver,
    /// Sign in again, at this URL.
    SigningIn(&'a str),
}

/// Renders the page.
pub(in crate::response) fn problem(theme: &Theme<'_>, trouble: &Trouble<'_>) -> Answer {
    let (template, heading) = match trouble.remedy {
        Remedy::Waiting(_) => (WAITING, theme.text("wait")),
        _ => (PROBLEM, trouble.title),
    };
    let sign_in = match trouble.remedy {
        Remedy::SigningIn(url) => url,
        _ => "",
    };
    let place = match trouble.remedy {
        Remedy::Waiting(Some(place)) => theme.text_with("place", &place.to_string()),
        _ => String::new(),
    };
    let fillings = [
        ("sign_in", Text(sign_in)),
        ("place", Text(&place)),
        ("detail", Text(trouble.detail)),
        ("again", If(trouble.remedy == Remedy::TryingAgain)),
        ("anew", If(trouble.remedy == Remedy::StartingOver)),
        ("status", Text(&trouble.status.to_string())),
        ("code", Text(trouble.code)),
        ("trace_id", Text(trouble.trace_id)),
    ];
    let layout = Layout {
        heading,
        main: theme.fill(template, &fillings),
        form: Form::None,
        script: "",
    };
    theme.show(trouble.status, &layout)
}
