use super::*;
use crate::response::theme::locale::Locale;
use serde_json::json;

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .headers
        .iter()
        .find(|(other, _)| *other == name)
        .map(|(_, value)| value.as_str())
}

#[test]
fn api_client_gets_problem_json() {
    let answer = Problem::StoreUnavailable.answer(Audience::Program, "abc");
    assert_eq!(answer.status, 503);
    assert_eq!(
        header(&answer, "content-type"),
        Some("application/problem+json")
    );
    assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    assert_eq!(header(&answer, "retry-after"), Some("5"));
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        body["type"],
        "https://vestibule.dev/problems/store-unavailable"
    );
    assert_eq!(
        (&body["code"], &body["trace_id"]),
        (&json!("store_unavailable"), &json!("abc"))
    );
}

fn person(brand: &Brand, locale: Locale) -> Audience<'_> {
    Audience::Person(Theme {
        brand,
        locale,
        site: "chat.example",
    })
}

#[test]
fn browser_gets_an_escaped_page() {
    let brand = Brand::default();
    for locale in Locale::ALL {
        let problem = Problem::Misconfigured("<script>".to_owned());
        let answer = problem.answer(person(&brand, locale), "<b>");
        assert_eq!(
            header(&answer, "content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(answer.body.contains("&lt;script&gt;") && !answer.body.contains("<script>"));
        assert!(answer.body.contains("&lt;b&gt;") && !answer.body.contains("<b>"));
    }
}

#[test]
fn only_browsers_get_chinese() {
    let brand = Brand::default();
    let page = Problem::NotFound.answer(person(&brand, Locale::Chinese), "");
    assert!(page.body.contains("此地址没有页面。"));
    assert_eq!(header(&page, "content-language"), Some("zh-Hans"));
    let brand = Brand {
        locale: Some(Locale::Chinese),
        ..Brand::default()
    };
    let call = Request::parse("GET\nhttp://a/\naccept-language\nzh").unwrap();
    let details = Problem::NotFound.answer(Audience::of(&call, &brand), "");
    assert!(
        details
            .body
            .contains("There is nothing at this reserved path.")
    );
}

#[test]
fn waiting_page_refreshes_itself() {
    let brand = Brand::default();
    let page = Problem::Overloaded(None).answer(person(&brand, Locale::English), "");
    assert!(page.body.contains("tries again by itself"));
    assert_eq!(header(&page, "refresh"), Some("10"));
}

#[test]
fn problem_carries_the_header_its_status_requires() {
    for (problem, name) in [
        (Problem::NoSession, "www-authenticate"),
        (Problem::MethodNotAllowed("GET"), "allow"),
        (Problem::UpgradeVersion, "sec-websocket-version"),
        (Problem::TooManyForgeries(3), "retry-after"),
    ] {
        assert!(
            header(&problem.answer(Audience::Program, ""), name).is_some(),
            "{problem:?}"
        );
    }
}
