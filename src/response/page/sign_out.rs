//! Renders the sign-out pages: the question, and the confirmation.

use super::{Form, If, Layout, Text, Theme};
use crate::response::Answer;

const SIGN_OUT: &str = include_str!("../../../www/pages/sign-out.html");
const SIGNED_OUT: &str = include_str!("../../../www/pages/signed-out.html");

/// Renders the question, because a link of another page must not sign the user out. `form_origins` are the origins
/// that signing out may redirect to, for example a provider's. A guest is asked whether to end the session.
#[must_use]
pub(crate) fn confirm_sign_out(
    theme: &Theme<'_>,
    prefix: &str,
    is_guest: bool,
    form_origins: &[String],
) -> Answer {
    let fillings = [
        ("prefix", Text(prefix)),
        ("guest", If(is_guest)),
        ("user", If(!is_guest)),
    ];
    let layout = Layout {
        heading: theme.text(if is_guest {
            "end_session_question"
        } else {
            "sign_out_question"
        }),
        main: theme.fill(SIGN_OUT, &fillings),
        form: Form::ToUs(form_origins),
        script: "",
    };
    theme.show(200, &layout)
}

/// Renders the confirmation.
#[must_use]
pub(crate) fn signed_out(theme: &Theme<'_>) -> Answer {
    let layout = Layout {
        heading: theme.text("signed_out"),
        main: theme.fill(SIGNED_OUT, &[]),
        form: Form::None,
        script: "",
    };
    theme.show(200, &layout)
}
