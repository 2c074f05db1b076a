//! Signing in and out: the reserved paths of it, one file each, and what they share.

mod backchannel;
mod callback;
mod completion;
mod exchange;
mod form;
mod login;
mod password;
mod providers;
mod refresh;
mod sign_out;

pub(super) use providers::Providers;

use super::{Gateway, Passage};
use crate::answer::Answer;
use crate::answer::page::Look;
use crate::answer::problem::Problem;
use crate::inbound::request::Request;

impl Gateway {
    /// How pages of ours look to whoever asks.
    pub(super) fn look(&self, _request: &Request<'_>) -> Look {
        Look
    }

    fn refusal(&self, problem: &Problem, passage: &Passage<'_>) -> Answer {
        problem.answer(passage.request.is_navigation(), passage.trace_id)
    }
}
