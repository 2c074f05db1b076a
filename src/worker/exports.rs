//! What `js/core.js` calls: each call takes and returns text, and is synchronous.
//!
//! A promise or an object across the boundary costs more than the work done behind it. What a decision lacks is left
//! to [`drive`], which the data plane calls in the same turn.

use std::cell::RefCell;

use js_sys::Promise;
use js_sys::futures::future_to_promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;

use super::drive::{self, Decision, Pending};
use super::runtime::RequestContext;
use super::{ISOLATE, Isolate, drain, io, keep_seed, log, millis, serve, with_ready};
use crate::answer::problem::{Audience, Problem};
use crate::brand::Brand;
use crate::clock::Seconds;
use crate::deployment::Deployment;
use crate::effect::{self, Failure, Found};
use crate::encoding;
use crate::forward::closing;
use crate::gateway::{HEEDED_FOR_WORDS, Settled, Step, UNHEEDED, Vigil};
use crate::inbound::engine_io;
use crate::inbound::request::Request;
use crate::protocol;
use crate::reception::Reception;
use crate::telemetry::log::{Event, Faults, Level};

/// Reads the settings; called once, with the first request's bindings. See
/// [`Deployment::from_bindings`].
#[wasm_bindgen]
pub fn configure(bindings: &str) {
    let served = Deployment::from_bindings(bindings)
        .map_err(|misconfigured| misconfigured.to_string())
        .and_then(|deployment| serve(deployment).map_err(|error| error.to_string()));
    if let Err(faults) = served {
        log::write(&Event::new(Level::Error, "misconfigured").with("detail", Faults(&faults)));
        ISOLATE.set(Isolate::Misconfigured(faults));
    }
}

/// Describes the text in which decisions cross to the data plane: see [`protocol::description`].
#[wasm_bindgen(js_name = describeWire)]
#[must_use]
pub fn describe_wire() -> String {
    protocol::description()
}

/// A step of a request, with what it is decided on.
enum Phase {
    /// Whether it is forwarded, and how.
    Admit { packed: String },
    /// What the client gets of the origin's answer.
    Settle {
        ticket: String,
        status: u16,
        headers: String,
    },
    /// What can wait until the client has the answer.
    Afterwards { ticket: String },
    /// Whether what stays open may stay open.
    Watch { ticket: String },
}

impl drive::Step for Phase {
    type Made = String;

    #[cfg(feature = "planted-faults")]
    fn text(&self) -> &str {
        match self {
            Self::Admit { packed } => packed,
            Self::Settle { headers, .. } => headers,
            Self::Afterwards { ticket } | Self::Watch { ticket } => ticket,
        }
    }

    fn decide(&self, answers: &effect::Answers) -> Decision<String> {
        let now = js_sys::Date::now();
        match self {
            Self::Admit { packed } => admit_step(packed, now, answers),
            Self::Settle {
                ticket,
                status,
                headers,
            } => settle_step(ticket, *status, headers, now, answers),
            Self::Afterwards { ticket } => afterwards_step(ticket, now, answers),
            Self::Watch { ticket } => watch_step(ticket, now, answers),
        }
    }
}

thread_local! {
    /// What the last decision lacked, until the data plane calls [`drive`](self::drive()).
    static PENDING: RefCell<Option<(Phase, Pending)>> = const { RefCell::new(None) };
}

/// Returns a decision that is made; of one that is not, `N`, and leaves the rest for [`drive`](self::drive()).
fn made(
    decision: Decision<String>,
    answers: effect::Answers,
    phase: impl FnOnce() -> Phase,
) -> String {
    match decision {
        Decision::Made(text) => text,
        Decision::Lacks(needs) => {
            let begun = answers.begun();
            PENDING.set(Some((phase(), Pending::new(needs, answers))));
            protocol::pending(begun)
        }
    }
}

/// The warm path: decides on a request nothing was asked for yet.
#[wasm_bindgen]
#[must_use]
pub fn admit(packed: &str, now: f64) -> String {
    admitted(packed, now, effect::Answers::default())
}

/// Decides on a request again after origins failed it: a line each with the origin's name, how (`lost`, `cut`,
/// `spoilt`, `unsent` or `timed-out`) and when that showed, apart by tabs. `seed` is what its trace was begun with, as
/// hex; empty if that is not known. `notes` are keys and texts of [`effect::Need::Note`], one after the other.
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
        let (Some(origin), Some(how), Some(at)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let failure = match how {
            "cut" => Failure::Cut,
            "spoilt" => Failure::Spoilt,
            "unsent" => Failure::Unsent,
            "timed-out" => Failure::TimedOut,
            _ => Failure::Lost,
        };
        answers.add_failure(origin, failure, millis(at.parse().unwrap_or(now)));
    }
    admitted(packed, now, answers)
}

