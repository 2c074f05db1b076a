//! Shares, order and stickiness, as laws over many sessions and users.

use proptest::prelude::*;

use super::rules::{HeaderCondition, Test};
use super::*;
use crate::balancer::pool::{Base, OriginName};

fn rule(release: &str, percent: u32) -> ReleaseRule {
    ReleaseRule {
        release: release.to_owned(),
        percent,
        is_off: false,
        by_user: false,
        headers: Vec::new(),
        users: Vec::new(),
        groups: Vec::new(),
        countries: Vec::new(),
        devices: Vec::new(),
    }
}

fn origin(name: &str, release: Option<&str>, since: u64) -> Origin {
    let base = Base::parse(&format!("http://{name}")).unwrap();
    let mut origin = Origin::new(OriginName::parse(name).unwrap(), base);
    origin.release = release.map(Into::into);
    origin.since = UnixSeconds(since);
    origin
}

fn guest() -> Facts<'static> {
    Facts {
        headers: &[],
        user: None,
        groups: &[],
        country: None,
        device: None,
    }
}

fn handles() -> impl Iterator<Item = Handle> {
    (0_u64..4_000).map(|n| {
        let hash: [u8; 32] = Sha256::digest(n.to_be_bytes()).into();
        Handle(*hash.first_chunk().unwrap())
    })
}

/// What a user of this name gets.
fn of_user<'r>(releases: &'r Releases, user: &str) -> Option<&'r str> {
    let facts = Facts {
        user: Some(user),
        ..guest()
    };
    let (_, verdict) = releases.decide(&facts, &mut || panic!("drawn"))?;
    verdict.release
}

#[test]
fn conditions_on_texts() {
    for (test, text, holds) in [
        (Test::Exact("ab".to_owned()), "ab", true),
        (Test::Exact("ab".to_owned()), "abc", false),
        (Test::Exact("ab".to_owned()), "AB", false),
        (Test::Prefix("ab".to_owned()), "abc", true),
        (Test::Prefix("ab".to_owned()), "cab", false),
        (Test::Contains("App".to_owned()), "MobileApp/2", true),
        (Test::Contains("App".to_owned()), "Mobile", false),
        (Test::Contains("App".to_owned()), "", false),
        (
            Test::Pattern("*Mobile*/2.?".to_owned()),
            "a Mobile b/2.1",
            true,
        ),
        (
            Test::Pattern("*Mobile*/2.?".to_owned()),
            "a Mobile b/2.11",
            false,
        ),
        (Test::Pattern("a*b*b".to_owned()), "a-b-b-b", true),
        (Test::Pattern("a*".to_owned()), "ba", false),
        (Test::Pattern("?".to_owned()), "ü", true),
        (Test::Pattern("*".to_owned()), "", true),
        (Test::Pattern("?".to_owned()), "", false),
    ] {
        assert_eq!(test.holds(text), holds, "{test:?} on {text:?}");
    }
}

#[test]
fn only_the_beginning_of_a_long_header_is_looked_at() {
    let text = format!("{}App", "x".repeat(rules::MAX_TEXT));
    assert!(!Test::Contains("App".to_owned()).holds(&text));
}

#[test]
fn first_rule_that_holds_decides_also_against_a_share() {
    let app = ReleaseRule {
        headers: vec![HeaderCondition {
            name: "user-agent".to_owned(),
            test: Test::Contains("MobileApp".to_owned()),
        }],
        ..rule("v2", 0)
    };
    let releases = Releases::new(vec![app, rule("v3", 100)], || [].iter()).unwrap();
    let ask = |text| {
        let facts = Facts {
            headers: &[("user-agent", text)],
            ..guest()
        };
        let (at, verdict) = releases.decide(&facts, &mut || 0).unwrap();
        (at, verdict.release.map(str::to_owned))
    };
    assert_eq!(ask("MobileApp/1"), (0, None));
    assert_eq!(ask("Mozilla"), (1, Some("v3".to_owned())));
}

