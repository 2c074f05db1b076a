//! Tests which identities claims yield.

use proptest::prelude::*;

use super::*;
use crate::session::identity::Identity;
use serde_json::json;

fn names() -> ClaimNames {
    ClaimNames {
        user: "sub".to_owned(),
        email: "email".to_owned(),
        name: "name".to_owned(),
        groups: "realm_access.roles".to_owned(),
    }
}

fn claims(more: &Value) -> Claims {
    let mut claims = json!({ "sub": "u1" }).as_object().unwrap().clone();
    claims.extend(more.as_object().unwrap().clone());
    claims
}

fn read(claimed: &Claimed) -> Identity {
    Identity::parse(&claimed.identity.to_string()).unwrap().0
}

fn email(names: &ClaimNames, allow: &Allow, more: &Value) -> Option<String> {
    read(&identity(&claims(more), names, allow).unwrap()).email
}

const LENIENT: Allow = Allow {
    email_domains: Vec::new(),
    groups: Vec::new(),
    unverified_email: true,
    rule_groups: Vec::new(),
};

#[test]
fn claims_become_an_identity() {
    let claims = claims(&json!({
        "email": "a@b.example", "email_verified": true, "name": " Zoë\r\nX-Evil: 1 ",
        "realm_access": { "roles": ["x", "a,b", "\n", 7, " x", "y"] },
    }));
    let claimed = identity(&claims, &names(), &Allow::default()).unwrap();
    let read = read(&claimed);
    assert_eq!(
        (read.user.as_str(), read.email.as_deref()),
        ("u1", Some("a@b.example"))
    );
    assert_eq!(read.name.as_deref(), Some("ZoëX-Evil: 1"));
    assert_eq!(read.groups, ["x", "y"]);
    assert_eq!(claimed.groups_omitted, 3);
}

#[test]
fn email_counts_if_verified_or_the_tenant_allows_unverified() {
    for (verified, strict, lenient) in [
        (json!(true), true, true),
        (json!("true"), true, true),
        (Value::Null, false, false),
        (json!(false), false, false),
        (json!("false"), false, false),
        (json!("True"), false, false),
        (json!(1), false, false),
        (json!([true]), false, false),
    ] {
        let claims = json!({ "email": "ceo@b.example", "email_verified": verified });
        let is_used = |allow: &Allow| email(&names(), allow, &claims).is_some();
        assert_eq!(is_used(&Allow::default()), strict, "{verified}");
        assert_eq!(is_used(&LENIENT), lenient, "{verified}");
    }
    let without_statement = json!({ "email": "ceo@b.example" });
    assert_eq!(email(&names(), &Allow::default(), &without_statement), None);
    assert!(email(&names(), &LENIENT, &without_statement).is_some());
}

#[test]
fn email_verified_applies_to_its_own_address_only() {
    let by = |name: &str| ClaimNames {
        email: name.to_owned(),
        ..names()
    };
    let own = json!({
        "email": "me@b.example", "email_verified": true, "upn": "ceo@b.example",
        "same": "me@b.example", "inner": { "email": "ceo@b.example" },
        "sure": { "email": "x@b.example", "email_verified": true },
        "unsure": { "email": "me@b.example", "email_verified": false },
    });
    let email_by = |name: &str| email(&by(name), &Allow::default(), &own);
    assert_eq!(email_by("upn"), None);
    assert_eq!(email_by("inner.email"), None);
    assert_eq!(email_by("unsure.email"), None);
    assert_eq!(email_by("same").as_deref(), Some("me@b.example"));
    assert_eq!(email_by("sure.email").as_deref(), Some("x@b.example"));
}

#[test]
fn userinfo_verifies_its_own_address_only() {
    let merged_email = |token: Value, more: Value| {
        let all = merged(claims(&token), claims(&more));
        email(&names(), &Allow::default(), &Value::Object(all))
    };
    let verified = |address: &str| json!({ "email": address, "email_verified": true });
    let bare = |address: &str| json!({ "email": address });
    assert_eq!(
        merged_email(bare("ceo@b.example"), verified("me@b.example")),
        None
    );
    assert_eq!(
        merged_email(json!({ "email_verified": true }), bare("ceo@b.example")),
        None
    );
    for (token, more) in [
        (json!({}), verified("me@b.example")),
        (bare("me@b.example"), verified("me@b.example")),
        (verified("me@b.example"), bare("ceo@b.example")),
    ] {
        assert_eq!(merged_email(token, more).as_deref(), Some("me@b.example"));
    }
    let no = json!({ "email": "me@b.example", "email_verified": false });
    assert_eq!(merged_email(no, verified("me@b.example")), None);
}

#[test]
fn unverified_email_is_no_user_id() {
    for (user, mail) in [("email", "email"), ("email", "mail")] {
        let by_email = ClaimNames {
            user: user.to_owned(),
            email: mail.to_owned(),
            ..names()
        };
        for statement in [json!({}), json!({ "email_verified": false })] {
            let mut unverified = claims(&json!({ "email": "boss@b.example" }));
            unverified.extend(statement.as_object().unwrap().clone());
            let result = identity(&unverified, &by_email, &Allow::default());
            assert_eq!(result, Err(NotAdmitted::Nameless));
        }
    }
}