/// Begins with a seed, as hex.
fn begun_with(seed: &str) -> Option<effect::Answers> {
    let mut answers = effect::Answers::default();
    answers.begin(encoding::from_hex(seed)?);
    Some(answers)
}

/// Begins a step behind a request: with the seed it was begun with, as hex, if it is driven again.
fn begun(seed: &str) -> effect::Answers {
    begun_with(seed).unwrap_or_else(|| {
        let mut answers = effect::Answers::default();
        if let Some(seed) = with_ready(Reception::draw_seed) {
            answers.begin(seed);
        }
        answers
    })
}

fn admitted(packed: &str, now: f64, mut answers: effect::Answers) -> String {
    let decision = admit_step(packed, now, &answers);
    if let Decision::Lacks(_) = &decision {
        keep_seed(&mut answers);
    }
    made(decision, answers, || Phase::Admit {
        packed: packed.to_owned(),
    })
}

/// Meets what the decision before lacked, and decides again until nothing is lacking.
#[wasm_bindgen]
pub fn drive(context: RequestContext) -> Promise {
    let pending = PENDING.take();
    future_to_promise(async move {
        let text = match pending {
            Some((phase, pending)) => {
                drive::attributed(&context, drive::drive(pending, &context, phase)).await
            }
            None => internal_error(),
        };
        Ok(JsValue::from_str(&text))
    })
}

fn admit_step(packed: &str, now: f64, answers: &effect::Answers) -> Decision<String> {
    ISOLATE.with_borrow_mut(|isolate| match isolate {
        Isolate::Ready(reception) => {
            #[cfg(feature = "planted-faults")]
            super::fault_injection::inject("admit", packed);
            let step = reception.admit(packed, millis(now), answers);
            drain(reception, now);
            match step {
                Step::Await(needs) => Decision::Lacks(needs),
                step => Decision::Made(protocol::step(
                    &step,
                    reception.facts(),
                    reception.has_learned(),
                )),
            }
        }
        Isolate::Misconfigured(faults) => {
            let request = Request::parse(packed);
            let brand = Brand::default();
            let audience =
                request.map_or(Audience::Program, |request| Audience::of(&request, &brand));
            Decision::Made(protocol::answer(
                &Problem::Misconfigured(faults.clone()).answer(audience, ""),
            ))
        }
    })
}

fn settle_step(
    ticket: &str,
    status: u16,
    headers: &str,
    now: f64,
    answers: &effect::Answers,
) -> Decision<String> {
    with_reception(|reception| {
        #[cfg(feature = "planted-faults")]
        super::fault_injection::inject("settle", headers);
        let settled = reception.settle(ticket, status, headers, millis(now), answers);
        drain(reception, now);
        match settled {
            Settled::Await(needs) => Decision::Lacks(needs),
            settled => Decision::Made(protocol::settled(&settled, reception.has_learned())),
        }
    })
}

fn afterwards_step(ticket: &str, now: f64, answers: &effect::Answers) -> Decision<String> {
    with_reception(|reception| {
        #[cfg(feature = "planted-faults")]
        super::fault_injection::inject("afterwards", ticket);
        let needs = reception.afterwards(ticket, millis(now), answers);
        drain(reception, now);
        if needs.is_empty() {
            Decision::Made(protocol::done())
        } else {
            Decision::Lacks(needs)
        }
    })
}

fn watch_step(ticket: &str, now: f64, answers: &effect::Answers) -> Decision<String> {
    with_reception(|reception| {
        #[cfg(feature = "planted-faults")]
        super::fault_injection::inject("watch", ticket);
        let vigil = reception.watch(ticket, millis(now), answers);
        drain(reception, now);
        match vigil {
            Vigil::Await(needs) => Decision::Lacks(needs),
            vigil => Decision::Made(protocol::vigil(&vigil)),
        }
    })
}

/// So many traces for a tenant's requests whose decisions are repeated.
#[wasm_bindgen(js_name = drawTraces)]
#[must_use]
pub fn draw_traces(tenant: &str, count: usize) -> String {
    ISOLATE.with_borrow_mut(|isolate| match isolate {
        Isolate::Ready(reception) => reception
            .gateway(tenant)
            .map_or_else(String::new, |gateway| protocol::traces(gateway, count)),
        Isolate::Misconfigured(_) => String::new(),
    })
}

/// The client's headers that no decision depends on: a line with those nothing depends on, and one with those by
/// which the words of our own answers are chosen.
#[wasm_bindgen(js_name = unheededHeaders)]
#[must_use]
pub fn unheeded_headers() -> String {
    [UNHEEDED.join(" "), HEEDED_FOR_WORDS.join(" ")].join("\n")
}

