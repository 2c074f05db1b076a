//! Verifies identities: decides which statements of which source count. Performs no I/O.
//!
//! The runtime's WebCrypto verifies signatures, and a separate module checks passwords. This module decides which key
//! and algorithm are valid, and what a verified text must contain.

pub(crate) mod account;
pub(crate) mod authorization;
pub(crate) mod claimed;
pub(crate) mod claims;
pub(crate) mod handover;
pub(crate) mod hashing;
pub(crate) mod jwks;
pub(crate) mod jws;
pub(crate) mod login_state;
pub(crate) mod login_throttle;
pub(crate) mod logout_token;
pub(crate) mod methods;
pub(crate) mod provider;
pub(crate) mod return_url;
pub(crate) mod sealed_cookie;
pub(crate) mod token_refresh;
pub(crate) mod weak_keys;
