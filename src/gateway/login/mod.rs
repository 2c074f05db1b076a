//! Signing in and out: the reserved paths of it, one file each, and what they share.

mod accounts;
mod backchannel;
mod callback;
mod exchange;
mod finish_login;
mod form;
mod password;
mod providers;
mod refresh;
mod sign_out;
mod start_login;

pub(super) use providers::Providers;

use super::{Gateway, RequestContext};
use crate::http::request::Request;
use crate::response::Answer;
use crate::response::page::Theme;
use crate::response::problem::{Audience, Problem};

impl Gateway {
    /// How pages of ours look to whoever asks.
    pub(super) fn look(&self, request: &Request<'_>) -> Theme<'_> {
        Theme::of(&self.tenant.brand, request)
    }

    fn refusal(&self, problem: &Problem, context: &RequestContext<'_>) -> Answer {
        let audience = Audience::of(context.request, &self.tenant.brand);
        problem.answer(audience, context.trace_id)
    }
}
