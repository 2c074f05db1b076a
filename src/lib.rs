//! Vestibule: the room a visitor passes through before the chat rooms.
//!
//! A Cloudflare Worker that validates the session cookie, keeps the session in Workers KV, and
//! forwards HTTP, SSE and WebSocket to the origin that holds the visitor's conversation.
//!
//! Everything in this crate but `worker` is plain synchronous Rust. It performs no I/O and reads no
//! clock: a step takes what it needs as parameters and returns either its decision or the one
//! read it lacks, and is then called again with the answer. So one and the same code runs in the
//! Worker, in native tests and in a simulation, and a request that dies half-way leaves nothing
//! behind. [`gateway`] holds the path of a request; every other module is one step of it.

pub mod answer;
pub mod brand;
pub mod clock;
pub mod cookie;
pub mod deployment;
pub mod document;
pub mod effect;
pub mod encoding;
pub mod flat_map;
pub mod forward;
pub mod gateway;
pub mod inbound;
pub mod keys;
pub mod ledger;
pub mod policy;
pub mod reception;
pub mod route;
pub mod secrets;
pub mod session;
pub mod sign_in;
pub mod span_id;
pub mod store;
pub mod telemetry;
pub mod tenant;
pub mod tenant_id;

#[cfg(test)]
mod golden;
#[cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "the data plane is in the Worker alone")
)]
#[path = "worker/protocol.rs"]
mod protocol;
#[cfg(test)]
mod simulation;
#[cfg(target_arch = "wasm32")]
mod worker;

/// Makes the health checks, once a minute: see `wrangler.toml`.
#[cfg(target_arch = "wasm32")]
#[::worker::event(scheduled)]
async fn scheduled(
    _event: ::worker::ScheduledEvent,
    env: ::worker::Env,
    _context: ::worker::ScheduleContext,
) {
    worker::check_health(&env).await;
}
