//! Checks commands to a session's object, and its replies, against those of earlier releases.

use serde_json::{Value, json};

use super::*;
use crate::auth::methods::{Allow, ClaimNames};
use crate::golden;
use crate::session::token_set::{Finished, TokenSet};
use crate::session::vault::StoredCookie;

/// All statuses with their names.
pub(super) const ALL: [(Status, &str); 7] = [
    (Status::Live, "live"),
    (Status::Ended, "ended"),
    (Status::Absent, "absent"),
    (Status::Outdated, "outdated"),
    (Status::Conflict, "conflict"),
    (Status::Held, "held"),
    (Status::Unreadable, "unreadable"),
];

const ID: SessionId = SessionId::from_bytes([3; 16]);

fn command(order: Operation) -> Command {
    Command {
        lifetime: Lifetime {
            idle: Seconds(600),
            absolute: Seconds(7_200),
            remember: Seconds(86_400),
        },
        max_per_user: None,
        adopt: None,
        named: None,
        order,
    }
}

fn change(change: Change) -> Command {
    let changing = UpdateCommand::new(change, 7, Epoch(1_700_000_000_123));
    command(Operation::Change(Box::new(changing)))
}

fn grant() -> TokenSet {
    TokenSet {
        provider: "main".to_owned(),
        issuer: "https://id.example".to_owned(),
        subject: "00ada".to_owned(),
        sid: Some("s".to_owned()),
        access_token: Some("a".to_owned()),
        expires: Some(UnixSeconds(1_700_003_600)),
        lasts: Some(Seconds(3_600)),
        refresh_token: Some("r".to_owned()),
        id_token: Some("i".to_owned()),
        finished: vec![Finished {
            state: "state".to_owned(),
            return_to: "/chat".to_owned(),
        }],
    }
}

fn call() -> Outbound {
    Outbound {
        url: "https://id.example/token".to_owned(),
        authorization: Some("Basic YTpi".to_owned()),
        form: Some("grant_type=refresh_token".to_owned()),
        limit: 65_536,
    }
}

