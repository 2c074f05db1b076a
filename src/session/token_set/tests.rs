use super::*;
use serde_json::json;

const NOW: UnixSeconds = UnixSeconds(1_000);

fn grant() -> TokenSet {
    TokenSet {
        provider: "main".to_owned(),
        issuer: "https://id.example".to_owned(),
        subject: "u1".to_owned(),
        sid: Some("s1".to_owned()),
        access_token: Some("old".to_owned()),
        expires: Some(NOW),
        lasts: Some(Seconds(100)),
        refresh_token: Some("r1".to_owned()),
        id_token: None,
        finished: vec![finished(0)],
    }
}

fn finished(at: usize) -> Finished {
    Finished {
        state: format!("state{at}"),
        return_to: format!("/{at}"),
    }
}

#[test]
fn finished_sign_ins_are_limited_and_newest_first() {
    let of = |at: usize, return_to: String| TokenSet {
        finished: vec![Finished {
            return_to,
            ..finished(at)
        }],
        ..grant()
    };
    let mut kept = grant();
    for at in 0..20 {
        kept = of(at, format!("/{at}")).following(Some(&kept));
    }
    assert_eq!(kept.finished.len(), MAX_FINISHED);
    assert_eq!(kept.finished_at("state19"), Some("/19"));
    assert_eq!(kept.finished_at("state10"), Some("/10"));
    assert_eq!(kept.finished_at("state9"), None);
    assert_eq!(TokenSet::from_json(&kept.to_json()).as_ref(), Some(&kept));
    let renewed = kept.clone().following(Some(&kept));
    assert!(renewed == kept, "renewed tokens keep it");
    for at in 20..23 {
        kept = of(at, format!("/{}", "x".repeat(1_000))).following(Some(&kept));
    }
    assert_eq!(kept.finished.len(), 2);
    let huge = of(1, "x".repeat(MAX_FINISHED_BYTES)).following(None);
    assert!(huge.finished.is_empty());
    assert!(
        of(1, String::new())
            .following(None)
            .finished_at("")
            .is_none()
    );
}

#[test]
fn token_set_of_an_older_release_is_read() {
    let mut older = grant().to_json();
    older.as_array_mut().unwrap().truncate(3);
    let read = TokenSet::from_json(&older).unwrap();
    assert_eq!((read.finished.len(), read.expires), (0, Some(NOW)));
    assert_eq!(read.to_json(), older);
}

#[test]
fn token_set_round_trips_and_debug_output_hides_it() {
    assert_eq!(TokenSet::from_json(&grant().to_json()), Some(grant()));
    assert_eq!(format!("{:?}", grant()), "TokenSet(secret)");
    assert_eq!(TokenSet::from_json(&json!([["a"], 1])), None);
}

#[test]
fn expired_token_is_not_used() {
    assert_eq!(grant().usable_token(NOW), None);
    assert_eq!(grant().usable_token(UnixSeconds(999)), Some("old"));
    let open = TokenSet {
        expires: None,
        ..grant()
    };
    assert_eq!(open.usable_token(NOW), Some("old"));
}

#[test]
fn only_fatal_refresh_errors_end_a_sign_in() {
    let read = |status, body| Refreshed::read(&grant(), status, body, NOW);
    let fresh = r#"{"access_token":"new","expires_in":60,"refresh_token":"r2"}"#;
    let Refreshed::Granted(next) = read(200, fresh) else {
        panic!("not granted");
    };
    assert_eq!(next.access_token.as_deref(), Some("new"));
    assert_eq!(next.expires, Some(UnixSeconds(1_060)));
    assert_eq!(
        (grant().margin(), next.margin()),
        (Seconds(25), Seconds(15))
    );
    assert_eq!(next.refresh_token.as_deref(), Some("r2"));
    assert_eq!(next.subject, "u1");
    let Refreshed::Granted(kept) = read(200, r#"{"access_token":"n","expires_in":"60"}"#) else {
        panic!("not granted");
    };
    assert_eq!(kept.refresh_token.as_deref(), Some("r1"), "not rotated");
    assert!(read(400, r#"{"error":"invalid_grant"}"#) == Refreshed::Over);
    for (status, body) in [
        (0, ""),
        (200, "{}"),
        (200, "<html>"),
        (400, r#"{"error":"invalid_request"}"#),
        (401, r#"{"error":"invalid_client"}"#),
        (429, "{}"),
        (500, r#"{"error":"invalid_grant"}"#),
    ] {
        assert!(read(status, body) == Refreshed::Later, "{status} {body}");
    }
}

#[test]
fn revocation_subject_of_a_sign_in_cannot_equal_a_user_id() {
    let [sub, sid] = <[String; 2]>::try_from(grant().subjects()).unwrap();
    assert_ne!(sub, sid);
    assert!(sub.contains('\0') && sid.contains('\0'));
}
