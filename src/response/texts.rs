//! Provides the texts of Vestibule's own pages in each language, from `www/texts/`.
//!
//! The texts weigh more than the code that shows them. So the deployed Worker keeps them beside the wasm module, and
//! loads a language when it first shows a page in it.

use core::cell::{Cell, RefCell};

use serde_json::Value;

use super::theme::locale::Locale;

/// Returns the JSON text of a language, by its tag.
pub(crate) type Source = fn(&str) -> Option<String>;

thread_local! {
    static SOURCE: Cell<Source> = const { Cell::new(built_in) };
    /// Languages that were shown; at most one of each, so that they may stay for good.
    static LOADED: RefCell<Vec<(Locale, &'static Value)>> = const { RefCell::new(Vec::new()) };
}

/// Sets where the texts come from.
#[cfg(all(target_arch = "wasm32", feature = "standalone"))]
pub(crate) fn load_from(source: Source) {
    SOURCE.set(source);
}

/// Returns a text; in English if the language does not have it.
pub(super) fn page(locale: Locale, key: &'static str) -> &'static str {
    let text = |locale| texts(locale)?.get("pages")?.get(key)?.as_str();
    text(locale)
        .or_else(|| text(Locale::English))
        .unwrap_or(key)
}

/// Returns title and detail of a problem for people; `None` if only programs get it. The detail is empty if it differs
/// case by case.
pub(super) fn problem(locale: Locale, code: &str) -> Option<(&'static str, &'static str)> {
    let pair = |locale| {
        let pair = texts(locale)?.get("problems")?.get(code)?;
        Some((pair.get(0)?.as_str()?, pair.get(1)?.as_str()?))
    };
    pair(locale).or_else(|| pair(Locale::English))
}

fn texts(locale: Locale) -> Option<&'static Value> {
    let loaded = |(other, texts): &(Locale, &'static Value)| (*other == locale).then_some(*texts);
    if let Some(texts) = LOADED.with_borrow(|all| all.iter().find_map(loaded)) {
        return Some(texts);
    }
    let text = SOURCE.get()(locale.tag())?;
    let texts: &'static Value = Box::leak(Box::new(serde_json::from_str(&text).ok()?));
    LOADED.with_borrow_mut(|all| all.push((locale, texts)));
    Some(texts)
}

#[cfg(not(all(target_arch = "wasm32", feature = "standalone")))]
fn built_in(tag: &str) -> Option<String> {
    let text = match tag {
        "en" => include_str!("../../www/texts/en.json"),
        "zh-Hans" => include_str!("../../www/texts/zh-Hans.json"),
        "ja" => include_str!("../../www/texts/ja.json"),
        "de" => include_str!("../../www/texts/de.json"),
        "fr" => include_str!("../../www/texts/fr.json"),
        "es" => include_str!("../../www/texts/es.json"),
        _ => return None,
    };
    Some(text.to_owned())
}

/// Returns nothing: the data plane has the texts.
#[cfg(all(target_arch = "wasm32", feature = "standalone"))]
fn built_in(_tag: &str) -> Option<String> {
    None
}

#[cfg(test)]
mod tests;
