//! Tests that a refresh checks the user as a sign-in does.

use serde_json::json;

use super::refresh::{TOKEN_LASTS, call, grant, new_tokens, opened, response, signed_in};
use super::*;
use crate::auth::methods::{Allow, ClaimNames};
use crate::auth::token_refresh::Renewal;
use crate::clock::UnixSeconds;
use crate::effect::{Answers, Found, Need};
use crate::encoding::base64url;

/// Builds a refresh that admits only the group `staff` and reads userinfo.
fn checked_refresh() -> Operation {
    let claim = |name: &str| name.to_owned();
    Operation::Refresh {
        provider: "main".to_owned(),
        call: call(),
        renewal: Some(Box::new(Renewal {
            client_id: "c".to_owned(),
            claims: ClaimNames {
                user: claim("sub"),
                email: claim("email"),
                name: claim("name"),
                groups: claim("groups"),
            },
            allow: Allow {
                groups: vec!["staff".to_owned()],
                ..Allow::default()
            },
            jwks_uri: "https://id.example/keys".to_owned(),
            keys: None,
            userinfo: Some("https://id.example/me".to_owned()),
        })),
    }
}

/// Delivers new tokens with this userinfo.
fn refresh_with(object: &mut Object, userinfo: &str) -> Verdict {
    let tokens = new_tokens();
    let response = response(200, &tokens);
    object.now.0 += TOKEN_LASTS.0 * 1_000;
    let before = object.row.clone();
    let first = object.respond_with(checked_refresh(), "r1", &response, &Answers::default());
    let [Need::Fetch { key, .. }] = &first.needs[..] else {
        panic!("{:?}", first.needs);
    };
    assert!(
        first.row.is_none() && object.row == before,
        "nothing is kept before it is judged"
    );
    let mut answers = Answers::default();
    let bytes = format!("200\n{userinfo}").into_bytes();
    answers.add(key, Found::Bytes(bytes), object.now);
    object.respond_with(checked_refresh(), "r1", &response, &answers)
}

#[test]
fn refresh_updates_groups_but_not_auth_time() {
    let mut object = signed_in(grant());
    let before = object.record();
    let verdict = refresh_with(
        &mut object,
        r#"{"sub":"u1","name":"U","groups":["staff","chess"]}"#,
    );
    assert_eq!((verdict.reply.is, verdict.event), (Status::Live, None));
    let record = opened(&verdict.reply);
    let identity = record.identity.clone().unwrap();
    assert_eq!(
        (identity.user.as_str(), identity.groups),
        ("u1", vec!["staff".to_owned(), "chess".to_owned()])
    );
    assert_eq!(record.grant.unwrap().refresh_token.as_deref(), Some("r2"));
    assert_eq!(
        (record.authenticated, record.id, record.previous),
        (before.authenticated, before.id, before.previous)
    );
}

#[test]
fn user_no_longer_allowed_is_signed_out_at_refresh() {
    for userinfo in [r#"{"sub":"u1"}"#, r#"{"sub":"u1","groups":["chess"]}"#] {
        let mut object = signed_in(grant());
        let verdict = refresh_with(&mut object, userinfo);
        assert_eq!((verdict.reply.is, verdict.wait), (Status::Ended, true));
        let event = verdict.event.unwrap();
        assert_eq!(
            (event.name(), event.text("reason")),
            ("not_admitted", "not among those allowed")
        );
        assert_eq!(object.run(), [Kind::Announce, Kind::Write, Kind::List]);
    }
}

#[test]
fn tokens_of_another_user_are_rejected_and_logged() {
    let mut object = signed_in(grant());
    let before = object.record();
    let verdict = refresh_with(&mut object, r#"{"sub":"u2","groups":["staff"]}"#);
    assert_eq!(verdict.reply.is, Status::Live);
    assert_eq!(verdict.event.unwrap().name(), "idp_token_invalid");
    assert_eq!(object.record(), before);
    assert!(object.refresh().is_none(), "it is left alone for a while");
}

#[test]
fn refresh_with_a_changed_user_id_ends_the_session() {
    let mut object = Object::new();
    let change = Change {
        identify: Some(r#"{"user":"renamed"}"#.to_owned()),
        grant: Some(grant()),
        authenticated: Some(UnixSeconds(3)),
        ..Change::default()
    };
    let begin = patch("{}", 1);
    object.change(UpdateCommand { change, ..begin });
    object.run();
    let verdict = refresh_with(&mut object, r#"{"sub":"u1","groups":["staff"]}"#);
    assert_eq!(verdict.reply.is, Status::Ended);
    assert_eq!(verdict.event.unwrap().text("reason"), "another user");
}

#[test]
fn unverified_id_token_is_not_stored() {
    let mut object = signed_in(grant());
    object.now.0 += TOKEN_LASTS.0 * 1_000;
    let part = base64url(b"{}");
    let body = json!({ "access_token": "new", "id_token": format!("{part}.{part}.c2ln") });
    let verdict = object.respond(200, &body.to_string());
    assert_eq!(opened(&verdict.reply).grant.unwrap().id_token, None);
}
