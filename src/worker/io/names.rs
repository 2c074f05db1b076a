//! Puts names into the one form in which users' names are stored, looked up and counted: who types one in capitals,
//! with blanks around it, or with accents apart, means the same user.
//!
//! The tables for that are the runtime's; `npm run users` stores names in the same form (`scripts/accounts.mjs`).

use js_sys::JsString;

/// Returns the form in which a name is compared.
pub(super) fn folded(name: &str) -> String {
    let name = JsString::from(name).trim().to_lower_case();
    name.normalize("NFC").into()
}
