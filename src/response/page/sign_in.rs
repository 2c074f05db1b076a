//! The sign-in page: a password form, other providers, or both.

use super::{Form, If, Layout, Markup, Text, Theme};
use crate::encoding::push_percent_encoded;
use crate::response::Answer;

const SIGN_IN: &str = include_str!("../../../www/pages/sign-in.html");

/// What the page offers, and what it is told of the last attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginPage<'a> {
    /// Where the reserved paths are.
    pub prefix: &'a str,
    /// Where the visitor wants to go: a path of this site.
    pub return_to: &'a str,
    /// How many seconds old a proof may be, if that was asked for.
    pub max_age: Option<u64>,
    /// Whether there is a password form.
    pub has_password: bool,
    /// Who else signs people in: name and title.
    pub providers: &'a [(String, String)],
    /// What was entered before; empty at first.
    pub username: &'a str,
    /// What was wrong with the last attempt.
    pub fault: Option<LoginFault>,
}

/// Why signing in did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginFault {
    /// The name or the password is wrong; it is not said which.
    Wrong,
    /// Too many attempts; seconds to wait.
    Locked(u64),
}

/// The sign-in page.
#[must_use]
pub(crate) fn login(theme: &Theme<'_>, status: u16, page: &LoginPage<'_>) -> Answer {
    let fault = match page.fault {
        None => String::new(),
        Some(LoginFault::Wrong) => theme
            .say("The username or the password is wrong.")
            .to_owned(),
        Some(LoginFault::Locked(0..=60)) => theme
            .say("Too many attempts. Try again in a minute.")
            .to_owned(),
        Some(LoginFault::Locked(seconds)) => theme.say_of(
            "Too many attempts. Try again in % minutes.",
            &seconds.div_ceil(60).to_string(),
        ),
    };
    let providers: String = page
        .providers
        .iter()
        .map(|(name, title)| provider(theme, page, name, title))
        .collect();
    let fillings = [
        ("prefix", Text(page.prefix)),
        ("return_to", Text(page.return_to)),
        ("username", Text(page.username)),
        ("fault", Text(&fault)),
        ("is_wrong", If(page.fault == Some(LoginFault::Wrong))),
        ("password", If(page.has_password)),
        ("is_unnamed", If(page.username.is_empty())),
        ("or", If(page.has_password && !page.providers.is_empty())),
        ("providers", Markup(&providers)),
    ];
    let layout = Layout {
        heading: theme.say("Sign in"),
        main: theme.fill(SIGN_IN, &fillings),
        form: if page.has_password {
            Form::ToUs(&[])
        } else {
            Form::None
        },
    };
    let answer = theme.show(status, &layout);
    match page.fault {
        Some(LoginFault::Locked(seconds)) => answer.with("retry-after", seconds.to_string()),
        _ => answer,
    }
}

fn provider(theme: &Theme<'_>, page: &LoginPage<'_>, name: &str, title: &str) -> String {
    let mut url = [page.prefix, "/login?provider="].concat();
    push_percent_encoded(&mut url, name);
    url.push_str("&return_to=");
    push_percent_encoded(&mut url, page.return_to);
    if let Some(seconds) = page.max_age {
        url.push_str("&max_age=");
        url.push_str(&seconds.to_string());
    }
    let text = theme.say_of("Continue with %", title);
    let fillings = [("url", Text(&url)), ("text", Text(&text))];
    theme.fill(
        "<li><a class=\"button\" href=\"{url}\">{text}</a></li>",
        &fillings,
    )
}
