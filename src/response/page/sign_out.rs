//! Renders the sign-out pages: the question, and the confirmation.

use super::{Form, Layout, Text, Theme};
use crate::response::Answer;

const SIGN_OUT: &str = include_str!("../../../www/pages/sign-out.html");
const SIGNED_OUT: &str = include_str!("../../../www/pages/signed-out.html");

/// Asks whether to sign out: a link of another page must not do it. `form_origins` are those that
/// signing out may lead to, as an identity provider's.
#[must_use]
pub(crate) fn confirm_sign_out(theme: &Theme<'_>, prefix: &str, form_origins: &[String]) -> Answer {
    let layout = Layout {
        heading: theme.say("Sign out?"),
        main: theme.fill(SIGN_OUT, &[("prefix", Text(prefix))]),
        form: Form::ToUs(form_origins),
    };
    theme.show(200, &layout)
}

/// Says that the visitor is signed out.
#[must_use]
pub(crate) fn signed_out(theme: &Theme<'_>) -> Answer {
    let layout = Layout {
        heading: theme.say("You are signed out"),
        main: theme.fill(SIGNED_OUT, &[]),
        form: Form::None,
    };
    theme.show(200, &layout)
}
