//! Performs the core's decisions on the `worker` crate. Only this room uses JavaScript.
//!
//! The feature `standalone` adds the parts of the deployed Worker: exports for the data plane ([`exports`], [`steps`]),
//! Durable Objects, and reports. Without it the crate is a library (`embedded`). Either way [`runtime`] represents the
//! data plane.

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
use crate::deployment::{DEFAULT_SERVICE, Deployment};
use crate::effect::{Answers, Seed};
use crate::router::Router;

/// State of this isolate.
enum Isolate {
    /// The isolate serves requests.
    Ready(Box<Router>),
    /// The settings are invalid, for these reasons; every request is refused.
    Misconfigured(String),
}

thread_local! {
    static ISOLATE: RefCell<Isolate> = const { RefCell::new(Isolate::Misconfigured(String::new())) };
    /// What log lines and traces call this Worker.
    static SERVICE: RefCell<String> = RefCell::new(DEFAULT_SERVICE.to_owned());
}

/// Error without a source of random numbers.
#[derive(Debug, Error)]
#[error("There is no source of random numbers.")]
pub(crate) struct NoRandomSource;

/// Starts to serve a deployment.
fn serve(deployment: Deployment) -> Result<(), NoRandomSource> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| NoRandomSource)?;
    SERVICE.replace(deployment.service.clone());
    io::use_namespaces(&deployment.own_namespaces);
    #[cfg(all(target_arch = "wasm32", feature = "standalone"))]
    crate::response::texts::load_from(io::packed_files::texts);
    let router = Router::new(deployment, ChaCha20Rng::from_seed(seed));
    ISOLATE.set(Isolate::Ready(Box::new(router)));
    Ok(())
}

/// Returns the name of this Worker in log lines and traces.
fn service() -> String {
    SERVICE.with_borrow(Clone::clone)
}

/// Keeps the seed of a decision with needs, so that its repetition continues the same trace.
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

/// Runs `act` on the router; returns `None` if the settings are invalid.
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

/// Converts the runtime's clock: whole milliseconds since 1970.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn millis(now: f64) -> UnixMillis {
    UnixMillis(now as u64)
}
