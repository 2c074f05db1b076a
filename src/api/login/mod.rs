//! Signs users in and out: the reserved paths for it, one file each, and what they share.

pub(super) mod accounts;
pub(super) mod backchannel;
pub(super) mod by_access;
pub(super) mod callback;
pub(super) mod exchange;
pub(super) mod finish_login;
pub(super) mod form;
pub(super) mod password;
pub(super) mod popup;
pub(super) mod sign_out;
pub(super) mod start_login;

use crate::gateway::{Gateway, RequestContext};
use crate::http::request::Request;
use crate::response::Answer;
use crate::response::page::Theme;
use crate::response::problem::{Audience, Problem};

/// Returns the theme of pages for the client of a request.
pub(super) fn theme<'a>(gateway: &'a Gateway, request: &Request<'a>) -> Theme<'a> {
    Theme::of(&gateway.tenant.brand, request)
}

pub(super) fn refusal(
    gateway: &Gateway,
    problem: &Problem,
    context: &RequestContext<'_>,
) -> Answer {
    let audience = Audience::of(context.request, &gateway.tenant.brand);
    problem.answer(audience, context.trace.id())
}
