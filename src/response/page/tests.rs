//! Tests all pages with ordinary and hostile values. `PAGES=folder cargo test --lib response::page` writes them there,
//! as JSON with status, headers and body.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::encoding::base64;
use crate::response::problem::{Audience, Problem};
use crate::response::theme::color::Color;
use crate::response::theme::palette::Colors;

fn links(links: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(text, url): &(&str, &str)| ((*text).to_owned(), (*url).to_owned());
    links.iter().map(owned).collect()
}

/// The default brand, a light one, a dark one, and one with long texts.
fn brands() -> Vec<(&'static str, Brand)> {
    let colors = |accent, background, text| {
        Colors {
            accent: Color::parse(accent).unwrap(),
            background: Color::parse(background).unwrap(),
            text: Color::parse(text).unwrap(),
        }
        .to_css()
    };
    let orchard = Brand {
        title: "Orchard Support".to_owned(),
        logo: Some("/orchard.svg".to_owned()),
        colors: colors("#1b7f4b", "#f2f7f0", "#1c2b22"),
        links: links(&[
            ("Terms", "/terms"),
            ("Privacy", "https://orchard.example/privacy"),
            ("Contact", "mailto:help@orchard.example"),
        ]),
        ..Brand::default()
    };
    let volt = Brand {
        title: "Volt".to_owned(),
        colors: colors("#ffd400", "#111111", "#fafafa"),
        css: "main { border-radius: 0 }\nbutton, .button, .boxed, input, .fault { border-radius: 0 !important }\nheader { font-size: 1.75rem; letter-spacing: .2em; text-transform: uppercase }".to_owned(),
        links: links(&[("Imprint", "/imprint")]),
        ..Brand::default()
    };
    let long = Brand {
        title: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
            .to_owned(),
        colors: colors("#0057b8", "#0057b8", "#ffffff"),
        links: links(&[
            ("Accessibility statement", "/a"),
            ("Terms and conditions of use", "/b"),
            ("Data protection declaration", "/c"),
            ("无障碍声明", "/d"),
        ]),
        ..Brand::default()
    };
    vec![
        ("default", Brand::default()),
        ("orchard", orchard),
        ("volt", volt),
        ("long", long),
    ]
}

/// Values from users and requests.
struct Words {
    prefix: &'static str,
    return_to: &'static str,
    username: &'static str,
    provider: (&'static str, &'static str),
    trace_id: &'static str,
    site: &'static str,
}

const KIND: Words = Words {
    prefix: "/_session",
    return_to: "/project?id=7&tab=2",
    username: "alice@example.com",
    provider: ("company", "Company account"),
    trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    site: "chat.example",
};

const HOSTILE: &str =
    "\"'><script>alert(1)</script></style></title><!--&amp;{style}[sign_in]\" onfocus=\"a()";

fn all(brand: &Brand, locale: Locale, words: &Words) -> Vec<(&'static str, Answer)> {
    let theme = Theme {
        brand,
        locale,
        site: words.site,
    };
    let (name, title) = words.provider;
    let providers = [
        (name, title, "https://id.example"),
        ("second", "Google", "https://accounts.google.com"),
        ("third", "Microsoft", "https://login.microsoftonline.com/x"),
    ];
    let owned = |(name, title, issuer): &(&str, &str, &str)| {
        (
            (*name).to_owned(),
            (*title).to_owned(),
            (*issuer).to_owned(),
        )
    };
    let providers: Vec<_> = providers.iter().map(owned).collect();
    let both = LoginPage {
        prefix: words.prefix,
        return_to: words.return_to,
        max_age: Some(60),
        has_password: true,
        providers: &providers,
        username: "",
        fault: None,
        popup: None,
    };
    let framed = LoginPage {
        popup: Some(Popup {
            state: words.trace_id,
            challenge: "challenge",
        }),
        ..both
    };
    let wrong = LoginPage {
        username: words.username,
        fault: Some(LoginFault::Wrong),
        providers: &[],
        ..both
    };
    let locked = LoginPage {
        fault: Some(LoginFault::Locked(290)),
        ..wrong
    };
    let only_providers = LoginPage {
        has_password: false,
        ..both
    };
    let person = Audience::Person(theme);
    let problem = |problem: Problem| problem.answer(person, words.trace_id);
    let password = |state| change_password(&theme, words.prefix, 200, state);
    vec![
        ("sign-in", login(&theme, 200, &both)),
        ("sign-in-wrong", login(&theme, 401, &wrong)),
        ("sign-in-locked", login(&theme, 429, &locked)),
        ("sign-in-framed", login(&theme, 200, &framed)),
        (
            "popup",
            hand_over(&theme, words.trace_id, words.username, words.return_to),
        ),
        ("sign-in-providers", login(&theme, 400, &only_providers)),
        (
            "sign-out",
            confirm_sign_out(
                &theme,
                words.prefix,
                false,
                &["https://id.example".to_owned()],
            ),
        ),
        (
            "sign-out-guest",
            confirm_sign_out(&theme, words.prefix, true, &[]),
        ),
        ("signed-out", signed_out(&theme)),
        ("password", password(PasswordState::Ask)),
        ("password-wrong", password(PasswordState::Wrong)),
        ("password-short", password(PasswordState::TooShort)),
        ("password-changed", password(PasswordState::Done)),
        ("waiting", problem(Problem::Overloaded(None))),
        ("problem-retry", problem(Problem::StoreUnavailable)),
        ("problem-host", problem(Problem::UnknownHost)),
        ("problem-anew", problem(Problem::SessionExpired)),
        (
            "problem-setup",
            problem(Problem::Misconfigured(words.username.to_owned())),
        ),
    ]
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let mut named = answer.headers.iter().filter(|(other, _)| *other == name);
    let value = named.next().map(|(_, value)| value.as_str());
    assert!(named.next().is_none(), "two of {name}");
    value.unwrap_or_default()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0
}

