//! Renders the sign-out pages: the question, and the confirmation.

use super::{Form, Layout, Text, Theme};
use crate::response::Answer;

const SIGN_OUT: &str = include_str!("../../../www/pages/sign-out.html");
const SIGNED_OUT: &str = include_str!("../../../www/pages/signed-out.html");

/// Renders the question, because a link of another page must not sign the user out. `form_origins` are the origins
/// that signing out may redirect to, for example a provider's.
#[must_use]
pub(crate) fn confirm_sign_out(theme: &Theme<'_>, prefix: &str, form_origins: &[String]) -> Answer {
    let layout = Layout {
        heading: theme.translate("Sign out?"),
        main: theme.fill(SIGN_OUT, &[("prefix", Text(prefix))]),
        form: Form::ToUs(form_origins),
        script: "",
    };
    theme.show(200, &layout)
}

/// Renders the confirmation.
#[must_use]
pub(crate) fn signed_out(theme: &Theme<'_>) -> Answer {
    let layout = Layout {
        heading: theme.translate("You are signed out"),
        main: theme.fill(SIGNED_OUT, &[]),
        form: Form::None,
        script: "",
    };
    theme.show(200, &layout)
}