#[test]
fn rule_that_asks_for_the_user_does_not_hold_for_a_guest() {
    let staff = ReleaseRule {
        groups: vec!["staff".to_owned()],
        ..rule("v2", 100)
    };
    let releases = Releases::new(vec![staff], || [].iter()).unwrap();
    assert_eq!(releases.decide(&guest(), &mut || 0), None);
    let groups = ["guests".to_owned(), "staff".to_owned()];
    let facts = Facts {
        user: Some("ada"),
        groups: &groups,
        ..guest()
    };
    let (_, verdict) = releases.decide(&facts, &mut || 0).unwrap();
    assert_eq!((verdict.release, verdict.of_user), (Some("v2"), true));
}

#[test]
fn share_of_users_is_about_the_percentage() {
    let by_user = ReleaseRule {
        by_user: true,
        ..rule("v2", 10)
    };
    let releases = Releases::new(vec![by_user], || [].iter()).unwrap();
    let users = (0..5_000).map(|n| format!("user{n}@example.com"));
    let is_in = users
        .filter(|user| of_user(&releases, user).is_some())
        .count();
    assert!((420..580).contains(&is_in), "{is_in} of 5000");
}

#[test]
fn sessions_of_several_releases_spread_and_a_later_release_takes_none() {
    let origins = [origin("a", Some("v2"), 0), origin("b", Some("v3"), 0)];
    let two = Releases::new(vec![rule("v2", 1), rule("v3", 1)], || origins.iter()).unwrap();
    let gray = || handles().filter(|handle| is_gray(*handle));
    let then = UnixSeconds(100);
    let v2 = gray().filter(|handle| two.of((*handle, then)) == Some("v2"));
    let share = v2.count() * 100 / gray().count();
    assert!((45..55).contains(&share), "{share} %");
    assert!(handles().all(|handle| two.of((handle, then)).is_some() == is_gray(handle)));
    let origins = [origin("c", Some("v4"), 200)].into_iter().chain(origins);
    let origins: Vec<Origin> = origins.collect();
    let rules = ["v4", "v3", "v2"].map(|name| rule(name, 1)).to_vec();
    let three = Releases::new(rules, || origins.iter()).unwrap();
    for handle in handles() {
        assert_eq!(three.of((handle, then)), two.of((handle, then)));
    }
    let later = UnixSeconds(300);
    assert!(gray().any(|handle| three.of((handle, later)) == Some("v4")));
}

#[test]
fn release_is_off_once_all_of_its_rules_are() {
    let off = |release| ReleaseRule {
        is_off: true,
        ..rule(release, 100)
    };
    let v2 = origin("a", Some("v2"), 0);
    let rules = vec![off("v2"), rule("v2", 5)];
    let one = Releases::new(rules, || [].iter()).unwrap();
    assert!(!one.is_off(&v2));
    assert_eq!(one.decide(&guest(), &mut || 50).map(|(at, _)| at), Some(1));
    let all = Releases::new(vec![off("v2"), off("v2")], || [].iter()).unwrap();
    assert!(all.is_off(&v2));
    assert!(!all.is_off(&origin("b", None, 0)));
}

proptest! {
    #[test]
    fn raising_the_percentage_takes_no_user_out(user in ".{1,40}", lower in 0_u32..=100, more in 0_u32..=100) {
        let share = |percent| {
            let by_user = ReleaseRule { by_user: true, ..rule("v2", percent) };
            let releases = Releases::new(vec![by_user], || [].iter()).unwrap();
            of_user(&releases, &user).is_some()
        };
        let higher = (lower + more).min(100);
        prop_assert!(!share(lower) || share(higher));
        prop_assert!(share(100) && !share(0));
    }

    #[test]
    fn pattern_is_what_a_search_of_all_ways_finds(text in "[ab]{0,8}", pattern in "[ab*?]{0,6}") {
        fn search(text: &[u8], pattern: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|at| search(&text[at..], rest)),
                Some((byte, rest)) => text.split_first().is_some_and(|(first, after)| {
                    (*byte == b'?' || byte == first) && search(after, rest)
                }),
            }
        }
        let holds = Test::Pattern(pattern.clone()).holds(&text);
        prop_assert_eq!(holds, search(text.as_bytes(), pattern.as_bytes()));
    }
}
