//! Checks that commands and replies round-trip.

use super::golden::ALL;
use super::*;
use crate::auth::methods::{Allow, ClaimNames};

const LIFETIME: Lifetime = Lifetime {
    idle: Seconds(1),
    absolute: Seconds(2),
    remember: Seconds(3),
};

fn command(order: Operation) -> Command {
    Command {
        lifetime: LIFETIME,
        max_per_user: Some(3),
        adopt: Some(vec![1, 2]),
        named: None,
        order,
    }
}

fn refresh(renewal: Option<Box<Renewal>>) -> Operation {
    Operation::Refresh {
        provider: "main".to_owned(),
        call: Outbound {
            url: "https://id.example/token".to_owned(),
            authorization: None,
            form: Some("a=b".to_owned()),
            limit: 9,
        },
        renewal,
    }
}

#[test]
fn command_round_trips() {
    let id = SessionId::from_bytes([3; 16]);
    let changing = UpdateCommand {
        id: Some(id),
        begin: Some(InitialState {
            id,
            created: UnixSeconds(5),
            device: Some("phone".to_owned()),
            country: None,
            browser: None,
            path: None,
        }),
        if_version: Some(Version(9)),
        lease: Some(4),
        ..UpdateCommand::new(
            Change {
                patch: Some("{\"a\":\"\n\"}".to_owned()),
                ..Change::default()
            },
            u64::MAX,
            Epoch(8),
        )
    };
    for order in [
        Operation::Read,
        Operation::Repair,
        Operation::Change(Box::new(changing)),
        Operation::Lease(LeaseCommand {
            seconds: Seconds(5),
            token: None,
            once: 9,
            exclusive: true,
        }),
        Operation::Release { token: 7 },
        refresh(None),
        refresh(Some(Box::new(Renewal {
            client_id: "c".to_owned(),
            claims: ClaimNames {
                user: "u".to_owned(),
                email: "e".to_owned(),
                name: "n".to_owned(),
                groups: "g".to_owned(),
            },
            allow: Allow {
                email_domains: vec!["d.example".to_owned()],
                groups: vec!["staff".to_owned()],
                unverified_email: true,
                rule_groups: vec!["ops".to_owned()],
            },
            jwks_uri: "https://id.example/keys".to_owned(),
            keys: Some("{\"keys\":[]}".to_owned()),
            userinfo: Some("https://id.example/me".to_owned()),
        }))),
    ] {
        for named in [None, Some(None), Some(Some(id.sign_in()))] {
            let command = Command {
                named,
                ..command(order.clone())
            };
            let text = command.to_text();
            assert!(!text.contains(['\n', '\t']));
            assert_eq!(Command::parse(&text).ok(), Some(command));
        }
    }
    assert!(matches!(
        Command::parse("{}"),
        Err(MessageError::Malformed(_))
    ));
    let later = r#"{"idle":1,"absolute":2,"remember":3,"order":{"do":"sing","what":1}}"#;
    assert!(matches!(
        Command::parse(later),
        Err(MessageError::UnknownCommand)
    ));
}

#[test]
fn answer_round_trips_with_its_record() {
    for (is, _) in ALL {
        let reply = Reply {
            refused: vec!["ttl".to_owned()],
            lease: Some((3, UnixMillis(9))),
            exclusive: true,
            unannounced: true,
            sealed: vec![0, 10, 255],
            ..Reply::is(is)
        };
        assert_eq!(Reply::parse(&reply.to_bytes()), Some(reply));
    }
    assert_eq!(Reply::parse(b"{}"), None);
}

#[test]
fn object_name_is_tenant_and_handle() {
    let tenant = TenantId::parse("acme").unwrap();
    let handle = Handle([4; 16]);
    let name = object_name(&tenant, handle);
    assert_eq!(parse_object_name(&name), Some((tenant, handle)));
    assert_eq!(parse_object_name("x"), None);
}
