//! Checks that split text joins again, and that malformed input is rejected.

use super::*;
use proptest::prelude::*;

const UUID_TEXT: &str = "f2b6f7a0-6c1b-4e57-9f6e-3f1f0c8a7d21";

fn comes_back(plain: &[u8]) -> bool {
    let Cut { text, random } = split(plain);
    join(&text, &random, 1 << 20).as_deref() == Some(plain)
}

#[test]
fn token_is_split_into_claims_and_signature() {
    let header = r#"{"alg":"ES256"}"#;
    let claims = format!(r#"{{"sub":"{UUID_TEXT}"}}"#);
    let signature: Vec<u8> = (1..=64).map(|byte: u8| byte.wrapping_mul(37)).collect();
    let parts = [header.as_bytes(), claims.as_bytes(), &signature].map(encoding::base64url);
    let plain = format!(r#"["{UUID_TEXT}","{}"]"#, parts.join("."));
    let Cut { text, random } = split(plain.as_bytes());
    let expected = "[\"\u{1c}\0\",\"\u{1d}{\"alg\":\"ES256\"}\u{1f}.\u{1d}{\"sub\":\"\u{1c}\0\"}\u{1f}.\u{1e}\u{1}\"]";
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    assert_eq!(random.len(), 1 + 16 + 1 + 64);
    assert!(comes_back(plain.as_bytes()));
}

#[test]
fn text_that_is_no_token_is_unchanged() {
    for plain in [
        "eyJ",
        "eyJx",
        "eyJa-word",
        "F2B6F7A0-6C1B-4E57-9F6E-3F1F0C8A7D21",
        "f2b6f7a06c1b-4e57-9f6e-3f1f-0c8a7d21",
        "a_long_name_in_capitals_LIKE_THIS_one",
        "the second 2nd_Line_of_words_with_an_end",
    ] {
        assert!(comes_back(plain.as_bytes()), "{plain}");
    }
    let words = "preferred_username_of_the_visitor";
    assert_eq!(split(words.as_bytes()).text, words.as_bytes());
}

#[test]
fn values_beyond_the_index_range_stay_inline() {
    let values = (0..600_u32).map(|number| {
        let bytes = [number.to_be_bytes(), [0x81, 0xfe, 0x93, 0xc0]].concat();
        encoding::base64url(&bytes.repeat(4))
    });
    let plain = values.collect::<Vec<_>>().join(" ");
    assert!(comes_back(plain.as_bytes()));
}

#[test]
fn malformed_split_is_rejected() {
    for text in [
        b"\x1b".as_slice(),
        b"\x1c",
        b"\x1c\x00",
        b"\x1c\x01",
        b"\x1e\x02",
        b"\x1d",
        b"\x1f",
        b"\x1d\x1d\x1f\x1f",
    ] {
        assert_eq!(join(text, b"\x01a", 100), None, "{text:?}");
    }
    assert_eq!(join(b"", b"\x05a", 100), None);
    assert_eq!(join(&b"\x1e\x00".repeat(9), &[8; 9], 90), None);
}

proptest! {
    #[test]
    fn any_text_round_trips(text in "([A-Za-z0-9_-]{20,90}|eyJ[a-zA-Z0-9]{0,9}|[\\x18-\\x22]{0,3}|.{0,40}){0,12}") {
        prop_assert!(comes_back(text.as_bytes()));
    }

    #[test]
    fn any_bytes_round_trip(bytes: Vec<u8>) {
        prop_assert!(comes_back(&bytes));
    }

    #[test]
    fn arbitrary_bytes_never_panic(text: Vec<u8>, random: Vec<u8>) {
        let _ = join(&text, &random, 1 << 16);
    }
}
