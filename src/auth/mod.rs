//! Verifies identities: which statement counts, from which source. All decisions, no I/O. All decisions, no I/O.
//!
//! Signatures are verified by the runtime's WebCrypto and passwords by a module of their own; what is
//! here says which key and algorithm may speak, and what a verified text must say.

pub(crate) mod account;
pub(crate) mod authorization;
pub(crate) mod claimed;
pub(crate) mod claims;
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
