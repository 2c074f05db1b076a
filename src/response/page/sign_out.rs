//! The way out: asked for, and done.

use super::{Form, Layout, Text, Theme};
use crate::response::Answer;

const SIGN_OUT: &str = include_str!("../../../www/pages/sign-out.html");
const SIGNED_OUT: &str = include_str!("../../../www/pages/signed-out.html");

/// Asks whether to sign out: a link of another page must not do it. `form_origins` are those that
/// signing out may lead to, as an identity provider's.
#[must_use]
pub(crate) fn confirm_sign_out(look: &Theme<'_>, prefix: &str, form_origins: &[String]) -> Answer {
    let sheet = Layout {
        heading: look.say("Sign out?"),
        main: look.fill(SIGN_OUT, &[("prefix", Text(prefix))]),
        form: Form::ToUs(form_origins),
    };
    look.show(200, &sheet)
}

/// Says that the visitor is signed out.
#[must_use]
pub(crate) fn signed_out(look: &Theme<'_>) -> Answer {
    let sheet = Layout {
        heading: look.say("You are signed out"),
        main: look.fill(SIGNED_OUT, &[]),
        form: Form::None,
    };
    look.show(200, &sheet)
}
