//! Drives a decision with pending needs: performs them, and decides again with the answers until none is left.
//!
//! Each decision first runs synchronously, because most have no needs.

use std::future::poll_fn;
use std::pin::pin;

use super::io::{self, Answered};
use super::runtime::{self, RequestContext};
use super::{futures, with_ready};
use crate::effect::{Answers, Need, Write};
use crate::router::Router;

/// Needs of a synchronous decision.
pub(super) struct Pending {
    /// Needs to perform.
    pub(super) needs: Vec<Need>,
    /// Answers so far.
    pub(super) answers: Answers,
    /// Values to store before it continues.
    pub(super) writes: Vec<Write>,
}

impl Pending {
    /// Creates the pending state of a decision. Takes its writes at once, because only this request waits for them.
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

/// Decision that repeats until it has no needs.
pub(super) trait Step {
    /// Type of the result.
    type Output;

    /// Decides with the answers so far.
    fn decide(&self, answers: &Answers) -> Decision<Self::Output>;

    /// Returns the text in which a test requests a fault.
    #[cfg(feature = "planted-faults")]
    fn text(&self) -> &str;
}

/// Result of a decision.
pub(super) enum Decision<T> {
    /// The decision is complete.
    Complete(T),
    /// These needs must be performed first.
    Pending(Vec<Need>),
}

/// Polls a future and attributes the work to a request: if the instance dies meanwhile, this request caused it.
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

/// Performs needs and decides again until the decision is complete. All needs of one round run concurrently.
pub(super) async fn drive<S: Step>(
    pending: Pending,
    context: &RequestContext,
    step: S,
) -> S::Output {
    let Pending {
        mut needs,
        mut answers,
        mut writes,
    } = pending;
    loop {
        for answered in perform_all(needs, writes, context).await {
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
            Decision::Complete(made) => return made,
            Decision::Pending(more) => {
                // A need may depend on the result of a probe.
                #[cfg(feature = "standalone")]
                super::probes::send_probes();
                writes = writes_of(&more);
                needs = more;
            }
        }
    }
}

/// Performs needs concurrently. `writes` are the values of [`Need::Store`].
pub(super) async fn perform_all(
    mut needs: Vec<Need>,
    mut writes: Vec<Write>,
    context: &RequestContext,
) -> Vec<Answered> {
    // Most decisions have one need, and a list of futures costs more than one future.
    match needs.pop() {
        Some(only) if needs.is_empty() => vec![io::perform(only, writes, context).await],
        Some(last) => {
            needs.push(last);
            let futures = needs.into_iter().map(|need| {
                let writes = match need {
                    Need::Store => core::mem::take(&mut writes),
                    _ => Vec::new(),
                };
                io::perform(need, writes, context)
            });
            futures::all(futures).await
        }
        None => Vec::new(),
    }
}
