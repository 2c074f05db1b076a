//! Vestibule is a session-aware gateway before chat servers.
//!
//! It is a Cloudflare Worker that validates the session cookie and keeps the session in Workers KV. It forwards HTTP,
//! SSE and WebSocket to the origin that holds the visitor's conversation.
//!
//! # Where the events are
//!
//! | event | where |
//! | --- | --- |
//! | `fetch` | `src/worker/js/entry.js`, which calls `src/worker/steps.rs` |
//! | `scheduled` | below, `#[event(scheduled)]` |
//! | Durable Objects: calls and alarms | `src/worker/objects/` |
//!
//! There is no `#[event(fetch)]` on purpose: JavaScript carries requests. `worker::Response` panics on odd statuses and
//! drops the status text. Bodies and frames must not enter wasm. A promise and an object per request cost more than the
//! decision. So `entry.js` gets the decision by one synchronous call, and then calls `fetch` at the origin. Whatever
//! needs waiting before that (KV, Durable Objects, identity providers) is Rust again. `npx wrangler dev` builds all.
//!
//! # Where a request goes
//!
//! | step | where |
//! | --- | --- |
//! | finds the tenant by host | `src/router.rs` |
//! | passes the stages, one a line | `forward` in `src/gateway/mod.rs` |
//! | rejects a forged cookie | detected in `src/cookie/token.rs`; counted in `src/gateway/authenticate.rs` (429 over the limit); `src/gateway/authorize.rs` begins a guest's session or refuses |
//! | selects the origin of a new session, and moves sessions | `src/gateway/new_session.rs`; `choice` in `src/gateway/select_origin.rs` |
//! | handles an object that does not answer | `UpdateError::Silent` in `src/gateway/update.rs` |
//! | handles the origin's response | `handle_response` in `src/gateway/response.rs` |
//! | serves the reserved paths, `/_session/…` | `respond` in `src/api/mod.rs` |
//!
//! Everything but `src/worker/` is synchronous Rust. It performs no I/O and reads no clock. A step takes its inputs as
//! parameters. It returns its decision or what it lacks, and is then called again with the answer. So the same code
//! runs in the Worker, in native tests and in a simulation, and a request that dies half-way leaves nothing behind.
//!
//! # As a library
//!
//! Another Worker on workers-rs can call Vestibule before its own handler: the session goes in, changes come out, and
//! the cookie is set on the response. It depends on this crate without its default features, which are the Worker above:
//!
//! ```toml
//! [dependencies]
//! vestibule = { git = "https://github.com/vestibule/vestibule", default-features = false }
//! worker = "0.8.7"
//! ```
//!
//! This is all of `examples/embed`, which `npm test` builds and runs in workerd. It is no documentation test, because
//! `Vestibule` exists on wasm32 only:
//!
//! ```ignore
#![doc = include_str!("../examples/embed/src/lib.rs")]
//! ```
//!
//! The handler gets a [`Session`] and returns [`Changes`]. An embedded Vestibule has the Worker's settings except
//! `ORIGINS`; it reads them from the bindings, or gets them as a [`Config`].

#![cfg_attr(
    not(all(target_arch = "wasm32", feature = "standalone")),
    allow(dead_code, reason = "the deployed Worker alone uses everything")
)]

mod api;
mod auth;
mod balancer;
mod clock;
mod config;
mod cookie;
mod deployment;
mod effect;
mod embed;
mod encoding;
mod flat_map;
mod gateway;
mod http;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod keys;
mod message;
mod policy;
mod response;
mod router;
mod rule;
mod secrets;
mod session;
mod session_object;
mod shared_text;
mod sorted;
mod span_id;
mod split;
mod store;
mod telemetry;
mod tenant;
mod tenant_id;
mod upstream;

#[cfg(test)]
mod golden;
#[path = "worker/protocol.rs"]
mod protocol;
#[cfg(test)]
mod simulation;
#[cfg(target_arch = "wasm32")]
mod worker;

pub use deployment::Misconfigured;
pub use embed::{Changes, Config, HANDLER_URL, Session};
pub use session::identity::{BadIdentity, Identity};
pub use upstream::request_headers::State;
#[cfg(all(target_arch = "wasm32", not(feature = "standalone")))]
pub use worker::{Error, Vestibule};

/// Performs the health checks, once a minute: see `wrangler.toml`.
#[cfg(all(target_arch = "wasm32", feature = "standalone"))]
#[::worker::event(scheduled)]
async fn scheduled(
    _event: ::worker::ScheduledEvent,
    env: ::worker::Env,
    _context: ::worker::ScheduleContext,
) {
    worker::check_health(&env).await;
}
