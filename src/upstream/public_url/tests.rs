use proptest::prelude::*;

use super::*;
use crate::balancer::pool::{Base, Origin, OriginName};

fn pools(bases: &[&str]) -> Pools {
    let origin = |(at, base): (usize, &&str)| {
        let name = OriginName::parse(&format!("o{at}")).unwrap();
        Origin::new(name, Base::parse(base).unwrap())
    };
    Pools::new(bases.iter().enumerate().map(origin).collect()).unwrap()
}

fn origins() -> Pools {
    pools(&[
        "http://10.0.0.1:8000",
        "http://chat.internal",
        "https://blue.internal:8443",
        "http://[2001:db8::1]:8000",
    ])
}

fn site(origins: &Pools) -> Site<'_> {
    Site {
        scheme: "https",
        authority: "chat.example",
        origins,
    }
}

#[test]
fn origin_urls_become_public_urls() {
    let origins = origins();
    for url in [
        "http://10.0.0.1:8000/a?b#c",
        "HTTP://10.0.0.1:8000/a?b#c",
        "http://10.0.0.1:08000/a?b#c",
        "https://10.0.0.1:8000/a?b#c",
        "//10.0.0.1:8000/a?b#c",
        "http://user:pw@10.0.0.1:8000/a?b#c",
        "http:\\\\10.0.0.1:8000/a?b#c",
        "http:///10.0.0.1:8000/a?b#c",
        "http:/10.0.0.1:8000/a?b#c",
        "http:10.0.0.1:8000/a?b#c",
        " http://10.0.0.1:8000/a?b#c",
        "http://chat.internal/a?b#c",
        "http://Chat.Internal:80/a?b#c",
        "http://chat.internal:/a?b#c",
        "http://chat.internal./a?b#c",
        "http://%63hat.internal/a?b#c",
        "https://chat.internal/a?b#c",
        "https://chat.internal:443/a?b#c",
        "//chat.internal/a?b#c",
        "https://blue.internal:8443/a?b#c",
        "http://blue.internal:8443/a?b#c",
        "http://[2001:DB8:0:0:0:0:0:1]:8000/a?b#c",
        // This site over plain http.
        "http://chat.example/a?b#c",
        "http://chat.example:80/a?b#c",
        "http://CHAT.example:443/a?b#c",
    ] {
        let public = site(&origins).made_public(url);
        assert_eq!(
            public.as_deref(),
            Some("https://chat.example/a?b#c"),
            "{url}"
        );
    }
    let bare = site(&origins).made_public("http://10.0.0.1:8000");
    assert_eq!(bare.as_deref(), Some("https://chat.example"));
}

#[test]
fn other_urls_are_unchanged() {
    let origins = origins();
    for url in [
        "",
        "/",
        "/a//b",
        "a",
        "?x=http://10.0.0.1:8000/",
        "#x",
        "https://chat.example/a",
        "//chat.example/a",
        "https://elsewhere.example/http://10.0.0.1:8000/",
        "http://10.0.0.1:80001/",
        "http://10.0.0.1:8001/",
        "http://10.0.0.1/",
        "http://10.0.0.1:8000@elsewhere.example/",
        "http://10.0.0.1:8000.elsewhere.example/",
        "http://chat.internal.elsewhere.example/",
        "http://x.chat.internal/",
        "http://chat.example:8000/",
        "http://blue.internal/",
        "ftp://10.0.0.1:8000/",
        "https:/10.0.0.1:8000/",
        "https:10.0.0.1:8000/",
        "mailto:a@chat.internal",
        "http://",
        "http://:80/",
        "http://[::1/",
    ] {
        assert_eq!(site(&origins).made_public(url), None, "{url}");
    }
}

#[test]
fn https_upgrade_of_the_same_host_is_unchanged() {
    let origins = origins();
    let clear = Site {
        scheme: "http",
        ..site(&origins)
    };
    assert_eq!(clear.made_public("https://chat.example/a"), None);
    assert_eq!(
        clear.made_public("https://10.0.0.1:8000/a").as_deref(),
        Some("http://chat.example/a")
    );
}

