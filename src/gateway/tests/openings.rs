//! Tests sessions with no use other than an open socket or event stream.

use super::*;
use crate::gateway::Revalidation;
use serde_json::json;

pub(super) const SOCKET: [(&str, &str); 4] = [
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("origin", "https://chat.example"),
];

const EVENTS: [(&str, &str); 1] = [("accept", "text/event-stream")];

const MODES: [&str; 2] = ["pass-through", "revocable"];

impl World {
    /// Sends a request for a connection that stays open, and handles the origin's response.
    fn open(&mut self, request_headers: &[(&str, &str)], status: u16, headers: &str) -> Forward {
        let forward = forwarded(self.send("GET", "/ws", request_headers, &mut Answers::default()));
        if forward.handle_response {
            let mut answers = Answers::default();
            let edits = loop {
                match self.gateway.handle_response(
                    &forward.response_context,
                    status,
                    headers,
                    self.now,
                    &answers,
                ) {
                    ResponseAction::Await(needs) => self.perform(&needs, &mut answers),
                    ResponseAction::Edited(edits) => break edits,
                    ResponseAction::Untouched => break Edits::default(),
                    ResponseAction::Replaced(answer) => panic!("replaced: {answer:?}"),
                }
            };
            self.store();
            self.take_cookie(&edits.append);
        }
        if forward.run_background {
            self.run_background(&forward);
        }
        forward
    }

    pub(super) fn socket(&mut self) -> Forward {
        let forward = self.open(&SOCKET, 101, "");
        if forward.opens {
            self.revalidate(&forward);
        }
        forward
    }

    /// Revalidates an open connection, as the edge does at intervals or once.
    pub(super) fn revalidate(&mut self, forward: &Forward) -> Revalidation {
        let mut answers = Answers::default();
        loop {
            match self
                .gateway
                .revalidate(&forward.response_context, self.now, &answers)
            {
                Revalidation::Await(needs) => self.perform(&needs, &mut answers),
                done => {
                    self.store();
                    return done;
                }
            }
        }
    }

    /// Uses only the socket for so many seconds.
    fn use_socket(&mut self, socket: &Forward, seconds: u64) {
        for _ in 0..seconds / 10 {
            self.wait(10);
            if socket.revocable {
                assert!(matches!(self.revalidate(socket), Revalidation::Continue(_)));
            }
        }
    }
}

fn under_all(test: impl Fn(World, &str)) {
    for consistency in CONSISTENCIES {
        for streams in MODES {
            let settings = json!({
                "CONSISTENCY": consistency, "STREAMS": streams, "SESSION_IDLE": "2m", "FAIL": "closed",
            });
            test(World::new(&settings), streams);
        }
    }
}

#[test]
fn guest_with_only_a_socket_stays_without_storage() {
    under_all(|mut world, streams| {
        let first = world.exchange("");
        let socket = world.socket();
        for _ in 0..3 {
            world.use_socket(&socket, 170);
            world.move_to_another_isolate();
            let again = world.socket();
            assert_eq!(
                header_value(&again, "x-session-state"),
                Some("active"),
                "{streams}"
            );
            assert_eq!(
                header_value(&again, "x-session-id"),
                header_value(&first, "x-session-id")
            );
            assert_eq!(again.origin, first.origin);
        }
        let outside = &world.io;
        assert_eq!((outside.reads, outside.calls, outside.puts), (0, 0, 0));
    });
}

#[test]
fn guest_that_drops_the_handshake_cookie_stays_in_the_same_isolate() {
    under_all(|mut world, _| {
        let first = world.exchange("");
        let cookie = world.jar.clone();
        let socket = world.socket();
        world.use_socket(&socket, 170);
        world.jar = cookie;
        let again = world.socket();
        assert_eq!(
            header_value(&again, "x-session-id"),
            header_value(&first, "x-session-id")
        );
    });
}

#[test]
fn user_with_only_a_socket_stays_signed_in() {
    under_all(|mut world, streams| {
        world.exchange("x-session-identify\n{\"user\":\"u1\"}");
        let first = world.exchange("");
        for _ in 0..3 {
            let socket = world.socket();
            assert_eq!(socket.revocable, streams == "revocable");
            world.use_socket(&socket, 170);
            world.move_to_another_isolate();
            let again = world.socket();
            assert_eq!(
                header_value(&again, "x-session-user"),
                Some("u1"),
                "{streams}"
            );
            assert_eq!(
                header_value(&again, "x-session-id"),
                header_value(&first, "x-session-id")
            );
        }
    });
}

