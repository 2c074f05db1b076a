//! Defines the API for an embedding Worker: settings, the session it gets, and the changes it requests.
//!
//! To the core the handler is an origin, with an origin's requests and responses (`docs/reference/headers.md`). So
//! this module decides nothing.

#![cfg_attr(
    feature = "standalone",
    allow(
        dead_code,
        reason = "no handler is called by the Worker that is deployed"
    )
)]

mod changes;
mod config;
mod session;

pub use changes::Changes;
pub use config::{Config, HANDLER_URL};
pub use session::Session;
