//! Whatever happened before: what is told is what happens then.

use proptest::prelude::*;

use super::super::told as header;
use super::*;

/// What a browser and its server have done before.
#[derive(Clone, Debug)]
enum Past {
    Answer(&'static str),
    Wait(u64),
    Fail(&'static str),
    Forget,
    Move,
    Revoke,
}

fn past() -> impl Strategy<Value = Past> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "",
            "x-session-patch\n{\"a\":1}",
            "x-session-identify\n{\"user\":\"ada\"}",
            "x-session-rotate\n1",
            "x-session-destroy\n1",
            "x-session-ttl\n60",
        ])
        .prop_map(Past::Answer),
        2 => prop::sample::select(vec![1, 40, 90, 3_600, 100_000]).prop_map(Past::Wait),
        1 => prop::sample::select(vec!["a", "b", "c"]).prop_map(Past::Fail),
        1 => Just(Past::Forget),
        1 => Just(Past::Move),
        1 => Just(Past::Revoke),
    ]
}

fn settings() -> impl Strategy<Value = Value> {
    let origins = vec![
        ORIGINS,
        "a=http://a;weight=5,b=http://b,c=http://c;state=down",
        "a=http://a;state=down,b=http://b;state=down,c=http://c;state=down",
        "a=http://a;release=v2,b=http://b,c=http://c;state=drain",
    ];
    (
        prop::sample::select(CONSISTENCIES.to_vec()),
        prop::sample::select(vec!["off", "optional", "required"]),
        prop::sample::select(origins),
        prop::sample::select(vec!["true", "false"]),
        prop::sample::select(vec!["v2:50", "v2:off"]),
    )
        .prop_map(|(consistency, login, origins, strict, canary)| {
            json!({
                "CONSISTENCY": consistency,
                "LOGIN_MODE": login,
                "ORIGINS": origins,
                "STRICT_PINS": strict,
                "CANARY": canary,
            })
        })
}

fn live_through(world: &mut World, past: &Past, jars: &mut Vec<String>) {
    match past {
        Past::Answer(headers) => {
            if let Step::Forward(forward) = world.get("/") {
                world.answer(&forward, headers);
            }
            jars.extend(world.jar.clone());
        }
        Past::Wait(seconds) => world.wait(*seconds),
        Past::Fail(origin) => drop(world.gateway.health.lose(origin, world.now)),
        Past::Forget => world.jar = None,
        Past::Move => world.move_to_another_isolate(),
        Past::Revoke => {
            let jar = world.jar.take();
            let all = "/_session/admin/sessions?all=true";
            world.call("DELETE", all, Some(TOKEN), &Value::Null);
            world.jar = jar;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happened before: what is told is what happens then.
    #[test]
    fn what_is_told_happens(
        settings in settings(),
        pasts in prop::collection::vec(past(), 0..7),
        which in any::<prop::sample::Index>(),
        navigates: bool,
    ) {
        let mut world = world(&settings);
        let mut jars = vec!["__Host-session=forged".to_owned()];
        for past in &pasts {
            live_through(&mut world, past, &mut jars);
        }
        jars.extend(world.jar.clone());
        // An older cookie as well as the one there is.
        world.jar = Some(jars[which.index(jars.len())].clone());
        let mode = if navigates { "navigate" } else { "cors" };
        let headers = [("sec-fetch-mode", mode)];
        let question = described(&world, "/chat", &headers);
        let stored = world.outside.namespace.clone();
        world.gateway.take_events();
        let told = explain(&mut world, &question);
        prop_assert_eq!(&world.outside.namespace, &stored);
        prop_assert!(world.gateway.take_events().is_empty());
        prop_assert_eq!(&explain(&mut world, &question), &told);

        let outcome = &told["outcome"];
        match world.ask("GET", "/chat", &headers, &mut Answers::default()) {
            Step::Forward(forward) => {
                prop_assert_eq!(&outcome["does"], "forward", "{}", told);
                let is_new = header(&forward, "x-session-state") == Some("new");
                prop_assert_eq!(told["choice"].is_null(), is_new, "{}", told);
                if !is_new {
                    prop_assert_eq!(&told["choice"]["origin"], &forward.origin, "{}", told);
                    prop_assert_eq!(&told["session"]["handle"], told_id(&forward));
                    let takes_over = header(&forward, "x-session-state") == Some("takeover");
                    let degraded = header(&forward, "x-session-state") == Some("degraded");
                    prop_assert!(degraded || told["choice"]["takeover"] == takes_over, "{}", told);
                }
            }
            // Which origin a new session is drawn to cannot be told; it may be one that is lost.
            Step::Answer(answer) if answer.status == 502 && outcome["does"] == "forward" => {
                prop_assert!(told["choice"].is_null(), "{}", told);
                prop_assert!(told["origins"].to_string().contains("\"ejected\":true"));
            }
            Step::Answer(answer) => {
                prop_assert_eq!(&outcome["does"], "answer", "{}", told);
                prop_assert_eq!(&outcome["status"], answer.status, "{}", told);
                let problem = outcome["problem"].as_str().unwrap_or_default();
                if !navigates {
                    prop_assert_eq!(problem, code(&answer), "{}", told);
                }
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
