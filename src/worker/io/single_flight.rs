//! Makes one call for concurrent requests that need the same answer; see [`crate::store::single_flight`].
//!
//! Requests share a promise of the request that makes the call. When one request settles it, the runtime resumes each
//! waiting request in its own context. A waker would run one request's work in another's context.

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

/// Calls of one kind in flight.
pub(in crate::worker) struct Flights<T>(RefCell<SingleFlight<Rc<Flight<T>>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

/// State shared by all callers of one call.
struct Flight<T> {
    answer: OnceCell<T>,
    is_followed: Cell<bool>,
    /// Promise that settles with the answer, or when the caller gave up.
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

/// Guard that ends a flight when dropped: with its answer, or without one if the calling request gave up.
struct Lead<'q, T: 'static> {
    flights: &'static LocalKey<Flights<T>>,
    question: &'q str,
    id: FlightId,
    flight: Rc<Flight<T>>,
}

impl<T: Clone> Lead<'_, T> {
    /// Shares the answer, if other requests wait for it.
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

/// Makes a call, or awaits an identical one in flight. Returns the answer and the time of its call.
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
