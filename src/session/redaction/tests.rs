//! Tests which values are hidden and which are shown.

use super::*;

use proptest::prelude::*;
use serde_json::json;

use crate::encoding;

#[test]
fn value_under_a_secret_key_is_hidden_with_its_children() {
    let data = json!({
        "theme": "dark",
        "accessToken": "x",
        "user": { "name": "ada", "X-API-KEY": ["a", { "b": 1 }], "cvv": 123 },
        "carts": [{ "card": { "number": "4111" }, "sum": 7 }],
        "authorization": null,
    });
    let Redacted { value, mut paths } = redacted(&data);
    assert_eq!(
        value,
        json!({
            "theme": "dark",
            "accessToken": HIDDEN,
            "user": { "name": "ada", "X-API-KEY": HIDDEN, "cvv": HIDDEN },
            "carts": [{ "card": HIDDEN, "sum": 7 }],
            "authorization": HIDDEN,
        })
    );
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "accessToken",
            "authorization",
            "carts[0].card",
            "user.X-API-KEY",
            "user.cvv"
        ]
    );
}

#[test]
fn secret_keys_are_recognised() {
    for key in [
        "token",
        "Refresh-Token",
        "id_token",
        "clientSecret",
        "PASSWORD",
        "passwd",
        "pwd",
        "userPwd",
        "Authorization",
        "api_key",
        "apikey",
        "API-KEY",
        "aPi_KeY",
        "key",
        "stripeKey",
        "keys",
        "cookies",
        "set-cookie",
        "credentials",
        "session_id",
        "sessionId",
        "PHPSESSID",
        "connect.sid",
        "card",
        "card_number",
        "cvv",
        "CVC2-cvc",
        "ssn",
        "jwt",
        "csrf",
        "iban",
    ] {
        assert!(names_a_secret(key), "{key}");
    }
    for key in [
        "theme",
        "monkey",
        "keyboard",
        "key_count",
        "discard",
        "author",
        "inside",
        "span",
        "company",
        "spinner",
        "passenger",
        "compass",
        "session",
        "id",
        "",
        "日本",
    ] {
        assert!(!names_a_secret(key), "{key}");
    }
}

#[test]
fn secret_texts_are_recognised() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    for secret in [
        jwt.to_owned(),
        format!("it was {jwt}, I think"),
        format!("https://a.example/?code={jwt}#x"),
        "Bearer zK3vQ9xT1mB7nR5wE2yU8iO4pL6sD0fG".to_owned(),
        "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
        "sk-proj-abcdefghijkl".to_owned(),
        "ghp_abcdefghijklmnop".to_owned(),
    ] {
        assert!(is_secret(&secret), "{secret}");
    }
    for plain in [
        "",
        "hello, how are you?",
        "550e8400-e29b-41d4-a716-446655440000",
        "2026-11-21T10:00:00Z",
        "/public/elements/CustomComponent.jsx",
        "https://chat.acme.example/project/a-rather-long-name/of-some-thing?tab=overview",
        "thread-2026-customer-support-conversation-1",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk",
        "sk-short",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA1",
    ] {
        assert!(!is_secret(plain), "{plain}");
    }
}

/// Generates a key that marks a secret, in any spelling.
fn telling() -> impl Strategy<Value = String> {
    let names: Vec<&str> = SECRET_PARTS
        .into_iter()
        .chain(SECRET_WORDS)
        .chain(SECRET_ENDS)
        .collect();
    let before = prop::sample::select(vec!["", "x_", "my-", "OLD_", "api-"]);
    (before, prop::sample::select(names), any::<u64>()).prop_map(|(before, name, capitals)| {
        let spelt = name.chars().enumerate().map(|(at, c)| {
            if capitals >> (at % 64) & 1 == 1 {
                c.to_ascii_uppercase()
            } else {
                c
            }
        });
        before.chars().chain(spelt).collect()
    })
}

fn harmless() -> impl Strategy<Value = String> {
    "[a-f]{1,4}[g-j]{0,4}".prop_filter("is no telling name", |key| !names_a_secret(key))
}

/// Generates JSON with `hunter2` in every secret value and nowhere else.
fn data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z ]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let marked = inner.clone().prop_map(|value| json!({ "hunter2": value }));
        let member = prop_oneof![3 => (harmless(), inner.clone()), 1 => (telling(), marked)];
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(member, 0..5)
                .prop_map(|members| { Value::Object(members.into_iter().collect()) }),
        ]
    })
}

/// Returns the value at a reported path.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    steps.fold(value, |value, step| match step.strip_suffix(']') {
        Some(index) => &value[index.parse::<usize>().unwrap()],
        None => &value[step],
    })
}

/// Removes the values at the given paths.
fn without(mut value: Value, paths: &[String]) -> Value {
    for path in paths {
        let (before, last) = path.rsplit_once('.').unwrap_or(("", path));
        let pointer: String = before
            .split(['.', '['])
            .filter(|step| !step.is_empty())
            .map(|step| format!("/{}", step.trim_end_matches(']')))
            .collect();
        value.pointer_mut(&pointer).unwrap()[last] = Value::Null;
    }
    value
}

proptest! {
    #[test]
    fn only_values_under_secret_keys_are_hidden(data in data()) {
        let Redacted { value, paths } = redacted(&data);
        prop_assert!(!value.to_string().contains("hunter2"));
        prop_assert_eq!(data.to_string().contains("hunter2"), !paths.is_empty());
        for path in &paths {
            prop_assert_eq!(at(&value, path), HIDDEN);
        }
        prop_assert_eq!(without(value, &paths), without(data, &paths));
    }

    #[test]
    fn secret_keys_are_recognised_in_every_spelling(key in telling()) {
        prop_assert!(names_a_secret(&key), "{}", key);
    }

    #[test]
    fn random_text_is_hidden(
        bytes in prop::collection::vec(any::<u8>(), 48..80),
        before in "[a-z ]{0,10} ?",
    ) {
        let random = encoding::base64url(&bytes);
        prop_assume!(bits_per_character(&random) >= RANDOM_BITS);
        let data = json!({ "a": [before + &random] });
        prop_assert_eq!(redacted(&data).value, json!({ "a": [HIDDEN] }));
    }

    #[test]
    fn sentences_are_not_hidden(text in "([A-Za-z]{1,12}[,.]? ){0,12}") {
        let data = json!({ "a": text });
        let shown = redacted(&data);
        prop_assert_eq!(shown.value, data);
    }
}

#[test]
fn secret_inside_a_text_is_found_by_its_label() {
    for text in [
        "{\"password\":\"hunter2\"}",
        "{\\\"api_key\\\": \\\"x\\\"}",
        "https://chat.example/files?access_token=abc",
        "Authorization: Basic abc",
        "4111 1111 1111 1111",
        "378282246310005",
    ] {
        assert!(holds_secret(text), "{text}");
    }
    for text in [
        "the password was changed",
        "https://chat.example/files?page=2",
        "a = b: c",
        "password=",
        "1234567890123",
        "2026-11-21T18:37:59",
        "how do I reset my token? Step 1: open the settings",
    ] {
        assert!(!holds_secret(text), "{text}");
    }
}
