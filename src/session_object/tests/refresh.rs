//! Tests token refreshes: when they are sent, with which token, and how the response is applied.

use serde_json::json;

use super::*;
use crate::auth::authorization;
use crate::effect::{self, Answers, Outbound};
use crate::session::record::Record;
use crate::session::token_set::TokenSet;

pub(super) const TOKEN_LASTS: Seconds = Seconds(400);

pub(super) fn grant() -> TokenSet {
    TokenSet {
        provider: "main".to_owned(),
        issuer: "https://id.example".to_owned(),
        subject: "u1".to_owned(),
        access_token: Some("old".to_owned()),
        expires: Some(NOW.seconds() + TOKEN_LASTS),
        lasts: Some(TOKEN_LASTS),
        refresh_token: Some("r1".to_owned()),
        ..TokenSet::default()
    }
}

/// Builds the gateway's token request, without a refresh token.
pub(super) fn call() -> Outbound {
    Outbound {
        url: "https://id.example/token".to_owned(),
        authorization: Some("Basic Y2xpZW50OnNlY3JldA".to_owned()),
        form: Some("grant_type=refresh_token".to_owned()),
        limit: 1_024,
    }
}

pub(super) fn order() -> Operation {
    Operation::Refresh {
        provider: "main".to_owned(),
        call: call(),
        renewal: None,
    }
}

pub(super) fn signed_in(grant: TokenSet) -> Object {
    let mut object = Object::new();
    object.change(signing_in(grant));
    object.run();
    object
}

fn signing_in(grant: TokenSet) -> UpdateCommand {
    let change = Change {
        identify: Some(r#"{"user":"u1"}"#.to_owned()),
        grant: Some(grant),
        ..Change::default()
    };
    UpdateCommand {
        change,
        ..patch("{}", 1)
    }
}

pub(super) fn signed_in_change() -> UpdateCommand {
    signing_in(grant())
}

impl Object {
    /// Returns the token request that the object sends, if any.
    pub(super) fn refresh(&mut self) -> Option<Outbound> {
        let verdict = self.apply(&command(order()));
        assert!(!verdict.wait);
        verdict.fetch
    }

    pub(super) fn respond(&mut self, status: u16, body: &str) -> Verdict {
        self.respond_to("r1", status, body)
    }

    /// Delivers the provider's response to a refresh token.
    pub(super) fn respond_to(&mut self, sent: &str, status: u16, body: &str) -> Verdict {
        let verdict =
            self.respond_with(order(), sent, &response(status, body), &Answers::default());
        assert!(verdict.fetch.is_none(), "one answer is enough");
        assert_eq!(verdict.needs, [], "one answer is enough");
        verdict
    }

    /// Delivers a response whose identity is checked.
    pub(super) fn respond_with(
        &mut self,
        order: Operation,
        sent: &str,
        response: &effect::Reply<'_>,
        answers: &Answers,
    ) -> Verdict {
        let sent = authorization::with_refresh_token(&call(), sent);
        let tenant = tenant();
        let verdict = Executor {
            tenant: &tenant,
            handle: HANDLE,
            keys: &keys(&tenant),
            random: &mut ChaCha20Rng::seed_from_u64(self.now.0),
            now: self.now,
        }
        .refreshed(
            &command(order),
            self.row.as_deref().unwrap(),
            &sent,
            response,
            answers,
        )
        .unwrap();
        if let Some(row) = &verdict.row {
            self.row = Some(row.clone());
        }
        verdict
    }

    pub(super) fn record(&mut self) -> Record {
        opened(&self.send(Operation::Read))
    }
}

pub(super) fn opened(reply: &Reply) -> Record {
    let tenant = tenant();
    let name = RecordName::derive(&tenant, HANDLE);
    match codec::open(&reply.sealed, &name, &keys(&tenant)) {
        Ok(Entry::Live(record)) => record,
        other => panic!("{other:?}"),
    }
}

pub(super) fn response(status: u16, body: &str) -> effect::Reply<'_> {
    effect::Reply { status, body }
}

pub(super) fn new_tokens() -> String {
    json!({ "access_token": "new", "expires_in": 400, "refresh_token": "r2" }).to_string()
}

#[test]
fn fresh_token_is_not_refreshed() {
    let mut object = signed_in(grant());
    assert!(object.refresh().is_none());
    // A refresh is due a minute before the expiry.
    object.now.0 += (TOKEN_LASTS.0 - 61) * 1_000;
    assert!(object.refresh().is_none());
    object.now.0 += 1_000;
    assert!(object.refresh().is_some());
}

