//! Asks once for what several requests need at the same time: see [`crate::store::single_flight`].
//!
//! Requests share a promise, and it is the asking one's: the runtime hands what one request settles over to others
//! that wait for it, each where it belongs. A waker would run one request's work on behalf of another.

use core::cell::{OnceCell, RefCell};
use core::future::Future;
use core::pin::pin;
use std::rc::Rc;
use std::thread::LocalKey;

use futures_util::future::select;
use js_sys::futures::JsFuture;
use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;

use super::now;
use crate::clock::UnixMillis;
use crate::store::single_flight::{PATIENCE_MS, Role, SingleFlight};
use crate::worker::timing::sleep;

/// Questions of one kind that are under way.
pub(in crate::worker) struct Flights<T>(RefCell<SingleFlight<Rc<Flight<T>>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

/// What those share who need the same answer.
struct Flight<T> {
    answer: OnceCell<T>,
    /// Is settled when the answer is there.
    done: Promise,
    settle: OnceCell<Function>,
}

impl<T> Flight<T> {
    fn begin() -> Rc<Self> {
        let settle = OnceCell::new();
        let done = Promise::new(&mut |resolve, _reject| {
            let _ = settle.set(resolve);
        });
        Rc::new(Self {
            answer: OnceCell::new(),
            done,
            settle,
        })
    }

    fn end(&self, answer: T) {
        let _ = self.answer.set(answer);
        if let Some(settle) = self.settle.get() {
            let _ = settle.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Asks a question, or waits for the answer to the same question if it is under way. Returns the answer, and when it
/// was asked for: it is that old.
pub(in crate::worker) async fn ask<T: Clone, F: Future<Output = T>>(
    flights: &'static LocalKey<Flights<T>>,
    question: &str,
    work: impl FnOnce() -> F,
) -> (T, UnixMillis) {
    let mut in_vain = None;
    loop {
        let asked = now();
        let role = flights.with(|Flights(flights)| {
            let mut flights = flights.borrow_mut();
            flights.join(question, in_vain, asked, |_| Flight::begin())
        });
        match role {
            Role::Lead { flight, shared } => {
                let answer = work().await;
                flights.with(|Flights(flights)| flights.borrow_mut().finish(question, flight));
                shared.end(answer.clone());
                return (answer, asked);
            }
            Role::Follow {
                flight,
                asked,
                shared,
            } => {
                let done = JsFuture::from(shared.done.clone());
                select(done, pin!(sleep(PATIENCE))).await;
                if let Some(answer) = shared.answer.get() {
                    return (answer.clone(), asked);
                }
                in_vain = Some(flight);
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "less than a second")]
const PATIENCE: u32 = PATIENCE_MS as u32;
