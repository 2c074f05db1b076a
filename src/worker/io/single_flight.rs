//! Asks once for what several requests need at the same time: see [`crate::store::single_flight`].
//!
//! Requests share a promise, and it is the asking one's: the runtime hands what one request settles over to others
//! that wait for it, each where it belongs. A waker would run one request's work on behalf of another.

use core::cell::{Cell, OnceCell, RefCell};
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
use crate::store::single_flight::{FlightId, PATIENCE_MS, Role, SingleFlight};
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
    is_followed: Cell<bool>,
    /// Is settled when the answer is there, or nobody asks any more.
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
            is_followed: Cell::new(false),
            done,
            settle,
        })
    }

    async fn follow(&self) {
        self.is_followed.set(true);
        let done = JsFuture::from(self.done.clone());
        select(done, pin!(sleep(PATIENCE_MS))).await;
    }
}

/// Ends a flight when it is dropped: with its answer, or without one if the request that asks has given up.
struct Lead<'q, T: 'static> {
    flights: &'static LocalKey<Flights<T>>,
    question: &'q str,
    id: FlightId,
    flight: Rc<Flight<T>>,
}

impl<T: Clone> Lead<'_, T> {
    /// Shares the answer, if somebody waits for it.
    fn end(self, answer: &T) {
        if self.flight.is_followed.get() {
            let _ = self.flight.answer.set(answer.clone());
        }
    }
}

impl<T: 'static> Drop for Lead<'_, T> {
    fn drop(&mut self) {
        self.flights
            .with(|Flights(flights)| flights.borrow_mut().finish(self.question, self.id));
        if let (true, Some(settle)) = (self.flight.is_followed.get(), self.flight.settle.get()) {
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
                let lead = Lead {
                    flights,
                    question,
                    id: flight,
                    flight: shared,
                };
                let answer = work().await;
                lead.end(&answer);
                return (answer, asked);
            }
            Role::Follow {
                flight,
                asked,
                shared,
            } => {
                shared.follow().await;
                if let Some(answer) = shared.answer.get() {
                    return (answer.clone(), asked);
                }
                in_vain = Some(flight);
            }
        }
    }
}