#[test]
fn every_page_is_valid_html_with_security_headers() {
    let folder = std::env::var_os("PAGES");
    for (whose, brand) in brands() {
        for locale in Locale::ALL {
            for (name, page) in all(&brand, locale, &KIND) {
                check(&page, locale);
                if let Some(folder) = &folder {
                    let headers: Vec<_> = page.headers.iter().map(|(n, v)| json!([n, v])).collect();
                    let saved =
                        json!({ "status": page.status, "headers": headers, "body": page.body });
                    let file = format!("{whose}.{}.{name}.json", locale.tag());
                    let path = std::path::Path::new(folder).join(file);
                    std::fs::write(path, saved.to_string()).unwrap();
                }
            }
        }
    }
}

fn check(page: &Answer, locale: Locale) {
    let body = &page.body;
    for once in ["<main>", "<h1>", "<title>", "<style>", "</html>"] {
        assert_eq!(body.matches(once).count(), 1, "{once} in {body}");
    }
    let mut markup = body.replace(between(body, "<style>", "</style>"), "");
    if body.contains("<script>") {
        let script = format!(
            "<script>{}</script>",
            between(body, "<script>", "</script>")
        );
        markup = markup.replace(&script, "");
    }
    for never in ["{", "}", "[", "]", "<script", " style=", "javascript:"] {
        assert!(!markup.contains(never), "{never} in {markup}");
    }
    assert!(body.contains(&format!("<html lang=\"{}\">", locale.tag())));
    assert_eq!(header(page, "content-language"), locale.tag());
    assert_eq!(header(page, "cache-control"), "no-store");
    assert_eq!(header(page, "x-content-type-options"), "nosniff");

    let policy = header(page, "content-security-policy");
    let hash = base64(&Sha256::digest(between(body, "<style>", "</style>")));
    assert_eq!(
        between(policy, "style-src ", ";"),
        format!("'sha256-{hash}'")
    );
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
    let script = body.contains("<script>").then(|| {
        let script = between(body, "<script>", "</script>");
        format!("'sha256-{}'", base64(&Sha256::digest(script)))
    });
    let allowed = policy.split_once("script-src ");
    let allowed = allowed.map(|(_, rest)| rest.split_once(';').unwrap().0);
    assert_eq!(allowed, script.as_deref());
    let has_form = body.contains("<form");
    assert_eq!(policy.contains("form-action 'self'"), has_form);
    let referrer = if has_form {
        "same-origin"
    } else {
        "no-referrer"
    };
    assert_eq!(header(page, "referrer-policy"), referrer);

    for field in body.split("<label for=\"").skip(1) {
        let id = field.split('"').next().unwrap();
        assert!(body.contains(&format!(" id=\"{id}\"")), "{id}");
    }
    for field in body.split(" aria-describedby=\"").skip(1) {
        let id = field.split('"').next().unwrap();
        assert!(
            body.contains(&format!(" id=\"{id}\" role=\"alert\"")),
            "{id}"
        );
    }
}

