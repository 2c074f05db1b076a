//! What went wrong, and what to do.

use super::{Form, Layout, Text, Theme, template::Slot::If};
use crate::response::Answer;

const PROBLEM: &str = include_str!("../../../www/pages/problem.html");
const WAITING: &str = include_str!("../../../www/pages/waiting.html");

/// What went wrong.
pub(in crate::response) struct Trouble<'a> {
    pub(in crate::response) status: u16,
    pub(in crate::response) title: &'a str,
    pub(in crate::response) detail: &'a str,
    /// Stable; for who looks for the cause.
    pub(in crate::response) code: &'a str,
    /// Leads to the log.
    pub(in crate::response) trace_id: &'a str,
    pub(in crate::response) remedy: Remedy,
}

/// What helps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::response) enum Remedy {
    /// The page is loaded again by itself.
    Waiting,
    /// Loading the page again.
    TryingAgain,
    /// Another page.
    StartingOver,
}

/// A page that says so.
pub(in crate::response) fn problem(theme: &Theme<'_>, trouble: &Trouble<'_>) -> Answer {
    let (template, heading) = match trouble.remedy {
        Remedy::Waiting => (WAITING, theme.say("Please wait a moment")),
        Remedy::TryingAgain | Remedy::StartingOver => (PROBLEM, trouble.title),
    };
    let fillings = [
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
    };
    theme.show(trouble.status, &layout)
}
