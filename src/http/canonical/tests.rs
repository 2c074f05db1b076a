use super::*;
use proptest::prelude::*;

use crate::http::path::{self, PathClass};

const SITE: &str = "https://chat.example";

/// Returns the target that is sent.
fn sent(target: &str) -> Result<String, TwoReadings> {
    let href = [SITE, target].concat();
    let location = Location::parse(&href).unwrap();
    let url = canonical(&location)?.unwrap_or_else(|| href.clone());
    Ok(url.strip_prefix(SITE).unwrap().to_owned())
}

#[test]
fn unambiguous_path_is_unchanged() {
    for target in [
        "/",
        "/chat/messages?thread=1&x=/../y",
        "/x%2fy",
        "/a%2Fb/",
        "/api/vhosts/%2F/permissions",
        "/proxy/https%3A%2F%2Fother.example%2Fa",
        "/proxy/https://other.example/a",
        "/a;b=c",
        "/a//b",
        "//a",
        "/%zz",
        "/a%",
        "/100%25",
        "/a%252fb",
        "/caf%e9",
        "/caf%C3%A9%20x",
        "/files/.hidden",
        "/...",
        "/a/..b/.c",
        "/a|b[c]:@!$&()*+,=~'",
        "/?q={}|^`\\;%00%c0%af//",
        "/a?",
    ] {
        assert_eq!(sent(target).as_deref(), Ok(target), "{target}");
    }
}

#[test]
fn dot_segments_are_resolved_and_invalid_bytes_escaped() {
    for (target, expected) in [
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/a/.%2E/b", "/b"),
        ("/a/%2e/b", "/a/b"),
        ("/.", "/"),
        ("/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/../../a", "/a"),
        ("/./a//b", "/a//b"),
        ("/a%2fb/c/../d", "/a%2fb/d"),
        ("/a/../b?c=/../d", "/b?c=/../d"),
        ("/a\"b{c}^`<>", "/a%22b%7Bc%7D%5E%60%3C%3E"),
        ("/caf\u{e9}?\u{e9}", "/caf%C3%A9?%C3%A9"),
        ("/?q='\"<>", "/?q=%27%22%3C%3E"),
        ("/a#b?c", "/a"),
        ("/a?b#c", "/a?b"),
    ] {
        assert_eq!(sent(target).as_deref(), Ok(expected), "{target}");
    }
}

#[test]
fn ambiguous_path_is_rejected() {
    for target in [
        "/public/a%2fb/../../secret",
        "/a%2fc/../_session/me",
        "/a%5cb/../c",
        "/a;b/../c",
        "/a%252fb/../c",
        "/a%2fb/c/../../d",
        "/a/../b%2fc",
        "/a/./b;c",
        "/a%2fb/x/..//c",
        "/a//../b",
        "/a//b%2fc",
        "/a%2fb//c",
        "/a//b;c",
        "/a//%252f",
        "/a/..%2fb",
        "/a%2f..",
        "/a%2f.%2fb",
        "/a/..;/b",
        "/a/..;x=1",
        "/a/%252e%252e/b",
        "/a/%25252e/b",
        "/a/.%252e/b",
        "/a/..%20/b",
        "/a/..%5cb",
        "/a\\b",
        "/\\b",
        "/a b",
        "/?a b",
        "/a%00b",
        "/a%2500b",
        "/%c0%af",
        "/%c0%ae%c0%ae/b",
        "/%e0%80%af",
        "/%f0%80%80%af",
        "/a\tb",
        "/a?b\tc",
        "/a\u{7f}",
    ] {
        assert_eq!(sent(target), Err(TwoReadings), "{target}");
    }
}

#[test]
fn longest_paths_take_linear_time() {
    // If it took more than linear time, this would not end.
    for part in [
        "/a", "/..", "/a%2f", "/%2525", "/;", "%25", "/a/..", "\u{e9}",
    ] {
        let target = ["/", &part.repeat(500_000 / part.len())].concat();
        let _ = sent(&target);
    }
}

/// Generates targets from parts that readers disagree about.
fn target() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "a", "b", ".", "..", "%2e", "%2E%2e", "%2f", "%5c", "\\", ";", "%25",
        "%252f", "%252e", "%00", "%c0%af", " ", "\"", "'", "^", "{", "?", "#", "\u{e9}", "%e9",
        "_session", "secret",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| ["/", &pieces.concat()].concat())
}

proptest! {
    #[test]
    fn canonical_path_is_idempotent(target in target()) {
        if let Ok(first) = sent(&target) {
            prop_assert_eq!(sent(&first), Ok(first.clone()));
            prop_assert!(first.starts_with('/'));
            prop_assert!(first.bytes().all(|b| b.is_ascii_graphic()));
        }
    }

    #[test]
    fn canonical_path_has_no_dot_segment_for_any_reader(target in target()) {
        if let Ok(first) = sent(&target) {
            let (path, _) = first.split_once('?').unwrap_or((&first, ""));
            for text in [path.as_bytes(), &percent::decoded(path.as_bytes()).bytes] {
                for segment in text.split(|b| matches!(b, b'/' | b'\\')) {
                    prop_assert!(!matches!(name(segment), b"." | b".."), "{}", first);
                }
            }
        }
    }

    #[test]
    fn decoding_and_resolving_commute(target in target()) {
        if let Ok(first) = sent(&target) {
            let path = |target: &str| {
                let path = target.split(['?', '#']).next().unwrap_or_default();
                path::resolved(path).unwrap_or_else(|| path.to_owned())
            };
            prop_assert_eq!(path(&target), path(&first));
        }
    }

    #[test]
    fn reserved_path_never_reaches_an_origin(target in target()) {
        if let Ok(first) = sent(&target) {
            let (path, _) = first.split_once('?').unwrap_or((&first, ""));
            if path::classify(path, "/_session") == PathClass::Origin {
                let read = path::resolved(path).unwrap_or_else(|| path.to_owned());
                prop_assert!(read != "/_session" && !read.starts_with("/_session/"));
            }
        }
    }
}