#[test]
fn refresh_uses_the_refresh_token_of_the_object() {
    let mut object = signed_in(grant());
    object.now.0 += TOKEN_LASTS.0 * 1_000;
    let asked = object.refresh().unwrap();
    assert_eq!(
        (asked.url, asked.authorization),
        (call().url, call().authorization)
    );
    assert_eq!(
        asked.form.as_deref(),
        Some("grant_type=refresh_token&refresh_token=r1")
    );
    object.respond(200, &new_tokens());
    object.now.0 += TOKEN_LASTS.0 * 1_000;
    let asked = object.refresh().unwrap();
    assert!(asked.form.unwrap().ends_with("&refresh_token=r2"));
}

#[test]
fn late_refresh_gets_the_token_already_renewed() {
    let mut object = signed_in(grant());
    object.now.0 += TOKEN_LASTS.0 * 1_000;
    let before = object.record().version;
    assert!(object.refresh().is_some());
    let verdict = object.respond(200, &new_tokens());
    assert_eq!((verdict.reply.is, verdict.wait), (Status::Live, false));
    let record = opened(&verdict.reply);
    assert!(record.version > before);
    let renewed = record.grant.unwrap();
    assert_eq!(renewed.access_token.as_deref(), Some("new"));
    assert_eq!(renewed.expires, Some(object.now.seconds() + TOKEN_LASTS));
    assert_eq!(renewed.subject, "u1");
    let late = object.apply(&command(order()));
    assert!(late.fetch.is_none());
    let tokens = opened(&late.reply).grant.unwrap();
    assert_eq!(tokens.access_token.as_deref(), Some("new"));
}

#[test]
fn invalid_grant_ends_the_session_and_the_answer_waits() {
    let mut object = signed_in(grant());
    object.now.0 += TOKEN_LASTS.0 * 1_000;
    assert!(object.refresh().is_some());
    let verdict = object.respond(400, r#"{"error":"invalid_grant"}"#);
    assert_eq!((verdict.reply.is, verdict.wait), (Status::Ended, true));
    assert_eq!(object.run(), [Kind::Announce, Kind::Write, Kind::List]);
    assert!(object.refresh().is_none());
    assert_eq!(object.change(patch(r#"{"b":1}"#, 3)).is, Status::Ended);
}

#[test]
fn unavailable_provider_changes_nothing_and_is_retried_after_five_seconds() {
    for (status, body) in [
        (0, ""),
        (500, "oops"),
        (401, r#"{"error":"invalid_client"}"#),
    ] {
        let mut object = signed_in(grant());
        object.now.0 += TOKEN_LASTS.0 * 1_000;
        assert!(object.refresh().is_some());
        let before = object.record();
        let verdict = object.respond(status, body);
        assert_eq!((verdict.reply.is, verdict.wait), (Status::Live, false));
        assert_eq!(object.record(), before);
        object.now.0 += 4_999;
        assert!(object.refresh().is_none(), "{status}");
        object.now.0 += 1;
        assert!(object.refresh().is_some(), "{status}");
        object.respond(200, &new_tokens());
        assert!(object.refresh().is_none());
    }
}

#[test]
fn provider_answer_after_the_end_revives_nothing() {
    let mut object = signed_in(grant());
    object.now.0 += TOKEN_LASTS.0 * 1_000;
    assert!(object.refresh().is_some());
    object.change(end(2));
    let verdict = object.respond(200, &new_tokens());
    assert_eq!(verdict.reply.is, Status::Ended);
    assert_eq!(object.send(Operation::Read).is, Status::Ended);
}

#[test]
fn session_without_refresh_token_asks_no_provider() {
    assert!(Object::new().refresh().is_none(), "no session");
    let mut guest = Object::new();
    guest.change(patch(r#"{"a":1}"#, 1));
    guest.now.0 += TOKEN_LASTS.0 * 1_000;
    assert!(guest.refresh().is_none(), "no sign-in");
    for without in [
        TokenSet {
            refresh_token: None,
            ..grant()
        },
        TokenSet {
            expires: None,
            ..grant()
        },
    ] {
        let mut object = signed_in(without);
        object.now.0 += TOKEN_LASTS.0 * 1_000;
        assert!(object.refresh().is_none());
    }
}

#[test]
fn answer_for_an_earlier_sign_in_is_ignored() {
    let mut object = signed_in(grant());
    object.now.0 += TOKEN_LASTS.0 * 1_000;
    let before = object.record();
    for (status, body) in [
        (200, new_tokens()),
        (400, r#"{"error":"invalid_grant"}"#.to_owned()),
    ] {
        let verdict = object.respond_to("r0", status, &body);
        assert_eq!(verdict.reply.is, Status::Live);
        assert_eq!(object.record(), before);
    }
}

#[test]
fn refresh_token_is_sent_to_its_own_provider_only() {
    let mut object = signed_in(grant());
    object.now.0 += TOKEN_LASTS.0 * 1_000;
    let verdict = object.apply(&command(Operation::Refresh {
        provider: "other".to_owned(),
        call: call(),
        renewal: None,
    }));
    assert!(verdict.fetch.is_none());
}
