use super::*;
use proptest::prelude::*;

fn record() -> Record {
    let (identity, remembered) = Identity::parse(
        r#"{"user":"u","email":"u@x.example","name":"Zoë","groups":["a","b"],"remember":true}"#,
    )
    .unwrap();
    Record {
        previous: Some(Previous {
            id: SessionId::from_bytes([4; 16]),
            at: UnixSeconds(9),
            by_sign_in: true,
        }),
        opened: Some(UnixSeconds(1_700_000_400)),
        version: Version(7),
        epoch: Epoch(1_700_000_000_000),
        user_epoch: Epoch(1_700_000_000_001),
        idle: Some(Seconds(600)),
        remembered,
        identity: Some(identity),
        authenticated: Some(UnixSeconds(8)),
        sign_in: Some(SignIn([6; 6])),
        pin: Some("blue".to_owned()),
        device: Some("phone".to_owned()),
        country: Some("AT".to_owned()),
        browser: Some("Firefox".to_owned()),
        path: Some("/chat".to_owned()),
        data: Data::default().patched(r#"{"tier":"pro"}"#).unwrap(),
        grant: Some(TokenSet {
            subject: "u".to_owned(),
            access_token: Some("a".to_owned()),
            expires: Some(UnixSeconds(7)),
            ..TokenSet::default()
        }),
        vault: Vault::from_json(&serde_json::json!([["token", "v", "/", 5]])),
        ..Record::unstored(
            Handle([3; 16]),
            SessionId::from_bytes([5; 16]),
            UnixSeconds(1_700_000_000),
            UnixSeconds(1_700_000_500),
        )
    }
}

#[test]
fn every_kind_of_entry_round_trips() {
    let bare = Record::unstored(
        Handle([1; 16]),
        SessionId::from_bytes([2; 16]),
        UnixSeconds(1),
        UnixSeconds(2),
    );
    for entry in [
        Entry::Live(record()),
        Entry::Live(bare),
        Entry::Ended { at: UnixSeconds(5) },
    ] {
        assert_eq!(decode(&encode(&entry).concat()), Ok(entry));
    }
}

#[test]
fn unknown_fields_survive_a_rewrite() {
    let mut bytes = encode(&Entry::Live(record())).concat();
    bytes.pop();
    let mut newer = Encoder::new(&mut bytes);
    newer.u32(99).unwrap().str("from the future").unwrap();
    newer.u32(100).unwrap().array(2).unwrap().u8(1).unwrap();
    newer.map(1).unwrap().u8(1).unwrap().bool(true).unwrap();
    bytes.push(0xff);
    let Ok(Entry::Live(mut read)) = decode(&bytes) else {
        panic!("not read");
    };
    assert!(!read.unknown.is_empty());
    read.version = Version(8);
    let again = encode(&Entry::Live(read.clone())).concat();
    assert!(again.windows(15).any(|window| window == b"from the future"));
    assert_eq!(decode(&again), Ok(Entry::Live(read)));
}

#[test]
fn kind_of_a_later_release_is_reported_as_newer() {
    assert_eq!(decode(&[0xa1, 0, 7]), Err(BadFields::NewerKind));
    assert_eq!(decode(&[0xa0]), Err(BadFields::Malformed));
    assert_eq!(decode(&[]), Err(BadFields::Malformed));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = decode(&bytes);
    }
}
