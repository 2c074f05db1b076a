//! Decides the steps of a request, for the data plane and for [`drive`](mod@super::drive).
//!
//! A step first runs synchronously, because most steps have no needs. If it has needs, it returns that, and the data
//! plane [drives](drive()) it in the same turn. A step after a request begins with a seed: its earlier one, as hex, if
//! another instance repeats it, else none.

use std::cell::RefCell;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::drive::{self, Decision, Pending};
use super::exports::internal_error;
#[cfg(feature = "planted-faults")]
use super::fault_injection;
use super::runtime::{self, RequestContext};
use super::{ISOLATE, Isolate, drain, futures, keep_seed, millis, probes, with_ready};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Failure, Found, Write};
use crate::encoding;
use crate::gateway::{ResponseAction, Revalidation, Step};
use crate::http::request::Request;
use crate::protocol;
use crate::response::problem::{Audience, Problem};
use crate::response::theme::Brand;
use crate::router::Router;

/// Step of a request, with its parameters.
enum Phase {
    /// Decides whether and how the request is forwarded.
    Admit { packed: String },
    /// Decides on the origin's response.
    HandleResponse {
        response_context: String,
        status: u16,
        headers: String,
    },
    /// Performs work after the response.
    RunBackground { response_context: String },
    /// Checks the session of an open stream or WebSocket.
    Revalidate { response_context: String },
}

impl drive::Step for Phase {
    type Output = String;

    #[cfg(feature = "planted-faults")]
    fn text(&self) -> &str {
        match self {
            Self::Admit { packed } => packed,
            Self::HandleResponse { headers, .. } => headers,
            Self::RunBackground { response_context } | Self::Revalidate { response_context } => {
                response_context
            }
        }
    }

    fn decide(&self, answers: &Answers) -> Decision<String> {
        let now = js_sys::Date::now();
        match self {
            Self::Admit { packed } => admit_step(packed, now, answers),
            Self::HandleResponse {
                response_context,
                status,
                headers,
            } => handle_response_step(response_context, *status, headers, now, answers),
            Self::RunBackground { response_context } => {
                run_background_step(response_context, now, answers)
            }
            Self::Revalidate { response_context } => {
                revalidate_step(response_context, now, answers)
            }
        }
    }
}

thread_local! {
    /// Needs of the last decision, until the data plane calls [`drive`](drive()).
    static PENDING: RefCell<Option<(Phase, Pending)>> = const { RefCell::new(None) };
}

/// Returns a complete decision. Otherwise returns `N` and keeps the needs for [`drive`](drive()).
fn completed_or_pending(
    decision: Decision<String>,
    answers: Answers,
    phase: impl FnOnce() -> Phase,
) -> String {
    match decision {
        Decision::Complete(text) => {
            begin_background();
            text
        }
        Decision::Pending(needs) => {
            let begun = answers.seed();
            PENDING.set(Some((phase(), Pending::new(needs, answers))));
            probes::send_probes();
            protocol::pending(begun)
        }
    }
}

/// Starts background work of a decision: stores values, sends probes.
fn begin_background() {
    for Write { key, value, ttl } in with_ready(Router::take_writes).unwrap_or_default() {
        #[expect(clippy::cast_precision_loss, reason = "at most 400 days")]
        runtime::store_later(&key, value, ttl.0 as f64);
    }
    probes::send_probes();
}

/// Decides on a request without any answers: the warm path.
#[wasm_bindgen]
#[must_use]
pub fn admit(packed: &str, now: f64) -> String {
    let answers = Answers::default();
    match admit_step(packed, now, &answers) {
        Decision::Complete(text) => text,
        pending @ Decision::Pending(_) => admitted(packed, pending, answers),
    }
}

