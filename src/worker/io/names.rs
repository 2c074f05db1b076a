//! Normalises user names for storage, lookup and throttling, so that case, surrounding blanks and composed accents do
//! not matter.
//!
//! The runtime provides the Unicode tables; `npm run users` stores names in the same form (`scripts/accounts.mjs`).

use js_sys::JsString;

/// Returns the form in which a name is compared.
pub(super) fn folded(name: &str) -> String {
    let name = JsString::from(name).trim().to_lower_case();
    name.normalize("NFC").into()
}
