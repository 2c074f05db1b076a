//! Renders the page on which a user changes the password.

use super::{Form, If, Layout, Text, Theme};
use crate::response::Answer;

const PASSWORD: &str = include_str!("../../../www/pages/password.html");
const CHANGED: &str = include_str!("../../../www/pages/password-changed.html");

/// State of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasswordState {
    /// The form is empty.
    Ask,
    /// The current password is wrong.
    Wrong,
    /// The new password is too short.
    TooShort,
    /// The password is changed.
    Done,
}

/// Renders the page.
#[must_use]
pub(crate) fn change_password(
    theme: &Theme<'_>,
    prefix: &str,
    status: u16,
    state: PasswordState,
) -> Answer {
    let fault = match state {
        PasswordState::Ask => "",
        PasswordState::Wrong => theme.text("current_wrong"),
        PasswordState::TooShort => theme.text("too_short"),
        PasswordState::Done => return theme.show(status, &done(theme)),
    };
    let fillings = [
        ("prefix", Text(prefix)),
        ("fault", Text(fault)),
        ("is_wrong", If(state == PasswordState::Wrong)),
        ("is_short", If(state == PasswordState::TooShort)),
    ];
    let layout = Layout {
        heading: theme.text("change_password"),
        main: theme.fill(PASSWORD, &fillings),
        form: Form::ToUs(&[]),
        script: "",
    };
    theme.show(status, &layout)
}

fn done(theme: &Theme<'_>) -> Layout<'static> {
    Layout {
        heading: theme.text("password_changed"),
        main: theme.fill(CHANGED, &[]),
        form: Form::None,
        script: "",
    }
}
