//! Generates random pasts: deployments, and events in them.

use proptest::prelude::*;

use super::*;
use serde_json::json;

/// Token of operators in tests.
pub(super) const TOKEN: &str = "an-admin-token-for-tests";

/// Past event between a browser and its server.
#[derive(Clone, Debug)]
pub(super) enum Past {
    Answer(&'static str),
    Wait(u64),
    Pause(u64),
    Fail(&'static str),
    Forget,
    Move,
    Revoke,
}

pub(super) fn past() -> impl Strategy<Value = Past> {
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
        1 => (1u64..1_000).prop_map(Past::Pause),
        1 => prop::sample::select(vec!["a", "b", "c"]).prop_map(Past::Fail),
        1 => Just(Past::Forget),
        1 => Just(Past::Move),
        1 => Just(Past::Revoke),
    ]
}

pub(super) fn settings() -> impl Strategy<Value = Value> {
    let origins = vec![
        ORIGINS,
        "a=http://a;weight=5,b=http://b,c=http://c;state=down",
        "a=http://a;state=down,b=http://b;state=down,c=http://c;state=down",
        "a=http://a;release=v2,b=http://b,c=http://c;state=drain",
        "a=http://a,b=http://b;paths=/chat,c=http://c;paths=/chat;state=drain",
        "a=http://a,b=http://b;release=v2,c=http://c;paths=/chat;release=v2",
    ];
    (
        prop::sample::select(CONSISTENCIES.to_vec()),
        prop::sample::select(vec!["off", "optional", "required"]),
        prop::sample::select(origins),
        prop::sample::select(vec!["true", "false"]),
        prop::sample::select(vec!["v2:50", "v2:off"]),
        prop::sample::select(vec!["", "/chat,/api/*"]),
    )
        .prop_map(|(consistency, login, origins, strict, canary, routes)| {
            json!({
                "CONSISTENCY": consistency,
                "LOGIN_MODE": login,
                "ORIGINS": origins,
                "STRICT_PINS": strict,
                "CANARY": canary,
                "ROUTES": routes,
            })
        })
}

pub(super) fn replay(world: &mut World, past: &Past, jars: &mut Vec<String>) {
    match past {
        Past::Answer(headers) => {
            if let Step::Forward(forward) = world.get("/") {
                world.answer(&forward, headers);
            }
            jars.extend(world.jar.clone());
        }
        Past::Wait(seconds) => world.wait(*seconds),
        Past::Pause(ms) => world.now.0 += ms,
        Past::Fail(origin) => {
            world.kill(origin);
            world
                .gateway
                .balancer
                .health
                .mark_unreachable(origin, world.now);
        }
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
