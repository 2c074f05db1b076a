//! What went wrong, and what to do.

use super::{Form, Look, Sheet, Text, template::Filling::If};
use crate::answer::Answer;

const PROBLEM: &str = include_str!("../../../www/pages/problem.html");
const WAITING: &str = include_str!("../../../www/pages/waiting.html");

/// What went wrong.
pub(in crate::answer) struct Trouble<'a> {
    pub(in crate::answer) status: u16,
    pub(in crate::answer) title: &'a str,
    pub(in crate::answer) detail: &'a str,
    /// Stable; for who looks for the cause.
    pub(in crate::answer) code: &'a str,
    /// Leads to the log.
    pub(in crate::answer) trace_id: &'a str,
    pub(in crate::answer) remedy: Remedy,
}

/// What helps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::answer) enum Remedy {
    /// The page is loaded again by itself.
    Waiting,
    /// Loading the page again.
    TryingAgain,
    /// Another page.
    StartingOver,
}

/// A page that says so.
pub(in crate::answer) fn problem(look: &Look<'_>, trouble: &Trouble<'_>) -> Answer {
    let (template, heading) = match trouble.remedy {
        Remedy::Waiting => (WAITING, look.say("Please wait a moment")),
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
    let sheet = Sheet {
        heading,
        main: look.fill(template, &fillings),
        form: Form::None,
    };
    look.show(trouble.status, &sheet)
}