#[test]
fn refresh_header_is_parsed_as_browsers_do() {
    let origins = origins();
    for (value, expected) in [
        (
            "5; url=http://10.0.0.1:8000/a",
            Some("5; url=https://chat.example/a"),
        ),
        (
            "0;URL = 'http://10.0.0.1:8000/a' ;x",
            Some("0;URL = 'https://chat.example/a' ;x"),
        ),
        (
            "0.5,http://10.0.0.1:8000/a",
            Some("0.5,https://chat.example/a"),
        ),
        (
            "1 url=\"//chat.internal/a\"",
            Some("1 url=\"https://chat.example/a\""),
        ),
        ("5", None),
        ("", None),
        ("5; url=/a", None),
        ("5; url=https://elsewhere.example/", None),
        ("5; url='", None),
    ] {
        let public = site(&origins).made_public_in_refresh(value);
        assert_eq!(public.as_deref(), expected, "{value}");
    }
}

#[test]
fn each_link_target_is_rewritten() {
    let origins = origins();
    for (value, expected) in [
        (
            "<http://10.0.0.1:8000/a>; rel=\"next\", </b>; rel=prev,<https://blue.internal:8443/c>",
            Some("<https://chat.example/a>; rel=\"next\", </b>; rel=prev,<https://chat.example/c>"),
        ),
        (
            "</a>; title=\"<http://10.0.0.1:8000/a> \\\" <http://10.0.0.1:8000/b>\"",
            None,
        ),
        ("<http://10.0.0.1:8000/a", Some("<https://chat.example/a")),
        ("<https://cdn.example/a.css>; rel=preload", None),
        ("", None),
        ("<", None),
        ("\"", None),
    ] {
        let public = site(&origins).made_public_in_links(value);
        assert_eq!(public.as_deref(), expected, "{value}");
    }
}

#[test]
fn cookie_domain_of_an_origin_is_rewritten() {
    let origins = origins();
    for (line, expected) in [
        (
            "a=1; Domain=chat.internal; Path=/",
            Some("a=1; Domain=chat.example; Path=/"),
        ),
        (
            "a=1;domain = .Chat.Internal",
            Some("a=1; Domain=chat.example"),
        ),
        ("a=1; DOMAIN=internal", Some("a=1; Domain=chat.example")),
        ("a=1; Domain=10.0.0.1", Some("a=1; Domain=chat.example")),
        (
            "a=1; Domain=[2001:db8::1]",
            Some("a=1; Domain=chat.example"),
        ),
        ("Domain=chat.internal; Path=/", None),
        ("a=1; Domain=example", None),
        ("a=1; Domain=chat.example", None),
        ("a=1; Domain=elsewhere.example", None),
        ("a=1; Domain=0.0.1", None),
        ("a=1; Domain=", None),
        ("a=1; Domain", None),
        (
            "a=\"; Domain=chat.internal",
            Some("a=\"; Domain=chat.example"),
        ),
        ("", None),
    ] {
        let public = site(&origins).made_public_in_cookie(line);
        assert_eq!(public.as_deref(), expected, "{line}");
    }
    for authority in ["localhost:8787", "127.0.0.1:8787", "[::1]:8787", "chat"] {
        let local = Site {
            authority,
            ..site(&origins)
        };
        assert_eq!(
            local
                .made_public_in_cookie("a=1; Domain=chat.internal; Path=/")
                .as_deref(),
            Some("a=1; Path=/"),
            "{authority}"
        );
    }
}

#[test]
fn parent_cookie_domain_is_kept() {
    let origins = pools(&["http://origin.example.com"]);
    let site = Site {
        scheme: "https",
        authority: "chat.example.com",
        origins: &origins,
    };
    assert_eq!(site.made_public_in_cookie("a=1; Domain=example.com"), None);
    let rewritten = site.made_public_in_cookie("a=1; Domain=origin.example.com");
    assert_eq!(rewritten.as_deref(), Some("a=1; Domain=chat.example.com"));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "[ -~\u{e4}\u{4e2d}<>\"';,=:/\\\\@%.\\[\\]]{0,80}") {
        let origins = origins();
        let site = site(&origins);
        for _ in [
            site.made_public(&text),
            site.made_public_in_refresh(&text),
            site.made_public_in_links(&text),
            site.made_public_in_cookie(&text),
        ] {}
    }

    /// No spelling of an origin's address, and no rest of the URL, survives rewriting.
    #[test]
    fn origin_address_never_survives_rewriting(
        scheme in "(|[hH][tT][tT][pP]s?:)",
        user in "(|[a-z]{1,4}(:[a-z]{0,4})?@)",
        rest in "(|[/?#\\\\][ -~]{0,20})",
    ) {
        let origins = origins();
        let url = format!("{scheme}//{user}10.0.0.1:8000{rest}");
        let public = site(&origins).made_public(&url).unwrap();
        prop_assert_eq!(public, format!("https://chat.example{rest}"));
    }
}