/// Decides on a request again after origins failed. `failures` has a line per failure with tenant and origin, kind
/// (`lost`, `cut`, `spoilt`, `unsent` or `timed-out`) and time, separated by tabs. `seed` is that of its trace as hex,
/// or empty. `notes` alternates keys and texts of [`Need::Note`](crate::effect::Need::Note).
#[wasm_bindgen(js_name = admitAgain)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the boundary takes no slice of texts"
)]
#[must_use]
pub fn admit_again(
    packed: &str,
    now: f64,
    seed: &str,
    failures: &str,
    notes: Vec<String>,
) -> String {
    let mut answers = begun_with(seed).unwrap_or_default();
    for note in notes.chunks_exact(2) {
        if let [key, text] = note {
            let found = Found::Bytes(text.clone().into_bytes());
            answers.add(key, found, millis(now));
        }
    }
    for line in failures.lines() {
        let mut fields = line.split('\t');
        let (Some(place), Some(how), Some(at)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (_, origin) = place.split_once('/').unwrap_or_default();
        let at = at.parse().map_or_else(|_| millis(now), UnixMillis);
        let failure = match how {
            "cut" => Failure::Cut,
            "spoilt" => Failure::Spoilt,
            "unsent" => Failure::Unsent,
            "timed-out" => Failure::TimedOut,
            _ => Failure::Lost,
        };
        answers.add_failure(origin, failure, at);
    }
    runtime::state_changed();
    let decision = admit_step(packed, now, &answers);
    admitted(packed, decision, answers)
}

fn admitted(packed: &str, decision: Decision<String>, mut answers: Answers) -> String {
    if let Decision::Pending(_) = &decision {
        keep_seed(&mut answers);
    }
    completed_or_pending(decision, answers, || Phase::Admit {
        packed: packed.to_owned(),
    })
}

fn admit_step(packed: &str, now: f64, answers: &Answers) -> Decision<String> {
    let (decision, has_changed) = ISOLATE.with_borrow_mut(|isolate| match isolate {
        Isolate::Ready(router) => {
            #[cfg(feature = "planted-faults")]
            fault_injection::inject("admit", packed);
            let step = router.admit(packed, millis(now), answers);
            drain(router, now);
            // Our own response may have changed a session; a plain refusal does not.
            let has_changed = match step {
                Step::Forward(_) => false,
                Step::Answer(_) => router.has_changed_state(),
                Step::Asset(_) | Step::Await(_) => true,
            };
            let decision = match step {
                Step::Await(needs) => Decision::Pending(needs),
                step => Decision::Complete(protocol::step(&step, router.labels())),
            };
            (decision, has_changed)
        }
        Isolate::Misconfigured(faults) => {
            let request = Request::parse(packed);
            let brand = Brand::default();
            let audience =
                request.map_or(Audience::Program, |request| Audience::of(&request, &brand));
            let answer = Problem::Misconfigured(faults.clone()).answer(audience, "");
            (Decision::Complete(protocol::answer(&answer)), false)
        }
    });
    if has_changed {
        runtime::state_changed();
    }
    decision
}

/// Decides on an origin's response.
#[wasm_bindgen(js_name = handleResponse)]
#[must_use]
pub fn handle_response(
    response_context: &str,
    status: u16,
    headers: &str,
    now: f64,
    seed: &str,
) -> String {
    let answers = begun(seed);
    let decision = handle_response_step(response_context, status, headers, now, &answers);
    completed_or_pending(decision, answers, || Phase::HandleResponse {
        response_context: response_context.to_owned(),
        status,
        headers: headers.to_owned(),
    })
}

fn handle_response_step(
    response_context: &str,
    status: u16,
    headers: &str,
    now: f64,
    answers: &Answers,
) -> Decision<String> {
    let action = with_ready(|router| {
        #[cfg(feature = "planted-faults")]
        fault_injection::inject("response", headers);
        let action =
            router.handle_response(response_context, status, headers, millis(now), answers);
        drain(router, now);
        (action, router.has_changed_state())
    });
    // Most responses change no state of the core.
    if !matches!(
        action,
        Some((ResponseAction::Untouched | ResponseAction::Edited(_), false))
    ) {
        runtime::state_changed();
    }
    match action {
        Some((ResponseAction::Await(needs), _)) => Decision::Pending(needs),
        Some((action, _)) => Decision::Complete(protocol::response_action(&action)),
        None => Decision::Complete(internal_error()),
    }
}

/// Performs work after the response.
#[wasm_bindgen(js_name = runBackground)]
#[must_use]
pub fn run_background(response_context: &str, now: f64, seed: &str) -> String {
    let answers = begun(seed);
    let decision = run_background_step(response_context, now, &answers);
    completed_or_pending(decision, answers, || Phase::RunBackground {
        response_context: response_context.to_owned(),
    })
}

fn run_background_step(response_context: &str, now: f64, answers: &Answers) -> Decision<String> {
    runtime::state_changed();
    let needs = with_ready(|router| {
        #[cfg(feature = "planted-faults")]
        fault_injection::inject("background", response_context);
        let needs = router.run_background(response_context, millis(now), answers);
        drain(router, now);
        needs
    });
    match needs {
        Some(needs) if needs.is_empty() => Decision::Complete(protocol::done()),
        Some(needs) => Decision::Pending(needs),
        None => Decision::Complete(internal_error()),
    }
}

/// Checks whether the session of an open stream or WebSocket is still valid.
#[wasm_bindgen]
#[must_use]
pub fn revalidate(response_context: &str, now: f64, seed: &str) -> String {
    let answers = begun(seed);
    let decision = revalidate_step(response_context, now, &answers);
    completed_or_pending(decision, answers, || Phase::Revalidate {
        response_context: response_context.to_owned(),
    })
}

fn revalidate_step(response_context: &str, now: f64, answers: &Answers) -> Decision<String> {
    runtime::state_changed();
    let revalidation = with_ready(|router| {
        #[cfg(feature = "planted-faults")]
        fault_injection::inject("revalidate", response_context);
        let revalidation = router.revalidate(response_context, millis(now), answers);
        drain(router, now);
        revalidation
    });
    match revalidation {
        Some(Revalidation::Await(needs)) => Decision::Pending(needs),
        Some(revalidation) => Decision::Complete(protocol::revalidation(&revalidation)),
        None => Decision::Complete(internal_error()),
    }
}

/// Parses a seed from hex.
fn begun_with(seed: &str) -> Option<Answers> {
    let mut answers = Answers::default();
    answers.set_seed(encoding::from_hex(seed)?);
    Some(answers)
}

/// Creates the answers of a step after a request.
fn begun(seed: &str) -> Answers {
    begun_with(seed).unwrap_or_else(|| {
        let mut answers = Answers::default();
        if let Some(seed) = with_ready(Router::draw_seed) {
            answers.set_seed(seed);
        }
        answers
    })
}

/// Performs the needs of the last decision, and decides again until it is complete.
#[wasm_bindgen]
pub fn drive(context: RequestContext) -> Promise {
    let pending = PENDING.take();
    futures::promise(async move {
        let driven = async {
            let Some((phase, pending)) = pending else {
                return internal_error();
            };
            let text = drive::drive(pending, &context, phase).await;
            begin_background();
            text
        };
        let text = drive::attributed(&context, driven).await;
        Ok(JsValue::from_str(&text))
    })
}