#[test]
fn user_id_that_a_header_would_change_is_rejected() {
    for user in [
        " admin",
        "admin ",
        "admin\u{a0}",
        "ad\u{200b}min",
        "\u{202e}nimda",
        "",
    ] {
        let by_name = ClaimNames {
            user: "login".to_owned(),
            ..names()
        };
        let result = identity(&claims(&json!({ "login": user })), &by_name, &LENIENT);
        assert_eq!(result, Err(NotAdmitted::Nameless), "{user:?}");
    }
}

#[test]
fn user_outside_the_allow_list_is_rejected() {
    let allow = Allow {
        email_domains: vec!["company.example".to_owned()],
        ..LENIENT
    };
    let is_admitted = |changes: Value| identity(&claims(&changes), &names(), &allow).is_ok();
    assert!(is_admitted(json!({ "email": "a@Company.example" })));
    assert!(is_admitted(
        json!({ "email": "a@company.example", "email_verified": true })
    ));
    for email in [
        "a@evil.example",
        "attacker@evil@company.example",
        "a@company.example.evil.example",
        "a@sub.company.example",
        "@company.example",
        "a@company.example\n",
        "a@company.example\u{200b}",
        "",
    ] {
        assert!(!is_admitted(json!({ "email": email })), "{email}");
    }
    assert!(!is_admitted(json!({})));
    for verified in [json!(false), json!("false"), json!(1)] {
        let claims = json!({ "email": "a@company.example", "email_verified": verified });
        assert!(!is_admitted(claims.clone()), "{claims}");
    }
    let strict = Allow {
        unverified_email: false,
        ..allow.clone()
    };
    let strictly = |changes: Value| identity(&claims(&changes), &names(), &strict).is_ok();
    assert!(!strictly(json!({ "email": "a@company.example" })));
    assert!(strictly(
        json!({ "email": "a@company.example", "email_verified": "true" })
    ));
}

fn of(allowed: &str, roles: &Value) -> Result<Claimed, NotAdmitted> {
    let allow = Allow {
        groups: vec![allowed.to_owned()],
        ..Allow::default()
    };
    let claims = claims(&json!({ "realm_access": { "roles": roles } }));
    identity(&claims, &names(), &allow)
}

#[test]
fn every_group_counts_for_allow_and_headers_carry_those_that_fit() {
    let long = "x".repeat(400);
    let odd = "cn=chat,ou=staff";
    for group in ["chat", odd, long.as_str(), " chat", "ch\u{200b}at"] {
        let mut many: Vec<String> = (0..300).map(|at| format!("group {at}")).collect();
        many.push(group.to_owned());
        let claimed = of(group, &json!(many)).unwrap();
        let read = read(&claimed);
        assert!(read.groups.len() <= MAX_GROUPS);
        let omitted = usize::try_from(claimed.groups_omitted).unwrap();
        assert_eq!(read.groups.len() + omitted, many.len());
        assert_eq!(
            read.groups.first().map(String::as_str) == Some(group),
            group == "chat"
        );
        for near in ["cha", "chats", "CHAT", "staff", "ou=staff"] {
            assert_eq!(of(near, &json!(many)), Err(NotAdmitted::NotAllowed));
        }
    }
    assert!(of(odd, &json!(odd)).is_ok());
    assert!(of("chat", &json!("x, chat")).is_ok());
}

#[test]
fn oversized_groups_are_truncated() {
    let many: Vec<String> = (0..60)
        .map(|at| format!("{at}{}", "é".repeat(100)))
        .collect();
    let claimed = of(&many[59], &json!(many)).unwrap();
    let read = read(&claimed);
    assert_eq!(read.groups[0], many[59]);
    let line = crate::session::names::header_list(&read.groups);
    assert!(line.len() <= MAX_GROUP_BYTES && line.len() > MAX_GROUP_BYTES / 2);
    assert!(claimed.groups_omitted > 40);
}

#[test]
fn groups_that_rules_ask_for_always_have_room() {
    let ruled: Vec<String> = (0..40)
        .map(|at| format!("{at}-{}", "r".repeat(90)))
        .collect();
    assert!(all_fit(&ruled));
    let allow = Allow {
        rule_groups: ruled.clone(),
        groups: vec!["chat".to_owned()],
        ..Allow::default()
    };
    let mut roles = vec!["chat".to_owned(); 100];
    roles.extend((0..100).map(|at| format!("group {at}")));
    // A repeated group must not take the room of another.
    roles.extend(vec![ruled[0].clone(); 64]);
    roles.extend(ruled.iter().rev().cloned());
    let claims = claims(&json!({ "realm_access": { "roles": roles } }));
    let read = read(&identity(&claims, &names(), &allow).unwrap());
    assert!(ruled.iter().all(|group| read.is_in(group)), "{read:?}");
}

proptest! {
    #[test]
    fn any_claim_fits_or_is_rejected(
        sub in any::<String>(), email in any::<String>(), name in any::<String>(), groups: Vec<String>,
    ) {
        let claims = claims(&json!({
            "sub": sub, "email": email, "name": name, "realm_access": { "roles": groups },
        }));
        if let Ok(claimed) = identity(&claims, &names(), &LENIENT) {
            prop_assert!(Identity::parse(&claimed.identity.to_string()).is_ok());
        }
    }
}