#[test]
fn page_values_are_escaped() {
    let hostile = Words {
        prefix: HOSTILE,
        return_to: HOSTILE,
        username: HOSTILE,
        provider: (HOSTILE, HOSTILE),
        trace_id: HOSTILE,
        site: HOSTILE,
    };
    // More than a document allows: the page does not rely on the document's checks.
    let hostile_brand = Brand {
        title: HOSTILE.to_owned(),
        logo: Some(format!("https://{HOSTILE}")),
        links: links(&[(HOSTILE, HOSTILE)]),
        ..Brand::default()
    };
    let plain_brand = Brand {
        title: "Friend".to_owned(),
        logo: Some("https://cdn.example/logo.svg".to_owned()),
        links: links(&[("Terms", "/terms")]),
        ..Brand::default()
    };
    for locale in Locale::ALL {
        let pages = all(&hostile_brand, locale, &hostile).into_iter();
        for ((name, theirs), (_, ours)) in pages.zip(all(&plain_brand, locale, &KIND)) {
            assert_eq!(skeleton(&theirs.body), skeleton(&ours.body), "{name}");
            let policy = |page| header(page, "content-security-policy").to_owned();
            let expected = policy(&ours).replace(" https://cdn.example", "");
            assert_eq!(policy(&theirs), expected, "{name}");
            for (_, value) in &theirs.headers {
                assert!(!value.contains("alert"), "{value}");
            }
        }
    }
}

/// Returns the tags of a page with their attributes' names, without the content between them.
fn skeleton(body: &str) -> Vec<String> {
    let tags = body.split('<').skip(1);
    tags.map(|tag| {
        let tag = tag.split('>').next().unwrap();
        tag.split('"').step_by(2).collect()
    })
    .collect()
}

#[test]
fn page_without_branding_names_its_host() {
    let named = |brand: &Brand, url: &str| {
        let packed = format!("GET\n{url}");
        let request = Request::parse(&packed).unwrap();
        let page = signed_out(&Theme::of(brand, &request));
        between(&page.body, "<header>", "</header>").to_owned()
    };
    let plain = Brand::default();
    assert_eq!(named(&plain, "https://chat.example/"), "chat.example");
    assert_eq!(named(&plain, "http://localhost:8787/x"), "localhost");
    assert_eq!(named(&plain, "http://[::1]:8787/"), "[::1]");
    let titled = Brand {
        title: "Acme Help".to_owned(),
        ..Brand::default()
    };
    assert_eq!(named(&titled, "https://chat.example/"), "Acme Help");
}

#[test]
fn every_language_is_shown_to_those_who_prefer_it() {
    for locale in Locale::ALL {
        let packed = format!("GET\nhttps://a/\naccept-language\n{},xx", locale.tag());
        let request = Request::parse(&packed).unwrap();
        let brand = Brand::default();
        let page = signed_out(&Theme::of(&brand, &request));
        assert_eq!(header(&page, "content-language"), locale.tag());
        assert!(page.body.contains(texts::page(locale, "session_ended")));
    }
}

#[test]
fn language_follows_brand_or_accept_language() {
    let packed = "GET\nhttps://a/\naccept-language\nzh-CN,zh;q=0.9,en;q=0.8";
    let request = Request::parse(packed).unwrap();
    let auto = Brand::default();
    assert_eq!(Theme::of(&auto, &request).locale, Locale::Chinese);
    let english = Brand {
        locale: Some(Locale::English),
        ..Brand::default()
    };
    assert_eq!(Theme::of(&english, &request).locale, Locale::English);
    let silent = Request::parse("GET\nhttps://a/").unwrap();
    assert_eq!(Theme::of(&auto, &silent).locale, Locale::English);
}

#[test]
fn policy_allows_images_from_the_logo_origin_only() {
    let sources = |logo: Option<&str>| {
        let brand = Brand {
            logo: logo.map(str::to_owned),
            ..Brand::default()
        };
        let theme = Theme {
            brand: &brand,
            locale: Locale::English,
            site: "chat.example",
        };
        let page = signed_out(&theme);
        between(header(&page, "content-security-policy"), "img-src ", ";").to_owned()
    };
    assert_eq!(sources(None), "'self'");
    assert_eq!(sources(Some("/logo.svg")), "'self'");
    assert_eq!(
        sources(Some("https://cdn.example:8443/a/logo.svg")),
        "'self' https://cdn.example:8443"
    );
    assert_eq!(
        sources(Some("https://cdn.example")),
        "'self' https://cdn.example"
    );
}

#[test]
fn sign_out_form_may_lead_to_the_providers() {
    let brand = Brand::default();
    let theme = Theme {
        brand: &brand,
        locale: Locale::English,
        site: "chat.example",
    };
    let page = confirm_sign_out(
        &theme,
        "/_session",
        false,
        &["https://id.example".to_owned()],
    );
    let policy = header(&page, "content-security-policy");
    assert!(
        policy.ends_with("form-action 'self' https://id.example"),
        "{policy}"
    );
}

#[test]
fn locked_out_page_shows_the_wait() {
    let brand = Brand::default();
    for (_, page) in all(&brand, Locale::English, &KIND) {
        assert_eq!(
            header(&page, "retry-after") == "290",
            page.body.contains("5 minutes")
        );
    }
}
