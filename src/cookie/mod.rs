//! Finds the session cookie in a request, verifies it before any other step, and issues it.
//!
//! `ARCHITECTURE.md` describes its content. This module knows only the identifiers that the cookie holds.

pub(crate) mod jar;
pub(crate) mod name;
pub(crate) mod presented;
pub(crate) mod set_cookie;
pub(crate) mod sid_route;
pub(crate) mod token;
