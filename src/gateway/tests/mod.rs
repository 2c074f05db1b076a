//! Tests the path of a request, driven as the edge drives it, over storage in memory.

mod access;
mod affinity;
mod api;
mod assertions;
mod decision_cache;
mod discovery;
mod ending;
mod explain;
mod failures;
mod group_rules;
mod leases;
mod lifecycle;
mod openings;
mod operator;
mod origins;
mod passwords;
mod past;
mod patches;
mod path_pools;
mod recorded_by_origin;
mod releases;
mod revocation;
mod storage;
mod waiting;
mod write_behind;

use std::collections::HashMap;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use serde_json::{Value, json};

use super::write_behind::Merged;
use super::{Asker, Forward, Gateway, ResponseAction, Step};
use crate::balancer::load::Activity;
use crate::balancer::probe::{Probe, Verdict};
use crate::clock::{UnixMillis, UnixSeconds};
use crate::deployment::Deployment;
use crate::effect::{Answers, Failure, Need, Write};
use crate::encoding::base64url;
use crate::http::request::Request;
use crate::response::Answer;
use crate::simulation::fake_io::{self, FakeIo};
use crate::upstream::response_headers::Edits;

/// Gateway with fake I/O, a clock and one browser.
struct World {
    gateway: Gateway,
    io: FakeIo,
    settings: Value,
    isolates: u64,
    now: UnixMillis,
    jar: Option<String>,
}

const ORIGINS: &str = "a=http://a:1,b=http://b:1,c=http://c:1";

const CONSISTENCIES: [&str; 2] = ["strong", "eventual"];

fn deployment(settings: &Value) -> Deployment {
    let mut bindings = json!({
        "SESSION_KEYS": base64url(&fake_io::KEY),
        "ORIGINS": ORIGINS,
        "SESSIONS": true,
        "SESSION_OBJECTS": true,
        "DIRECTORY_OBJECTS": true,
        "POOL_OBJECTS": true,
    });
    for (name, value) in settings.as_object().unwrap() {
        bindings[name] = value.clone();
    }
    Deployment::from_bindings(&bindings.to_string())
        .ok()
        .unwrap()
}

fn gateway(settings: &Value, seed: u64) -> Gateway {
    Gateway::new(
        deployment(settings).tenant.unwrap(),
        "/_session",
        crate::api::respond,
        ChaCha20Rng::seed_from_u64(seed),
    )
}

/// Runs a test under both consistencies.
fn under_both(test: impl Fn(&str)) {
    CONSISTENCIES.into_iter().for_each(test);
}

impl World {
    fn new(settings: &Value) -> Self {
        Self {
            gateway: gateway(settings, 1),
            io: FakeIo::default(),
            settings: settings.clone(),
            isolates: 1,
            now: UnixMillis(1_700_000_000_000),
            jar: None,
        }
    }

    /// Reports requests under way at an origin, from this isolate.
    fn busy(&mut self, origin: &str, under_way: u32) {
        let seen = Activity {
            under_way,
            ..Activity::default()
        };
        self.gateway.observe(origin, seen, self.now);
    }

    /// Reports sockets that this isolate opened at an origin and does not follow.
    fn sockets(&mut self, origin: &str, opened: u32) {
        let seen = Activity {
            opened,
            ..Activity::default()
        };
        self.gateway.observe(origin, seen, self.now);
    }

    /// Continues with the same storage and browser in a new isolate.
    fn move_to_another_isolate(&mut self) {
        self.isolates += 1;
        self.gateway = gateway(&self.settings, self.isolates);
    }

    fn wait(&mut self, seconds: u64) {
        self.now.0 += seconds * 1000;
    }

    /// Stores the queued values, as the edge does in the background.
    fn store(&mut self) {
        for write in self.gateway.sessions.take_writes() {
            let merged = match self.merged(&write) {
                Merged::AsIs => write.clone(),
                Merged::Instead(merged) => merged,
                Merged::Nothing | Merged::Unknown => continue,
            };
            if self.io.put(vec![merged]) {
                let unstored = &mut self.gateway.sessions.write_behind;
                assert!(unstored.stored(&write.key, &write.value));
            }
        }
    }

    fn merged(&mut self, write: &Write) -> Merged {
        let Gateway {
            sessions, recorder, ..
        } = &mut self.gateway;
        if !sessions.write_behind.reads_first(&write.key) {
            return Merged::AsIs;
        }
        let mut answers = Answers::default();
        let read = Need::read(&write.key);
        self.io.perform(&read, Vec::new(), &mut answers, self.now);
        let found = answers.found(&write.key).unwrap();
        sessions.merge(recorder, write, (found, self.now), self.now)
    }

    /// Returns the session records in the namespace.
    fn records(&self) -> HashMap<String, Vec<u8>> {
        let mut records = self.io.namespace.clone();
        records.retain(|key, _| key.starts_with("s:"));
        records
    }

