//! Presents credentials of one tenant to another, which must treat the client as anonymous.

use serde_json::json;

use super::call::Call;
use super::isolate::Isolate;
use super::visits::{Scene, Visit, Visits, answered, body, forwarded, session};
use crate::gateway::{Forward, Step};

impl Visits {
    /// Sends a foreign secret in each place that accepts one.
    pub(super) fn steal(&mut self, isolate: &mut Isolate, scene: Scene) {
        let Some((_, stolen)) = self.another(isolate, scene.at) else {
            return;
        };
        let call = Self::call(isolate, scene.at, "GET", "/public/x");
        let call = match (isolate.random.below(3), &stolen.route) {
            (0, Some(route)) => Call {
                url: format!("{}?sid=abc{route}", call.url),
                ..call
            },
            (1, _) => call.with("authorization", &format!("Bearer {}", stolen.cookie)),
            _ => call.with("cookie", &session(&stolen.cookie)),
        };
        let step = self.ask(isolate, scene.at, &call);
        if is_of_a_key_on_its_way(&step) {
            self.count("stole a session");
            return;
        }
        let forward = forwarded(step);
        assert_eq!(forward.headers.value("x-session-state"), Some("new"));
        self.found(isolate, scene.at, &forward, Visit::default());
        let me = Self::call(isolate, scene.at, "GET", "/_session/me");
        let me = me.with("cookie", &session(&stolen.cookie));
        let answer = answered(self.ask(isolate, scene.at, &me));
        let response = body(&answer);
        if isolate.tenants[scene.at].is_closed {
            assert_eq!(answer.status, 401);
        } else {
            assert_eq!(
                (&response["state"], &response["data"]),
                (&json!("new"), &json!({}))
            );
        }
        self.count("stole a session");
    }

    /// Sends identity headers with a foreign identity.
    pub(super) fn claim(&mut self, isolate: &mut Isolate, scene: Scene) {
        let Some((other, stolen)) = self.another(isolate, scene.at) else {
            return;
        };
        let (id, host) = {
            let other = &isolate.tenants[other];
            (other.id.clone(), other.hosts[0].clone())
        };
        let call = Self::call(isolate, scene.at, "GET", "/public/x")
            .with("x-session-tenant", &id)
            .with("x-session-user", &id)
            .with("x-session-id", &stolen.handle)
            .with("x-session-env", &id)
            .with("x-forwarded-host", &host)
            .with("forwarded", &format!("host={host}"));
        let forward = forwarded(self.ask(isolate, scene.at, &call));
        self.found(isolate, scene.at, &forward, Visit::default());
        let handshake = Self::call(isolate, scene.at, "GET", "/public/ws")
            .with("upgrade", "websocket")
            .with("sec-websocket-version", "13")
            .with("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
        for (shop, status) in [(other, Some(403)), (scene.at, None)] {
            let site = format!("https://shop.{}.example", isolate.tenants[shop].mark);
            let call = handshake.clone().with("origin", &site);
            let status_given = match self.ask(isolate, scene.at, &call) {
                Step::Answer(answer) => Some(answer.status),
                _ => None,
            };
            assert_eq!(status_given, status);
        }
        self.count("claimed to be another's");
    }

    /// Uses a client without cookies, which gets a routing suffix instead.
    pub(super) fn without_cookies(&mut self, isolate: &mut Isolate, scene: Scene) {
        let call = Self::call(
            isolate,
            scene.at,
            "GET",
            "/public/s/?EIO=4&transport=polling",
        );
        let forward = forwarded(self.ask(isolate, scene.at, &call));
        self.found(isolate, scene.at, &forward, Visit::default());
        let route = forward.sid_suffix.clone();
        if route.is_empty() {
            return;
        }
        isolate.leaks.belongs(scene.at, &route);
        let path = format!("/public/s/?EIO=4&transport=polling&sid=abc{route}");
        let call = Self::call(isolate, scene.at, "GET", &path);
        let again = forwarded(self.ask(isolate, scene.at, &call));
        let handle = |forward: &Forward| forward.headers.value("x-session-id").unwrap().to_owned();
        assert_eq!(handle(&again), handle(&forward));
        if let Some(visit) = self.of.get_mut(&(scene.browser, scene.at)) {
            visit.route = Some(route);
        }
        self.count("came without cookies");
    }
}

/// Returns whether the gateway keeps an unverifiable cookie and answers 503. It does so for tenants with keys of their
/// own: the cookie's key may not have arrived here yet.
fn is_of_a_key_on_its_way(step: &Step) -> bool {
    matches!(step, Step::Answer(answer) if answer.status == 503 && body(answer)["code"] == "key_unknown")
}
