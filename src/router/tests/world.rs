//! Runs a router over the fake storage of the simulation.

use super::*;

pub(super) struct World {
    pub(super) router: Router,
    pub(super) io: FakeIo,
    pub(super) now: UnixMillis,
    pub(super) asked: usize,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(&json!({}))
    }

    pub(super) fn with(changes: &Value) -> Self {
        let mut bindings = json!({
            "SESSION_KEYS": base64url(&KEY),
            "SESSIONS": true,
            "TENANTS": true,
            "CONSISTENCY": "eventual",
            "SESSION_IDLE": "1h",
        });
        for (name, value) in changes.as_object().unwrap() {
            bindings[name] = value.clone();
        }
        let deployment = Deployment::from_bindings(&bindings.to_string());
        Self {
            router: Router::new(deployment.ok().unwrap(), ChaCha20Rng::seed_from_u64(1)),
            io: FakeIo::default(),
            now: UnixMillis(1_700_000_000_000),
            asked: 0,
        }
    }

    pub(super) fn put(&mut self, document: &Value) {
        let id = document["id"].as_str().unwrap();
        for host in document["hosts"].as_array().unwrap() {
            let key = format!("host:{}", host.as_str().unwrap());
            self.store_document(&key, id);
        }
        self.store_document(&format!("tenant:{id}"), &document.to_string());
    }

    pub(super) fn store_document(&mut self, key: &str, text: &str) {
        let found = Found::Bytes(text.as_bytes().to_vec());
        self.io.documents.insert(key.to_owned(), found);
    }

    pub(super) fn tenant(&mut self, id: &str, changes: &Value) {
        let mut document = json!({
            "id": id,
            "hosts": [format!("{id}.example")],
            "origins": [{ "url": format!("http://{id}.internal") }],
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        self.put(&document);
    }

    pub(super) fn get(&mut self, url: &str, headers: &[(&str, &str)]) -> Step {
        self.request("GET", url, headers)
    }

    pub(super) fn request(&mut self, method: &str, url: &str, headers: &[(&str, &str)]) -> Step {
        let mut packed = format!("{method}\n{url}");
        for (name, value) in headers {
            packed.push_str(&format!("\n{name}\n{value}"));
        }
        let mut answers = Answers::default();
        loop {
            match self.router.admit(&packed, self.now, &answers) {
                Step::Await(needs) => self.satisfy(&needs, &mut answers),
                done => {
                    if let Step::Forward(forward) = &done {
                        self.keep_up(forward);
                    }
                    return done;
                }
            }
        }
    }

    pub(super) fn keep_up(&mut self, forward: &Forward) {
        if !forward.run_background {
            return;
        }
        let mut answers = Answers::default();
        loop {
            let needs = self
                .router
                .run_background(&forward.response_context, self.now, &answers);
            if needs.is_empty() {
                break;
            }
            self.satisfy(&needs, &mut answers);
        }
    }

    /// Passes the origin's response to the router. Returns the cookie that the browser gets.
    pub(super) fn handle_response(&mut self, forward: &Forward, headers: &str) -> String {
        let mut answers = Answers::default();
        loop {
            let response_context = &forward.response_context;
            match self
                .router
                .handle_response(response_context, 200, headers, self.now, &answers)
            {
                ResponseAction::Await(needs) => self.satisfy(&needs, &mut answers),
                ResponseAction::Edited(edits) => {
                    let writes = self.router.take_writes();
                    self.io.put(writes.clone());
                    assert!(writes.iter().all(|write| self.router.stored(write)));
                    let lines = edits
                        .append
                        .iter()
                        .filter(|(name, _)| *name == "set-cookie");
                    let line = lines.map(|(_, line)| line.clone()).next().unwrap();
                    return line.split(';').next().unwrap().to_owned();
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn satisfy(&mut self, needs: &[Need], answers: &mut Answers) {
        for need in needs {
            self.asked += usize::from(matches!(need, Need::Document { .. }));
            let writes = match need {
                Need::Store => self.router.take_writes(),
                _ => Vec::new(),
            };
            self.io.perform(need, writes, answers, self.now);
        }
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now.0 += seconds * 1_000;
    }

    pub(super) fn events(&mut self) -> String {
        let events = self.router.take_events();
        events
            .iter()
            .map(|event| event.to_json().to_string())
            .collect()
    }
}

pub(super) fn forwarded(step: Step) -> Forward {
    match step {
        Step::Forward(forward) => *forward,
        other => panic!("not forwarded: {other:?}"),
    }
}

pub(super) fn refused(step: Step) -> (u16, String) {
    let Step::Answer(Answer { status, body, .. }) = step else {
        panic!("not refused: {step:?}")
    };
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}