    fn perform(&mut self, needs: &[Need], answers: &mut Answers) {
        for need in needs {
            if let Need::Read { after_ms: ms, .. } | Need::Pause { ms, .. } = need {
                self.now.0 += u64::from(*ms);
            }
            let writes = match need {
                Need::Store => self.gateway.sessions.take_writes(),
                _ => Vec::new(),
            };
            self.io.perform(need, writes, answers, self.now);
        }
    }

    /// Sends the pending probes.
    fn probe(&mut self) {
        for Probe { origin, begun, .. } in self.gateway.balancer.take_probes() {
            let verdict = self.io.probed.get(&origin).copied();
            let verdict = verdict.unwrap_or(Verdict::Alive);
            self.io.probes += 1;
            self.gateway.balancer.probed(
                &mut self.gateway.recorder,
                &origin,
                begun,
                verdict,
                self.now,
            );
        }
    }

    /// Records a gateway error of an origin.
    fn fail(&mut self, origin: &str) {
        let Gateway {
            balancer, recorder, ..
        } = &mut self.gateway;
        balancer.record_failure(recorder, origin, "gateway_errors", None, self.now);
    }

    /// Makes every probe find that origin's connections refused from now on.
    fn kill(&mut self, origin: &str) {
        let origin = origin.to_owned();
        self.io.probed.insert(origin, Verdict::Dead);
    }

    /// Packs a request of the browser.
    fn packed(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let mut packed = format!("{method}\nhttps://chat.example{target}");
        for (name, value) in headers {
            packed.push_str(&format!("\n{name}\n{value}"));
        }
        if let Some(cookie) = &self.jar {
            packed.push_str(&format!("\ncookie\n{cookie}"));
        }
        packed
    }

    fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        answers: &mut Answers,
    ) -> Step {
        let packed = self.packed(method, target, headers);
        let asker = self.asker(target, headers);
        loop {
            match self
                .gateway
                .admit(&Request::parse(&packed).unwrap(), asker, self.now, answers)
            {
                Step::Await(needs) => {
                    self.probe();
                    self.perform(&needs, answers);
                }
                done => {
                    self.probe();
                    self.store();
                    if let Step::Answer(answer) = &done {
                        self.take_cookie(&answer.headers);
                    }
                    return done;
                }
            }
        }
    }

    /// Authenticates operators, as the router does.
    fn asker(&self, target: &str, headers: &[(&str, &str)]) -> Asker {
        let authorization = headers.iter().find(|(name, _)| *name == "authorization");
        let shown = authorization.map(|(_, value)| *value);
        let mut tokens = self.gateway.admin_tokens().iter();
        let is_operator = tokens.any(|token| token.is_presented(shown));
        if is_operator && target.starts_with("/_session/admin/") {
            Asker::Operator
        } else {
            Asker::Visitor
        }
    }

    fn take_cookie(&mut self, headers: &[(&'static str, String)]) {
        for (name, value) in headers {
            if *name == "set-cookie" {
                let pair = value.split(';').next().unwrap();
                self.jar = (!value.contains("Max-Age=0")).then(|| pair.to_owned());
            }
        }
    }

    /// Calls a reserved path with a JSON body.
    fn call(&mut self, method: &str, target: &str, key: Option<&str>, body: &Value) -> Step {
        self.io.body = Some(body.to_string().into_bytes());
        let authorization = key.map(|key| format!("Bearer {key}"));
        let mut headers = Vec::new();
        if !body.is_null() {
            headers.push(("content-type", "application/json"));
        }
        if let Some(authorization) = &authorization {
            headers.push(("authorization", authorization.as_str()));
        }
        self.send(method, target, &headers, &mut Answers::default())
    }

    fn get(&mut self, target: &str) -> Step {
        self.send("GET", target, &[], &mut Answers::default())
    }

    /// Sends a request and returns it as forwarded.
    fn visit(&mut self) -> Forward {
        forwarded(self.get("/"))
    }

    /// Handles the origin's response with these headers; the browser takes the cookie.
    fn answer(&mut self, forward: &Forward, headers: &str) -> Edits {
        let mut answers = Answers::default();
        let edits = loop {
            match self.gateway.handle_response(
                &forward.response_context,
                200,
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
        edits
    }

    /// Runs a whole exchange.
    fn exchange(&mut self, headers: &str) -> Forward {
        let forward = self.visit();
        self.answer(&forward, headers);
        forward
    }

    fn run_background(&mut self, forward: &Forward) {
        let mut answers = Answers::default();
        loop {
            let needs = self
                .gateway
                .run_background(&forward.response_context, self.now, &answers);
            if needs.is_empty() {
                break;
            }
            self.perform(&needs, &mut answers);
        }
        self.store();
    }
}

fn header_value<'a>(forward: &'a Forward, name: &str) -> Option<&'a str> {
    forward.headers.value(name)
}

fn forwarded(step: Step) -> Forward {
    match step {
        Step::Forward(forward) => *forward,
        other => panic!("not forwarded: {other:?}"),
    }
}

fn refused(step: Step) -> (u16, String) {
    match step {
        Step::Answer(answer) => (answer.status, code(&answer)),
        other => panic!("not refused: {other:?}"),
    }
}

fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}
