use proptest::prelude::*;
use serde_json::json;

use super::*;

fn servers(base: &str, body: &Value) -> Result<Vec<String>, String> {
    let source = Source::parse(base).unwrap();
    match read(&source, &body.to_string()) {
        Ok(found) => Ok(found
            .into_iter()
            .map(|(name, entry)| format!("{name} {entry}"))
            .collect()),
        Err(bad) => Err(bad.to_string()),
    }
}

fn document(body: &Value) -> Result<Vec<String>, String> {
    servers("discover:https://list.example/", body)
}

#[test]
fn document_lists_texts_entries_and_groups() {
    assert_eq!(
        document(&json!([
            "http://b:2;weight=3",
            { "url": "https://a:1", "capacity": 9 },
            "named=http://c:3",
            { "targets": ["10.0.0.1:80", "10.0.0.2:80"], "labels": { "zone": "x" } },
            { "targets": ["d:4"], "labels": { "__scheme__": "https" } },
        ]))
        .unwrap(),
        [
            r#"10.0.0.1:80 {"url":"http://10.0.0.1:80"}"#,
            r#"10.0.0.2:80 {"url":"http://10.0.0.2:80"}"#,
            r#"a:1 {"capacity":9,"url":"https://a:1"}"#,
            r#"b:2 {"url":"http://b:2","weight":3}"#,
            r#"d:4 {"url":"https://d:4"}"#,
            r#"named {"name":"named","url":"http://c:3"}"#,
        ]
    );
}

#[test]
fn bad_document_is_rejected_with_the_reason() {
    for (body, expected) in [
        (json!({}), "no JSON array"),
        (json!("x"), "no JSON array"),
        (json!([]), "lists no server"),
        (json!([{ "targets": [] }]), "lists no server"),
        (json!([1]), "server 1: "),
        (
            json!(["http://a:1", "b"]),
            "server 2: url: use http(s)://host[:port]",
        ),
        (json!(["http://user:word@a:1"]), "server 1: url: use"),
        (json!(["http://a:1/path"]), "server 1: url: use"),
        (json!(["ftp://a:1"]), "server 1: url: use"),
        (json!(["service:CHAT"]), "server 1: use http(s)"),
        (json!(["discover:https://a/"]), "server 1: use http(s)"),
        (json!(["dns:a:1"]), "server 1: use http(s)"),
        (
            json!(["http://a:1;weight=0"]),
            "server 1: weight: use a number",
        ),
        (
            json!([{ "url": "http://a:1", "wieght": 2 }]),
            "server 1: wieght",
        ),
        (json!([{ "targets": ["a b"] }]), "server 1: url: use"),
    ] {
        let error = document(&body).unwrap_err();
        assert!(error.contains(expected), "{body}: {error}");
        assert!(!error.contains("word"), "{error}");
    }
    let source = Source::parse("discover:https://list.example/").unwrap();
    for garbage in ["", "<html>", "[", "\u{0}"] {
        assert_eq!(read(&source, garbage), Err(BadList::Form), "{garbage}");
    }
    let many: Vec<String> = (0..=MAX_SERVERS).map(|n| format!("http://a:{n}")).collect();
    assert!(
        document(&json!(many))
            .unwrap_err()
            .contains("more than 256")
    );
}

#[test]
fn services_of_the_best_priority_are_found() {
    let answer = json!({ "Status": 0, "Answer": [
        { "name": "_chat._tcp.a.example", "type": 5, "TTL": 30, "data": "b.example." },
        { "name": "b.example", "type": 33, "TTL": 30, "data": "20 5 8000 spare.example." },
        { "name": "b.example", "type": 33, "TTL": 30, "data": "10 7 8000 two.example." },
        { "name": "b.example", "type": 33, "TTL": 30, "data": "10 0 8001 one.example." },
        { "name": "b.example", "type": 33, "TTL": 30, "data": "10 65535 8002 three.example." },
        { "name": "b.example", "type": 33, "TTL": 30, "data": "0 0 0 ." },
    ] });
    assert_eq!(
        servers("srv:_chat._tcp.a.example", &answer).unwrap(),
        [
            r#"one.example:8001 {"url":"http://one.example:8001"}"#,
            r#"three.example:8002 {"url":"http://three.example:8002","weight":1000}"#,
            r#"two.example:8000 {"url":"http://two.example:8000","weight":7}"#,
        ]
    );
}

#[test]
fn addresses_are_found() {
    let answer = json!({ "Status": 0, "Answer": [
        { "name": "chat", "type": 28, "TTL": 30, "data": "::1" },
        { "name": "chat", "type": 1, "TTL": 30, "data": "10.0.0.2" },
        { "name": "chat", "type": 1, "TTL": 30, "data": "10.0.0.1" },
    ] });
    assert_eq!(
        servers("dns:https://chat:8443", &answer).unwrap(),
        [
            r#"10.0.0.1:8443 {"url":"https://10.0.0.1:8443"}"#,
            r#"10.0.0.2:8443 {"url":"https://10.0.0.2:8443"}"#,
        ]
    );
}

#[test]
fn dns_answer_without_servers_is_rejected() {
    for (answer, expected) in [
        (json!({ "Status": 3 }), "status 3"),
        (json!({ "Status": 0 }), "lists no server"),
        (json!({}), "no JSON array"),
        (json!([]), "no JSON array"),
        (
            json!({ "Status": 0, "Answer": [{ "type": 33, "data": "x" }] }),
            "no SRV record",
        ),
        (
            json!({ "Status": 0, "Answer": [{ "type": 33 }] }),
            "no SRV record",
        ),
        (
            json!({ "Status": 0, "Answer": [{ "type": 33, "data": "1 1 x y@z" }] }),
            "server 1: url: use",
        ),
    ] {
        let error = servers("srv:chat.example", &answer).unwrap_err();
        assert!(error.contains(expected), "{answer}: {error}");
    }
}

proptest! {
    #[test]
    fn order_of_a_list_does_not_matter(
        entries in proptest::collection::vec((0_u8..4, 0_u8..6, 1_u32..4), 1..12),
        turn in 0_usize..12,
    ) {
        let entry = |(name, host, weight): &(u8, u8, u32)| match name {
            0 => json!(format!("http://h{host}:1;weight={weight}")),
            name => json!({ "name": format!("n{name}"), "url": format!("http://h{host}:1"), "weight": weight }),
        };
        let mut list: Vec<Value> = entries.iter().map(entry).collect();
        let expected = document(&json!(list)).unwrap();
        let turn = turn % list.len();
        list.rotate_left(turn);
        prop_assert_eq!(&document(&json!(list)).unwrap(), &expected);
        list.reverse();
        prop_assert_eq!(&document(&json!(list)).unwrap(), &expected);
    }

    #[test]
    fn any_text_is_read_without_a_trap(text in ".*", base in 0_usize..3) {
        let base = ["discover:https://a/", "srv:a", "dns:a:1"][base];
        let _ = read(&Source::parse(base).unwrap(), &text);
    }
}
