//! Gray releases: which rule decides, who stays, and what moves sessions at once.

use super::*;
use crate::cookie::token::Token;
use crate::http::request::Location;
use crate::session::identity::Identity;
use crate::session::record::Record;

const ORIGINS: &str = "a=http://a:1,b=http://b:1,v2=http://c:1;release=v2,v3=http://d:1;release=v3";
const APP: &str = "Mozilla/5.0 MobileApp/3.1";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140";

fn world(rules: &str) -> World {
    World::new(&json!({ "ORIGINS": ORIGINS, "RELEASES": rules }))
}

/// The same sessions, under other rules.
fn change_rules(world: &mut World, rules: &str) {
    world.settings["RELEASES"] = json!(rules);
    world.move_to_another_isolate();
}

/// The origin of a new visitor who comes with these headers.
fn newcomer(world: &mut World, headers: &[(&str, &str)]) -> String {
    world.jar = None;
    forwarded(world.send("GET", "/", headers, &mut Answers::default()))
        .origin
        .to_string()
}

#[test]
fn rule_gives_a_share_of_those_that_match_and_of_no_others() {
    let mut world = world("v2: 10% if user-agent contains MobileApp");
    let mut count = |agent| {
        let origins = (0..1_000).map(|_| newcomer(&mut world, &[("user-agent", agent)]));
        origins.filter(|origin| origin == "v2").count()
    };
    let (app, others) = (count(APP), count(BROWSER));
    assert!((70..130).contains(&app), "{app} of 1000");
    assert_eq!(others, 0);
    let without = (0..100).all(|_| newcomer(&mut world, &[]) != "v2");
    assert!(without, "no User-Agent is no MobileApp");
}

#[test]
fn release_whose_servers_come_later_gets_no_session_yet() {
    let origins = format!("{ORIGINS};since=2100-01-01T00:00:00Z");
    let settings = json!({ "ORIGINS": origins, "RELEASES": "v3: 100 if user-agent contains MobileApp; v2: 0" });
    let mut world = World::new(&settings);
    for _ in 0..20 {
        let origin = newcomer(&mut world, &[("user-agent", APP)]);
        assert!(["a", "b"].contains(&origin.as_str()), "{origin}");
    }
}

#[test]
fn full_release_gets_no_new_session() {
    let origins = "a=http://a:1;capacity=5,v2=http://c:1;release=v2;capacity=5";
    for (rules, full, other) in [("v2: 100", "v2", Some("a")), ("v2: 0", "a", None)] {
        let mut world = World::new(&json!({ "ORIGINS": origins, "RELEASES": rules }));
        world.busy(full, 5);
        match other {
            Some(other) => assert_eq!(newcomer(&mut world, &[]), other),
            None => assert_eq!(refused(world.get("/")).0, 503, "the usual release is full"),
        }
    }
}

#[test]
fn document_says_the_same_as_the_line() {
    let rules = json!([{
        "release": "v2",
        "percent": 10,
        "match": { "headers": [{ "name": "User-Agent", "contains": "MobileApp" }] },
    }]);
    let deployment = deployment(&json!({
        "ORIGINS": ORIGINS, "RELEASES": "v2: 10% if user-agent contains MobileApp",
    }));
    let document = json!({ "id": "acme", "routing": { "releases": rules } });
    let acme = deployment.tenant_of(&document).unwrap();
    assert!(acme.releases.is_some());
    assert_eq!(acme.releases, deployment.tenant.unwrap().releases);
}

#[test]
fn wrong_rules_are_reported_with_path_and_fix() {
    let deployment = deployment(&json!({ "ORIGINS": ORIGINS, "CANARY": "v2:1" }));
    let test = |headers: Value| json!({ "release": "v2", "match": { "headers": headers } });
    let rules = json!([
        test(json!([{ "name": "a", "exact": "b", "prefix": "b" }])),
        test(json!([{ "name": "a" }])),
        test(json!([{ "name": "a", "contains": "" }])),
        test(json!([{ "name": "X-Session-User", "exact": "ada" }])),
    ]);
    let document = json!({ "id": "acme", "routing": { "releases": rules } });
    let faults = deployment.tenant_of(&document).err().unwrap();
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "routing.releases[0].match.headers[0]",
            "routing.releases[1].match.headers[0]",
            "routing.releases[2].match.headers[0]",
            "routing.releases[3].match.headers[0]",
            "CANARY",
        ],
        "{faults:#?}"
    );
}

#[test]
fn first_matching_rule_decides() {
    let mut world = world(
        "v3: 0 if user-agent like *bot*; v2: 100 if user-agent contains MobileApp and country is DE; v3: 100 if device is phone|tablet",
    );
    for (agent, country, expected) in [
        (APP, "DE", Some("v2")),
        ("MobileApp bot", "DE", None),
        ("Mozilla/5.0 (iPhone) MobileApp", "AT", Some("v3")),
        (BROWSER, "DE", None),
    ] {
        for _ in 0..20 {
            let origin = newcomer(
                &mut world,
                &[("user-agent", agent), ("cf-ipcountry", country)],
            );
            let gray = Some(origin.as_str()).filter(|origin| origin.starts_with('v'));
            assert_eq!(gray, expected, "{agent} in {country}");
        }
    }
}

