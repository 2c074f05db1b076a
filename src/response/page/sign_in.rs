//! Renders the sign-in page: a password form, other providers, or both.

use super::{Form, If, Layout, Markup, Text, Theme, icon};
use crate::encoding::push_percent_encoded;
use crate::response::Answer;

const SIGN_IN: &str = include_str!("../../../www/pages/sign-in.html");

/// Script of the page in a frame: opens the pop-up window, and takes its code. Without a window the link opens a tab.
const FRAME: &str = include_str!("../../../www/pages/sign-in-frame.js");

/// Content of the sign-in page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginPage<'a> {
    /// Prefix of the reserved paths.
    pub prefix: &'a str,
    /// Path of this site to return to.
    pub return_to: &'a str,
    /// Maximum age of the sign-in in seconds, if required.
    pub max_age: Option<u64>,
    /// Whether the page has a password form.
    pub has_password: bool,
    /// Identity providers: name, title and issuer.
    pub providers: &'a [(String, String, String)],
    /// Username of the last attempt; empty at first.
    pub username: &'a str,
    /// Fault of the last attempt.
    pub fault: Option<LoginFault>,
    /// Sign-in that a pop-up window finishes for this page in a frame.
    pub popup: Option<Popup<'a>>,
}

/// Pending sign-in of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Popup<'a> {
    /// State of the sign-in.
    pub state: &'a str,
    /// Challenge for the code that the window hands over.
    pub challenge: &'a str,
}

/// Reason why a sign-in failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginFault {
    /// The name or the password is wrong; the page does not say which.
    Wrong,
    /// There were too many attempts. Holds the seconds to wait.
    Locked(u64),
}

/// Renders the sign-in page.
#[must_use]
pub(crate) fn login(theme: &Theme<'_>, status: u16, page: &LoginPage<'_>) -> Answer {
    let fault = match page.fault {
        None => String::new(),
        Some(LoginFault::Wrong) => theme.text("login_wrong").to_owned(),
        Some(LoginFault::Locked(0..=60)) => theme.text("locked_minute").to_owned(),
        Some(LoginFault::Locked(seconds)) => {
            theme.text_with("locked_minutes", &seconds.div_ceil(60).to_string())
        }
    };
    let providers: String = page
        .providers
        .iter()
        .map(|(name, title, issuer)| provider(theme, page, (name, title), issuer))
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
        ("state", Text(page.popup.map_or("", |popup| popup.state))),
    ];
    let layout = Layout {
        heading: theme.text("sign_in"),
        main: theme.fill(SIGN_IN, &fillings),
        form: if page.has_password || page.popup.is_some() {
            Form::ToUs(&[])
        } else {
            Form::None
        },
        script: if page.popup.is_some() { FRAME } else { "" },
    };
    let answer = theme.show(status, &layout);
    match page.fault {
        Some(LoginFault::Locked(seconds)) => answer.with("retry-after", seconds.to_string()),
        _ => answer,
    }
}

fn provider(
    theme: &Theme<'_>,
    page: &LoginPage<'_>,
    (name, title): (&str, &str),
    issuer: &str,
) -> String {
    let route = if page.popup.is_some() {
        "/popup?provider="
    } else {
        "/login?provider="
    };
    let mut url = [page.prefix, route].concat();
    push_percent_encoded(&mut url, name);
    url.push_str("&return_to=");
    push_percent_encoded(&mut url, page.return_to);
    if let Some(seconds) = page.max_age {
        url.push_str("&max_age=");
        url.push_str(&seconds.to_string());
    }
    if let Some(popup) = page.popup {
        url.push_str("&challenge=");
        url.push_str(popup.challenge);
    }
    let text = theme.text_with("continue_with", title);
    let icon = icon::of_issuer(issuer);
    let fillings = [
        ("url", Text(&url)),
        ("icon", Markup(&icon)),
        ("text", Text(&text)),
        ("popup", If(page.popup.is_some())),
    ];
    theme.fill(
        "<li><a class=\"button\" href=\"{url}\"{#popup} target=\"_blank\" rel=\"opener\"{/popup}>{icon}{text}</a></li>",
        &fillings,
    )
}