fn renewal() -> Renewal {
    Renewal {
        client_id: "vestibule".to_owned(),
        claims: ClaimNames {
            user: "sub".to_owned(),
            email: "email".to_owned(),
            name: "name".to_owned(),
            groups: "groups".to_owned(),
        },
        allow: Allow {
            email_domains: vec!["acme.example".to_owned()],
            groups: vec!["staff".to_owned()],
            unverified_email: true,
            rule_groups: Vec::new(),
        },
        jwks_uri: "https://id.example/keys".to_owned(),
        keys: Some(r#"{"keys":[]}"#.to_owned()),
        userinfo: Some("https://id.example/me".to_owned()),
    }
}

fn commands() -> Vec<(&'static str, Command)> {
    let begin = InitialState {
        id: ID,
        created: UnixSeconds(1_700_000_000),
        device: Some("phone".to_owned()),
        country: Some("DE".to_owned()),
        browser: None,
        path: None,
    };
    let on_a_page = UpdateCommand {
        begin: Some(InitialState {
            browser: Some("Firefox".to_owned()),
            path: Some("/chat".to_owned()),
            ..begin.clone()
        }),
        ..UpdateCommand::new(Change::touch(), 9, Epoch(0))
    };
    let kept = StoredCookie {
        name: "access_token".to_owned(),
        value: "v".to_owned(),
        path: "/".to_owned(),
        expires: Some(UnixSeconds(1_700_086_400)),
    };
    let conditional = UpdateCommand {
        id: Some(ID),
        begin: Some(begin),
        if_version: Some(Version(9)),
        lease: Some(4),
        ..UpdateCommand::new(
            Change {
                patch: Some(r#"{"tier":"pro"}"#.to_owned()),
                ..Change::default()
            },
            8,
            Epoch(0),
        )
    };
    let identify = Change {
        identify: Some(r#"{"user":"ada"}"#.to_owned()),
        groups_omitted: 2,
        authenticated: Some(UnixSeconds(1_699_999_999)),
        proved: true,
        grant: Some(grant()),
        ..Change::default()
    };
    let others = Change {
        keep: vec![kept],
        idle: Some(Seconds(60)),
        rotate: true,
        pin: Some(Some("blue".to_owned())),
        ..Change::default()
    };
    let end = Change {
        end: true,
        ..Change::default()
    };
    let no_pin = Change {
        pin: Some(None),
        ..Change::default()
    };
    let lease = |token| {
        Operation::Lease(LeaseCommand {
            seconds: Seconds(30),
            token,
            once: 11,
            exclusive: false,
        })
    };
    let refresh = |renewal: Option<Renewal>| Operation::Refresh {
        provider: "main".to_owned(),
        call: call(),
        renewal: renewal.map(Box::new),
    };
    vec![
        ("read", command(Operation::Read)),
        (
            "read, of a guest",
            Command {
                named: Some(None),
                ..command(Operation::Read)
            },
        ),
        (
            "read, of a sign-in",
            Command {
                named: Some(Some(ID.sign_in())),
                ..command(Operation::Read)
            },
        ),
        ("repair", command(Operation::Repair)),
        (
            "change what there may be",
            command(Operation::Change(Box::new(conditional))),
        ),
        ("change who it is", change(identify)),
        ("change anything else", change(others)),
        ("end", change(end)),
        ("note a use", change(Change::touch())),
        (
            "begin on a page",
            command(Operation::Change(Box::new(on_a_page))),
        ),
        ("note a connection", change(Change::opening())),
        ("go where the hash leads", change(no_pin)),
        (
            "take over from the namespace",
            Command {
                max_per_user: Some(3),
                adopt: Some(vec![3, 0, 255]),
                ..change(Change::touch())
            },
        ),
        ("take a lease", command(lease(None))),
        ("keep a lease", command(lease(Some(4)))),
        (
            "give a lease back",
            command(Operation::Release { token: 4 }),
        ),
        ("renew tokens", command(refresh(None))),
        ("renew tokens and judge", command(refresh(Some(renewal())))),
    ]
}

#[test]
fn golden_commands_are_written_and_read() {
    golden::check(
        "session-commands.json",
        &commands(),
        |command| serde_json::from_str(&command.to_text()).unwrap(),
        |text| Command::parse(&text.to_string()).ok(),
    );
}

#[test]
fn golden_answers_are_written_and_read() {
    let reply = |is| Reply {
        sealed: vec![3, 10, 255],
        ..Reply::is(is)
    };
    let mut replies: Vec<(&str, Reply)> =
        ALL.iter().map(|(is, name)| (*name, reply(*is))).collect();
    replies.push((
        "with all there may be",
        Reply {
            refused: vec!["ttl".to_owned(), "patch_too_large".to_owned()],
            lease: Some((4, UnixMillis(1_700_000_030_000))),
            unannounced: true,
            ..reply(Status::Live)
        },
    ));
    golden::check(
        "session-answers.json",
        &replies,
        |reply| {
            let bytes = reply.to_bytes();
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            let line: Value = serde_json::from_slice(&bytes[..end]).unwrap();
            json!({ "line": line, "sealed": encoding::base64url(&bytes[end + 1..]) })
        },
        |golden| {
            let sealed = encoding::from_base64url(golden["sealed"].as_str()?)?;
            Reply::parse(&[golden["line"].to_string().as_bytes(), b"\n", &sealed].concat())
        },
    );
}

/// Both sides of a deployment ignore members of a later release.
#[test]
fn additions_of_a_later_release_are_ignored() {
    let text = r#"{"idle":1,"absolute":2,"remember":3,"new":[1],"order":{"do":"read","new":{}}}"#;
    assert_eq!(
        Command::parse(text).ok().map(|read| read.order),
        Some(Operation::Read)
    );
    let reply = Reply::parse(b"{\"is\":\"live\",\"new\":1}\nx").unwrap();
    assert_eq!(
        (reply.is, reply.sealed.as_slice()),
        (Status::Live, b"x".as_slice())
    );
}
