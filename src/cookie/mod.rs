//! The session cookie: found in the request, verified before anything else is touched, minted.
//!
//! `ARCHITECTURE.md` says what it holds. Knows nothing of sessions beyond the identifiers the cookie carries.

pub mod jar;
pub mod name;
pub mod presented;
pub mod set_cookie;
pub mod sid_route;
pub mod token;
