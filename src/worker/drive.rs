//! Drives a decision that lacks something: meets its needs, and decides again with the answers, until nothing is
//! lacking.
//!
//! A decision is first asked for synchronously, because most lack nothing.

use std::future::poll_fn;
use std::pin::pin;

use super::io::{self, Answered};
use super::runtime::{self, RequestContext};
use super::{futures, with_ready};
use crate::effect::{Answers, Need, Write};
use crate::router::Router;

/// What a synchronous decision lacked.
pub(super) struct Pending {
    /// Its needs.
    pub(super) needs: Vec<Need>,
    /// What it was answered before.
    pub(super) answers: Answers,
    /// What it wants stored before it goes on.
    pub(super) writes: Vec<Write>,
}

impl Pending {
    /// Returns what a decision lacks. What it wants stored is taken at once: it is nobody else's to wait for.
    pub(super) fn new(needs: Vec<Need>, answers: Answers) -> Self {
        let writes = writes_of(&needs);
        Self {
            needs,
            answers,
            writes,
        }
    }
}

fn writes_of(needs: &[Need]) -> Vec<Write> {
    if needs.contains(&Need::Store) {
        with_ready(Router::take_writes).unwrap_or_default()
    } else {
        Vec::new()
    }
}

/// Something that is decided, again and again until nothing is lacking.
pub(super) trait Step {
    /// What is decided.
    type Made;

    /// Decides, given what was answered so far.
    fn decide(&self, answers: &Answers) -> Decision<Self::Made>;

    /// Returns the text in which a test asks for a fault.
    #[cfg(feature = "planted-faults")]
    fn text(&self) -> &str;
}

/// A decision, as far as it is made.
pub(super) enum Decision<T> {
    /// Nothing is lacking.
    Made(T),
    /// These needs have to be met first.
    Lacks(Vec<Need>),
}

/// Polls a future, and says whom it serves while it does: should the instance die then, this request is to blame.
pub(super) async fn attributed<T>(context: &RequestContext, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|polling| {
        runtime::attribute(Some(context));
        let polled = future.as_mut().poll(polling);
        runtime::attribute(None);
        polled
    })
    .await
}

/// Meets needs until nothing is lacking, and returns the decision. All needs of one round are met at once.
pub(super) async fn drive<S: Step>(pending: Pending, context: &RequestContext, step: S) -> S::Made {
    let Pending {
        mut needs,
        mut answers,
        mut writes,
    } = pending;
    loop {
        for answered in meet(needs, writes, context).await {
            if let Answered::Asset {
                bytes: Some(bytes), ..
            } = &answered
            {
                context.set_file(bytes);
            }
            answered.file_in(&mut answers);
        }
        #[cfg(feature = "planted-faults")]
        super::fault_injection::inject("drive", step.text());
        runtime::state_changed();
        match step.decide(&answers) {
            Decision::Made(made) => return made,
            Decision::Lacks(more) => {
                // It may be what they find that is lacking.
                #[cfg(feature = "standalone")]
                super::probes::send_probes();
                writes = writes_of(&more);
                needs = more;
            }
        }
    }
}

/// Meets needs, all at once. `writes` are what [`Need::Store`] is about.
pub(super) async fn meet(
    mut needs: Vec<Need>,
    mut writes: Vec<Write>,
    context: &RequestContext,
) -> Vec<Answered> {
    // Most decisions lack one thing: a list of futures costs more than one.
    match needs.pop() {
        Some(only) if needs.is_empty() => vec![io::perform(only, writes, context).await],
        Some(last) => {
            needs.push(last);
            let meetings = needs.into_iter().map(|need| {
                let writes = match need {
                    Need::Store => core::mem::take(&mut writes),
                    _ => Vec::new(),
                };
                io::perform(need, writes, context)
            });
            futures::all(meetings).await
        }
        None => Vec::new(),
    }
}