/// Where the reserved paths are.
#[wasm_bindgen(js_name = reservedPrefix)]
#[must_use]
pub fn reserved_prefix() -> String {
    ISOLATE.with_borrow(|isolate| match isolate {
        Isolate::Ready(reception) => reception.prefix().to_owned(),
        Isolate::Misconfigured(_) => String::new(),
    })
}

/// Settles an origin's answer. `seed` is empty, or what the step was begun with if it is driven again.
#[wasm_bindgen]
#[must_use]
pub fn settle(ticket: &str, status: u16, headers: &str, now: f64, seed: &str) -> String {
    let answers = begun(seed);
    let decision = settle_step(ticket, status, headers, now, &answers);
    made(decision, answers, || Phase::Settle {
        ticket: ticket.to_owned(),
        status,
        headers: headers.to_owned(),
    })
}

/// Does what can wait until the visitor has the answer.
#[wasm_bindgen]
#[must_use]
pub fn afterwards(ticket: &str, now: f64, seed: &str) -> String {
    let answers = begun(seed);
    let decision = afterwards_step(ticket, now, &answers);
    made(decision, answers, || Phase::Afterwards {
        ticket: ticket.to_owned(),
    })
}

/// Takes note that an origin that has answered with a reception error before has answered well.
#[wasm_bindgen]
pub fn recovered(origin: &str, now: f64) {
    ISOLATE.with_borrow_mut(|isolate| {
        if let Isolate::Ready(reception) = isolate {
            reception.recovered(origin, millis(now));
        }
    });
}

/// How much of an Engine.IO handshake's answer stands before the end of its `sid`, given how it begins; 0 if that
/// cannot be told yet, less if it is none.
#[wasm_bindgen(js_name = endOfSid)]
#[must_use]
pub fn end_of_sid(begins: &[u8]) -> i32 {
    match engine_io::end_of_sid(begins) {
        engine_io::Sid::EndsAt(at) => i32::try_from(at).unwrap_or(-1),
        engine_io::Sid::Unknown => 0,
        engine_io::Sid::None => -1,
    }
}

/// Looks after a stream or a socket that stays open.
#[wasm_bindgen]
#[must_use]
pub fn watch(ticket: &str, now: f64, seed: &str) -> String {
    let answers = begun(seed);
    let decision = watch_step(ticket, now, &answers);
    made(decision, answers, || Phase::Watch {
        ticket: ticket.to_owned(),
    })
}

/// See [`closing::code_for_both`].
#[wasm_bindgen(js_name = codeForBoth)]
#[must_use]
pub fn code_for_both(code: u16, reason: &str, is_clean: bool) -> u16 {
    closing::code_for_both(code, reason, is_clean)
}

/// A value to be stored.
#[wasm_bindgen]
pub struct PendingWrite(effect::Write);

#[wasm_bindgen]
impl PendingWrite {
    /// The storage key.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn key(&self) -> String {
        self.0.key.clone()
    }

    /// The bytes.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        self.0.value.clone()
    }

    /// How many seconds storage keeps it.
    #[wasm_bindgen(getter)]
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "at most 400 days")]
    pub fn ttl(&self) -> f64 {
        self.0.ttl.0 as f64
    }
}

/// The values to be stored since the last call.
#[wasm_bindgen(js_name = takeWrites)]
#[must_use]
pub fn take_writes() -> Vec<PendingWrite> {
    ISOLATE.with_borrow_mut(|isolate| match isolate {
        Isolate::Ready(reception) => reception
            .take_writes()
            .into_iter()
            .map(PendingWrite)
            .collect(),
        Isolate::Misconfigured(_) => Vec::new(),
    })
}

/// Stores a value in the background. The promise is settled once the value is stored or lost.
#[wasm_bindgen(js_name = storeInBackground)]
pub fn store_in_background(env: Env, key: String, value: Vec<u8>, ttl_s: f64) -> Promise {
    let ttl = Seconds(millis(ttl_s).0);
    let stored = io::store_in_background(env, effect::Write { key, value, ttl });
    future_to_promise(async move {
        stored.await;
        Ok(JsValue::TRUE)
    })
}

/// The answer to a request whose handling failed in a way that should not be possible.
#[wasm_bindgen(js_name = internalError)]
#[must_use]
pub fn internal_error() -> String {
    protocol::answer(&Problem::Internal.answer(Audience::Program, ""))
}

fn with_reception(act: impl FnOnce(&mut Reception) -> Decision<String>) -> Decision<String> {
    with_ready(act).unwrap_or_else(|| Decision::Made(internal_error()))
}
