//! The session cookie: found in the request, verified before anything else is touched, minted.
//!
//! `ARCHITECTURE.md` says what it holds. Knows nothing of sessions beyond the identifiers the cookie carries.

pub(crate) mod jar;
pub(crate) mod name;
pub(crate) mod presented;
pub(crate) mod set_cookie;
pub(crate) mod sid_route;
pub(crate) mod token;