#[test]
fn guest_with_a_socket_stays_after_its_first_write() {
    under_all(|mut world, streams| {
        world.exchange("");
        world.socket();
        let first = world.exchange("x-session-patch\n{\"a\":1}");
        world.wait(170);
        world.move_to_another_isolate();
        let again = world.send("GET", "/ws", &SOCKET, &mut Answers::default());
        if streams == "pass-through" {
            let again = forwarded(again);
            assert_eq!(
                header_value(&again, "x-session-id"),
                header_value(&first, "x-session-id")
            );
            assert_eq!(header_value(&again, "x-session-data"), Some(r#"{"a":1}"#));
        }
    });
}

#[test]
fn open_event_stream_counts_as_use() {
    under_all(|mut world, _| {
        let first = world.exchange("");
        let stream = world.open(
            &EVENTS,
            200,
            "content-type\ntext/event-stream; charset=utf-8",
        );
        world.use_socket(&stream, 170);
        world.move_to_another_isolate();
        let next = world.visit();
        assert_eq!(
            header_value(&next, "x-session-id"),
            header_value(&first, "x-session-id")
        );
    });
}

#[test]
fn refused_handshake_does_not_count_as_use() {
    for (request_headers, status) in [(&SOCKET[..], 403), (&SOCKET[..], 200), (&EVENTS[..], 200)] {
        under_all(|mut world, _| {
            let first = world.exchange("");
            world.open(request_headers, status, "content-type\ntext/html");
            world.wait(170);
            let next = world.visit();
            assert_ne!(
                header_value(&next, "x-session-id"),
                header_value(&first, "x-session-id")
            );
        });
    }
}

#[test]
fn passed_through_socket_counts_as_use_for_a_day() {
    under_both(|consistency| {
        let mut world = World::new(
            &json!({ "CONSISTENCY": consistency, "SESSION_IDLE": "2m", "SESSION_ABSOLUTE": "7d" }),
        );
        world.exchange("x-session-identify\n{\"user\":\"u1\"}");
        world.socket();
        world.wait(86_400 - 10);
        assert_eq!(header_value(&world.visit(), "x-session-user"), Some("u1"));
        world.wait(130);
        world.move_to_another_isolate();
        let (status, _) = refused(world.get("/"));
        assert_eq!(status, 401);
    });
}

#[test]
fn socket_does_not_extend_the_absolute_limit() {
    under_all(|world, streams| {
        let settings =
            json!({ "STREAMS": streams, "SESSION_IDLE": "2m", "SESSION_ABSOLUTE": "1h" });
        let mut world = World {
            settings: settings.clone(),
            gateway: gateway(&settings, 3),
            ..world
        };
        let first = world.exchange("");
        world.socket();
        world.wait(3_600);
        let next = world.visit();
        assert_ne!(
            header_value(&next, "x-session-id"),
            header_value(&first, "x-session-id")
        );
    });
}

#[test]
fn idle_guest_returns_to_the_same_server() {
    let mut world = World::new(&json!({ "SESSION_IDLE": "2m" }));
    for _ in 0..40 {
        world.jar = None;
        let first = world.exchange("");
        world.wait(130);
        world.move_to_another_isolate();
        let next = world.exchange("");
        assert_eq!(header_value(&next, "x-session-state"), Some("new"));
        assert_ne!(
            header_value(&next, "x-session-id"),
            header_value(&first, "x-session-id")
        );
        assert_eq!(next.origin, first.origin);
    }
}

#[test]
fn idle_guest_does_not_return_to_a_draining_server() {
    let mut world = World::new(&json!({ "SESSION_IDLE": "2m" }));
    for _ in 0..10 {
        world.jar = None;
        world.settings["ORIGINS"] = json!(ORIGINS);
        world.move_to_another_isolate();
        let first = world.exchange("");
        world.wait(130);
        let base = format!("{0}=http://{0}:1", first.origin);
        let drained = ORIGINS.replace(&base, &format!("{base};state=drain"));
        world.settings["ORIGINS"] = json!(drained);
        world.move_to_another_isolate();
        let next = world.exchange("");
        assert_ne!(next.origin, first.origin);
    }
}

#[test]
fn ended_session_restarts_where_there_is_capacity() {
    let mut world = World::new(&json!({}));
    let origins: std::collections::BTreeSet<String> = (0..40)
        .map(|_| {
            world.jar = None;
            let first = world.exchange("x-session-patch\n{\"a\":1}");
            let cookie = world.jar.clone();
            world.exchange("x-session-destroy\n1");
            world.jar = cookie;
            let page = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];
            let next = forwarded(world.send("GET", "/", &page, &mut Answers::default()));
            format!("{}{}", first.origin == next.origin, "")
        })
        .collect();
    assert_eq!(origins.len(), 2, "sometimes the same, sometimes another");
}
