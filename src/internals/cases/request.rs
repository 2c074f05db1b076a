//! Measures whole requests through the router, and the responses to them.

use core::hint::black_box;

use crate::cookie::token::Token;
use crate::gateway::{ResponseAction, Step};
use crate::session::record::{Record, Version};
use serde_json::{Value, json};

use super::world::{World, keys, packed, token};
use super::{Act, record};

/// Forwards a request whose record is in the isolate's cache.
pub(super) fn known(servers: usize, headers: usize) -> Act {
    let mut world = World::with(servers, &json!({}));
    world.store(recorded());
    forwarding(world, packed(&cookies(recorded_token()), headers))
}

/// Forwards a guest's request, with nothing stored.
pub(super) fn guest() -> Act {
    forwarding(World::with(2, &json!({})), packed(&cookies(token()), 15))
}

/// Forwards a request without a cookie, which needs a new session and an origin with room.
pub(super) fn newcomer(servers: usize) -> Act {
    forwarding(World::with(servers, &json!({})), packed("theme=dark", 15))
}

fn forwarding(mut world: World, packed: String) -> Act {
    world.forwarded(&packed);
    Box::new(move || {
        let step = world.ask(black_box(&packed));
        assert!(matches!(step, Step::Forward(_)));
        black_box(step);
    })
}

/// Rejects one request of a flood with forged cookies. A browser gets a page.
pub(super) fn forged(headers: usize) -> Act {
    let mut world = World::with(2, &json!({}));
    let cookies = format!("__Host-session={}", "A".repeat(112));
    let packed = packed(&cookies, headers);
    for _ in 0..400 {
        world.ask(&packed);
    }
    Box::new(move || {
        let Step::Answer(answer) = world.ask(black_box(&packed)) else {
            panic!("a flood is not refused");
        };
        assert_eq!(black_box(answer).status, 429);
    })
}

const ORDINARY: &str = "content-type\ntext/html; charset=utf-8\ndate\nTue, 14 Nov 2023 22:13:20 GMT\n\
    etag\n\"33a64df5\"\nvary\naccept-encoding\nx-frame-options\nDENY";

pub(super) fn answer_as_it_is() -> Act {
    settling(ORDINARY, &json!({}), |settled| {
        *settled == ResponseAction::Untouched
    })
}

pub(super) fn answer_edited() -> Act {
    let headers = "content-type\ntext/html\nlocation\nhttp://127.0.0.1:8001/next\n\
        endpoint-load-metrics\nTEXT cpu_utilization=0.3,mem_utilization=0.8\n\
        set-cookie\ntheme=dark; Path=/; Domain=127.0.0.1\nset-cookie\n__Host-session=stolen; Path=/";
    settling(headers, &json!({}), |settled| {
        matches!(settled, ResponseAction::Edited(_))
    })
}

pub(super) fn answer_with_patch() -> Act {
    let headers = "content-type\ntext/html\nx-session-patch\n{\"seat\":13,\"language\":\"de\"}";
    let settings = json!({ "CONSISTENCY": "eventual" });
    settling(headers, &settings, |settled| {
        matches!(settled, ResponseAction::Edited(_))
    })
}

fn settling(headers: &'static str, settings: &Value, is_right: fn(&ResponseAction) -> bool) -> Act {
    let mut world = World::with(2, settings);
    world.store(recorded());
    let forward = world.forwarded(&packed(&cookies(recorded_token()), 15));
    Box::new(move || {
        let settled = world.handle_response(&forward.response_context, black_box(headers));
        assert!(is_right(&settled), "{settled:?}");
        black_box(settled);
    })
}

fn recorded() -> Record {
    Record {
        version: Version(3),
        ..record::reference()
    }
}

fn recorded_token() -> Token {
    Token {
        least_version: Version(3),
        ..token()
    }
}

fn cookies(token: Token) -> String {
    let value = token.mint(&keys());
    format!("_ga=GA1.1.1234567890.1700000000; __Host-session={value}; theme=dark")
}
