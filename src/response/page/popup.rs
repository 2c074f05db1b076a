//! Renders the page of a pop-up window, which hands a sign-in over to the frame that opened it.

use super::{Form, Layout, Text, Theme};
use crate::response::Answer;

const POPUP: &str = include_str!("../../../www/pages/popup.html");
/// Script of the page. It posts the code to the page that opened the window, and only to one of this very site. If a
/// provider's page cut the connection to that page, it keeps the code for a second window, which has a connection.
const SCRIPT: &str = include_str!("../../../www/pages/popup.js");

/// Renders the page with a `code` for the owner of `challenge`. Without one the page goes on to `next`, unless an
/// earlier window left a code.
#[must_use]
pub(crate) fn hand_over(theme: &Theme<'_>, code: &str, challenge: &str, next: &str) -> Answer {
    let fillings = [
        ("code", Text(code)),
        ("challenge", Text(challenge)),
        ("next", Text(next)),
    ];
    let layout = Layout {
        heading: theme.text("sign_in"),
        main: theme.fill(POPUP, &fillings),
        form: Form::None,
        script: SCRIPT,
    };
    let mut answer = theme.show(200, &layout);
    // It would cut the connection to the frame.
    answer
        .headers
        .retain(|(name, _)| *name != "cross-origin-opener-policy");
    answer
}
