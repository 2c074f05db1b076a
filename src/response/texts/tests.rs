use std::collections::BTreeSet;

use serde_json::Map;

use super::*;

/// Problems that browsers do not cause by themselves, and those of API callers only.
const FOR_PROGRAMS: [&str; 20] = [
    "console_unconfigured",
    "not_allowed",
    "too_many_guesses",
    "framing",
    "upgrade_version",
    "upgrade_key",
    "api_key",
    "media_type",
    "bad_encoding",
    "json_depth",
    "json_count",
    "bad_json",
    "precondition_failed",
    "version_changed",
    "version_required",
    "leased",
    "needs_objects",
    "not_recorded",
    "token_invalid",
    "asset_is_page",
];

const TEMPLATES: [&str; 9] = [
    include_str!("../../../www/pages/frame.html"),
    include_str!("../../../www/pages/problem.html"),
    include_str!("../../../www/pages/waiting.html"),
    include_str!("../../../www/pages/sign-in.html"),
    include_str!("../../../www/pages/popup.html"),
    include_str!("../../../www/pages/signed-out.html"),
    include_str!("../../../www/pages/sign-out.html"),
    include_str!("../../../www/pages/password.html"),
    include_str!("../../../www/pages/password-changed.html"),
];

fn members(locale: Locale, name: &str) -> &'static Map<String, Value> {
    texts(locale).unwrap()[name].as_object().unwrap()
}

/// Returns all texts of a language with their names.
fn all(locale: Locale) -> impl Iterator<Item = (String, &'static str)> {
    let pages = members(locale, "pages").iter();
    let pages = pages.map(|(key, text)| (key.clone(), text.as_str().unwrap()));
    let problems = members(locale, "problems").iter().flat_map(|(code, pair)| {
        let pair = pair.as_array().unwrap();
        assert_eq!(pair.len(), 2, "{code}");
        let texts = pair.iter().enumerate();
        texts.map(move |(at, text)| (format!("{code} {at}"), text.as_str().unwrap()))
    });
    pages.chain(problems)
}

#[test]
fn every_language_has_every_text_with_the_same_placeholders() {
    for locale in Locale::ALL {
        let shape = |locale| -> Vec<_> {
            let texts = all(locale);
            let texts = texts.map(|(key, text)| (key, text.matches('%').count(), text.is_empty()));
            let mut texts: Vec<_> = texts.collect();
            texts.sort();
            texts
        };
        assert_eq!(shape(locale), shape(Locale::English), "{}", locale.tag());
    }
}

#[test]
fn no_text_looks_like_markup_or_a_slot() {
    for locale in Locale::ALL {
        for (key, text) in all(locale) {
            let has_markup = text.contains(['<', '>', '&', '"', '{', '}', '[', ']', '\\']);
            assert!(!has_markup && text.trim() == text, "{key}: {text}");
            assert!(text.matches('%').count() < 2, "{key}");
        }
    }
}

#[test]
fn translations_differ_from_english() {
    for locale in Locale::ALL.into_iter().skip(1) {
        let english: Vec<_> = all(Locale::English).collect();
        let equal = all(locale).filter(|text| !text.1.is_empty() && english.contains(text));
        // German and English share this word.
        let equal: Vec<_> = equal.filter(|(key, _)| key != "links").collect();
        assert_eq!(equal, [], "{}", locale.tag());
    }
}

#[test]
fn every_file_in_the_folder_is_a_language() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/www/texts");
    let files = std::fs::read_dir(folder).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name()).collect();
    let tags = Locale::ALL.map(|locale| format!("{}.json", locale.tag()).into());
    assert_eq!(files, BTreeSet::from(tags));
}

#[test]
fn every_text_of_a_page_is_used_and_exists() {
    let sources = [
        include_str!("../page/problem.rs"),
        include_str!("../page/sign_in.rs"),
        include_str!("../page/sign_out.rs"),
        include_str!("../page/password.rs"),
    ];
    let known = members(Locale::English, "pages");
    for template in TEMPLATES {
        for part in template.split('[').skip(1) {
            let key = part.split(']').next().unwrap();
            assert!(known.contains_key(key), "{key}");
        }
    }
    for key in known.keys() {
        let by_template = TEMPLATES
            .iter()
            .any(|text| text.contains(&format!("[{key}]")));
        let by_source = sources
            .iter()
            .any(|text| text.contains(&format!("{key:?}")));
        assert!(by_template || by_source, "{key}");
    }
}

/// Returns all codes from the source text, so that none can be missing.
fn codes() -> BTreeSet<&'static str> {
    let sources = [
        include_str!("../problem/kind.rs"),
        include_str!("../sign_in.rs"),
    ];
    let codes = sources.into_iter().flat_map(|source| {
        let (_, kinds) = source.split_once("fn kind(").unwrap();
        let kinds = kinds.split_once("};").map_or(kinds, |(kinds, _)| kinds);
        let kinds = kinds
            .split_once("fn hints(")
            .map_or(kinds, |(kinds, _)| kinds);
        let is_code = |text: &&str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        kinds.split('"').skip(1).step_by(2).filter(is_code)
    });
    codes.collect()
}

#[test]
fn every_problem_shown_in_a_browser_has_texts() {
    assert!(codes().len() > 40);
    let known = members(Locale::English, "problems");
    for code in codes() {
        assert_ne!(
            known.contains_key(code),
            FOR_PROGRAMS.contains(&code),
            "{code}"
        );
    }
    for code in known.keys() {
        assert!(codes().contains(code.as_str()), "{code}");
    }
}
