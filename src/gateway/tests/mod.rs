//! The path of a request, driven as the edge drives it, over storage in memory.

mod access;
mod lifecycle;
mod origins;
mod storage;

use std::collections::HashMap;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};

use super::{Forward, Gateway, Settled, Step};
use crate::answer::Answer;
use crate::clock::UnixMillis;
use crate::deployment::Deployment;
use crate::encoding::base64url;
use crate::forward::response::Edits;
use crate::store::{Answers, Failure, Found};
use crate::telemetry::log::Event;

/// What storage does when it is asked.
#[derive(Clone, Copy, PartialEq)]
enum Weather {
    Fine,
    ReadsFail,
    WritesFail,
}

/// A gateway with storage, a clock and one browser.
struct World {
    gateway: Gateway,
    storage: HashMap<String, Vec<u8>>,
    weather: Weather,
    now: UnixMillis,
    reads: usize,
    jar: Option<String>,
}

const ORIGINS: &str = "a=http://a:1,b=http://b:1,c=http://c:1";

fn gateway(settings: &Value, seed: u64) -> Gateway {
    let mut bindings =
        json!({ "SESSION_KEYS": base64url(&[7; 32]), "ORIGINS": ORIGINS, "SESSIONS": true });
    for (name, value) in settings.as_object().unwrap() {
        bindings[name] = value.clone();
    }
    Gateway::new(
        Deployment::from_bindings(&bindings.to_string())
            .ok()
            .unwrap(),
        ChaCha20Rng::seed_from_u64(seed),
    )
}

impl World {
    fn new(settings: &Value) -> Self {
        Self {
            gateway: gateway(settings, 1),
            storage: HashMap::new(),
            weather: Weather::Fine,
            now: UnixMillis(1_700_000_000_000),
            reads: 0,
            jar: None,
        }
    }

    /// The same storage and browser, met by an isolate that knows nothing yet.
    fn move_to_another_isolate(&mut self, settings: &Value) {
        self.gateway = gateway(settings, 2);
    }

    fn wait(&mut self, seconds: u64) {
        self.now.0 += seconds * 1000;
    }

    fn store(&mut self) -> bool {
        let fine = self.weather != Weather::WritesFail;
        for write in self.gateway.take_writes() {
            if fine {
                self.storage.insert(write.key, write.value);
            }
        }
        fine
    }

    fn found(&mut self, key: &str) -> Found {
        self.reads += 1;
        match self.storage.get(key) {
            _ if self.weather == Weather::ReadsFail => Found::Unavailable,
            Some(bytes) => Found::Bytes(bytes.clone()),
            None => Found::Absent,
        }
    }

    fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        answers: &mut Answers,
    ) -> Step {
        let mut packed = format!("{method}\nhttps://chat.example{target}");
        for (name, value) in headers {
            packed.push_str(&format!("\n{name}\n{value}"));
        }
        if let Some(cookie) = &self.jar {
            packed.push_str(&format!("\ncookie\n{cookie}"));
        }
        loop {
            match self.gateway.admit(&packed, self.now, answers) {
                Step::Read(read) => {
                    self.now.0 += u64::from(read.after_ms);
                    let found = self.found(&read.key);
                    answers.add(&read.key, found);
                }
                Step::Store => {
                    let acknowledged = self.store();
                    answers.set_written(acknowledged);
                }
                done => return done,
            }
        }
    }

    fn get(&mut self, target: &str) -> Step {
        self.ask("GET", target, &[], &mut Answers::default())
    }

    /// The request as it is forwarded.
    fn visit(&mut self) -> Forward {
        forwarded(self.get("/"))
    }

    /// The origin answers with these headers; the browser takes the cookie.
    fn answer(&mut self, forward: &Forward, headers: &str) -> Edits {
        let mut answers = Answers::default();
        let edits = loop {
            match self
                .gateway
                .settle(&forward.ticket, 200, headers, self.now, &answers)
            {
                Settled::Read(read) => {
                    let found = self.found(&read.key);
                    answers.add(&read.key, found);
                }
                Settled::Store => {
                    let acknowledged = self.store();
                    answers.set_written(acknowledged);
                }
                Settled::Edited(edits) => break edits,
                Settled::Untouched => break Edits::default(),
                Settled::Replaced(answer) => panic!("replaced: {answer:?}"),
            }
        };
        self.store();
        for (name, value) in &edits.append {
            if *name == "set-cookie" {
                let pair = value.split(';').next().unwrap();
                self.jar = (!value.contains("Max-Age=0")).then(|| pair.to_owned());
            }
        }
        edits
    }

    /// A whole exchange.
    fn exchange(&mut self, headers: &str) -> Forward {
        let forward = self.visit();
        self.answer(&forward, headers);
        forward
    }

    fn keep_up(&mut self, forward: &Forward) {
        let mut answers = Answers::default();
        while let Some(read) = self.gateway.afterwards(&forward.ticket, self.now, &answers) {
            let found = self.found(&read.key);
            answers.add(&read.key, found);
        }
        self.store();
    }
}

fn told<'a>(forward: &'a Forward, name: &str) -> Option<&'a str> {
    forward.headers.value(name)
}

fn forwarded(step: Step) -> Forward {
    match step {
        Step::Forward(forward) => forward,
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