#[test]
fn sessions_stay_whatever_becomes_of_the_percentage() {
    let mut world = world("v2: 30; v3: 50");
    let mut placed = Vec::new();
    for _ in 0..150 {
        world.jar = None;
        let origin = world.exchange("").origin;
        placed.push((world.jar.clone(), origin));
    }
    let count = |name: &str| placed.iter().filter(|(_, origin)| origin == name).count();
    // The first rule holds for all: the second one gets nobody.
    assert!((25..70).contains(&count("v2")), "{}", count("v2"));
    assert_eq!(count("v3"), 0);
    for rules in ["v2: 0; v3: 50", "v2: 100; v3: 0", "v3: 5; v2: 5 by user"] {
        change_rules(&mut world, rules);
        for (jar, origin) in &placed {
            world.jar.clone_from(jar);
            assert_eq!(world.visit().origin, *origin, "{rules}");
        }
    }
}

#[test]
fn kill_switch_moves_sessions_to_the_usual_release() {
    let mut world = world("v2: 100; v3: 0");
    let mut jars = Vec::new();
    for _ in 0..40 {
        world.jar = None;
        assert_eq!(world.exchange("").origin, "v2");
        jars.push(world.jar.clone());
    }
    change_rules(&mut world, "v2: off; v3: 0");
    for jar in jars {
        world.jar = jar;
        let moved = world.exchange("");
        assert!(
            ["a", "b"].contains(&moved.origin.as_str()),
            "{}",
            moved.origin
        );
        assert_eq!(header_value(&moved, "x-session-state"), Some("takeover"));
    }
    assert_ne!(newcomer(&mut world, &[]), "v2");
}

#[test]
fn tenant_without_rules_has_none() {
    let world = World::new(&json!({ "ORIGINS": ORIGINS }));
    assert_eq!(world.gateway.tenant.releases, None);
}

/// A guest's token, in the usual release, and a user of these groups.
fn guest(world: &mut World) -> Token {
    newcomer(world, &[]);
    let forward = world.exchange("");
    assert!(["a", "b"].contains(&forward.origin.as_str()));
    let value = world.jar.as_deref().unwrap().split_once('=').unwrap().1;
    Token::opened(value, &world.gateway.tenant.keys).unwrap()
}

fn user(name: &str, groups: &[&str]) -> Identity {
    Identity {
        groups: groups.iter().copied().map(str::to_owned).collect(),
        ..Identity::new(name)
    }
}

fn pin(world: &World, token: &Token, user: &Identity) -> Option<Option<String>> {
    let packed = world.packed("POST", "/_session/login", &[("user-agent", APP)]);
    let request = Request::parse(&packed).unwrap();
    let balancer = &world.gateway.balancer;
    balancer.pin_of_user(token, user, &request, world.now)
}

#[test]
fn sign_in_moves_a_user_to_the_release_of_a_group() {
    let mut world = world("v2: 100 if group is staff; v3: 0 if user-agent contains MobileApp");
    let token = guest(&mut world);
    let to_v2 = Some(Some("v2".to_owned()));
    assert_eq!(pin(&world, &token, &user("ada", &["staff"])), to_v2);
    assert_eq!(pin(&world, &token, &user("ada", &["sales"])), None);
    change_rules(&mut world, "v2: off if group is staff; v3: 100 by user");
    let to_v3 = Some(Some("v3".to_owned()));
    assert_eq!(pin(&world, &token, &user("ada", &["staff"])), to_v3);
}

#[test]
fn session_of_a_user_stays_in_the_release_also_when_it_rests_or_its_origin_fails() {
    let settings = json!({
        "ORIGINS": "a=http://a:1,b=http://b:1,v2=http://c:1;release=v2,w2=http://e:1;release=v2",
        "RELEASES": "v2: 100 if group is staff",
        "PIN_IDLE": "60s",
    });
    let mut world = World::new(&settings);
    let token = guest(&mut world);
    let pinned = pin(&world, &token, &user("ada", &["staff"])).unwrap();
    let other = if pinned.as_deref() == Some("v2") {
        "w2"
    } else {
        "v2"
    };
    let seen = world.now.seconds();
    let record = Record {
        pin: pinned.clone(),
        ..Record::unstored(token.handle, token.id, token.created, seen)
    };
    world.wait(7_200);
    let at = |world: &World| {
        let location = Location::parse("https://chat.example/").unwrap();
        let balancer = &world.gateway.balancer;
        let choice = balancer.choice(&location, &record, &[], world.now);
        choice.map(|choice| choice.origin.name.to_string())
    };
    assert_eq!(at(&world), pinned);
    world.settings["ORIGINS"] = json!(settings["ORIGINS"].as_str().unwrap().replace(
        &format!("{}=", pinned.clone().unwrap()),
        &format!("{}=", "x")
    ));
    world.move_to_another_isolate();
    let gone = at(&world).unwrap();
    assert!(
        ["a", "b"].contains(&gone.as_str()),
        "its pin names no origin: its handle decides"
    );
    world.settings["ORIGINS"] = settings["ORIGINS"].clone();
    world.settings["RELEASES"] = json!("v2: off if group is staff");
    world.move_to_another_isolate();
    assert!(
        ["a", "b"].contains(&at(&world).unwrap().as_str()),
        "the kill switch moves it"
    );
    world.settings["RELEASES"] = settings["RELEASES"].clone();
    world.move_to_another_isolate();
    world
        .gateway
        .balancer
        .health
        .mark_unreachable(&pinned.unwrap(), world.now);
    assert_eq!(at(&world).as_deref(), Some(other));
}
