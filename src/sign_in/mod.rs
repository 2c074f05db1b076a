//! Signing in: what is believed of whom, and on whose word. All decisions, no I/O.
//!
//! Signatures are verified by the runtime's WebCrypto and passwords by a module of their own; what is
//! here says which key and algorithm may speak, and what a verified text must say.

pub mod account;
pub mod attempts;
pub mod authorization;
pub mod claimed;
pub mod claims;
pub mod hashing;
pub mod jwks;
pub mod jws;
pub mod logout_token;
pub mod methods;
pub mod provider;
pub mod renewal;
pub mod return_address;
pub mod sealed;
pub mod transaction;
pub mod weak_keys;
