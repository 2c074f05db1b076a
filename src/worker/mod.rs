//! The only room that touches JavaScript: performs what the core decides, on the `worker` crate.
//!
//! The feature `standalone` adds what makes it the Worker that is deployed: the exports that the data plane calls
//! ([`exports`], [`steps`]), the Durable Objects, and what is reported. Without it the crate is a library (`embedded`). Either
//! way the data plane's part of a request is behind [`runtime`].

#![cfg_attr(
    feature = "standalone",
    expect(unreachable_pub, reason = "exported to JavaScript, not to Rust")
)]

mod counters;
mod drive;
mod futures;
mod io;
mod log;
mod objects;
mod timing;

#[cfg(feature = "standalone")]
mod exporter;
#[cfg(feature = "standalone")]
mod exports;
#[cfg(feature = "planted-faults")]
mod fault_injection;
#[cfg(feature = "standalone")]
mod health_checks;
#[cfg(feature = "standalone")]
mod probes;
#[cfg(feature = "standalone")]
mod steps;

#[cfg(not(feature = "standalone"))]
mod embedded;
#[cfg_attr(not(feature = "standalone"), path = "embedded/runtime.rs")]
mod runtime;

use std::cell::RefCell;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use thiserror::Error;

#[cfg(not(feature = "standalone"))]
pub use embedded::{Error, Vestibule};
#[cfg(feature = "standalone")]
pub(crate) use health_checks::check_health;

use crate::clock::UnixMillis;
use crate::deployment::Deployment;
use crate::effect::{Answers, Seed};
use crate::router::Router;

/// What this isolate is.
enum Isolate {
    /// Serving.
    Ready(Box<Router>),
    /// Not to be served by; the operator sees why.
    Misconfigured(String),
}

thread_local! {
    static ISOLATE: RefCell<Isolate> = const { RefCell::new(Isolate::Misconfigured(String::new())) };
}

/// There is no source of random numbers.
#[derive(Debug, Error)]
#[error("There is no source of random numbers.")]
pub(crate) struct NoRandomSource;

/// Serves a deployment from now on.
fn serve(deployment: Deployment) -> Result<(), NoRandomSource> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| NoRandomSource)?;
    let router = Router::new(deployment, ChaCha20Rng::from_seed(seed));
    ISOLATE.set(Isolate::Ready(Box::new(router)));
    Ok(())
}

/// Keeps the seed of a step that lacks something: it is asked again, and is to go on with the trace it began.
fn keep_seed(answers: &mut Answers) {
    if answers.seed().is_none() {
        with_ready(|router| {
            let seed = router.labels().seed;
            if seed != Seed::default() {
                answers.set_seed(seed);
            }
        });
    }
}

/// Acts on the router, unless the isolate is misconfigured.
fn with_ready<T>(act: impl FnOnce(&mut Router) -> T) -> Option<T> {
    ISOLATE.with_borrow_mut(|isolate| match isolate {
        Isolate::Ready(router) => Some(act(router)),
        Isolate::Misconfigured(_) => None,
    })
}

fn drain(router: &mut Router, now: f64) {
    for event in router.take_events() {
        let event = event.with("at", millis(now).0);
        router.show(&event);
        log::write(&event);
    }
}

/// The runtime's clock: milliseconds since the epoch, a whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn millis(now: f64) -> UnixMillis {
    UnixMillis(now as u64)
}
