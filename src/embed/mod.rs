//! Defines what an embedding Worker uses: settings, the session it gets, and the changes it asks for.
//!
//! To the core that handler is an origin: it gets what origins get and answers what origins answer
//! (`docs/reference/headers.md`), so nothing is decided here.

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
