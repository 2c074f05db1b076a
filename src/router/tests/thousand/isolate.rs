//! Runs one isolate for all tenants, with fake surroundings. While a request waits, others are served.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::call::Call;
use super::credentials::{alices_password, provider};
use super::leak_check::{LeakCheck, Output};
use super::tenants::{OPERATOR, SeededRandom, TestTenant, bindings};
use crate::auth::login_throttle;
use crate::clock::UnixMillis;
use crate::deployment::Deployment;
use crate::effect::{Answers, Class, Found, Need};
use crate::gateway::{Forward, ResponseAction, Step};
use crate::keys::DeploymentKeys;
use crate::router::Router;
use crate::simulation::fake_io::FakeIo;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;

/// Maximum nested requests in flight.
const MAX_AT_ONCE: usize = 3;

pub(super) struct Isolate {
    pub(super) router: Router,
    pub(super) io: FakeIo,
    attempts: HashMap<String, String>,
    pub(super) tenants: Vec<TestTenant>,
    pub(super) leaks: LeakCheck,
    pub(super) random: SeededRandom,
    pub(super) now: UnixMillis,
    /// Indexes of the tenants with requests in flight.
    pub(super) served: Vec<usize>,
    /// Number of requests to providers.
    pub(super) fetched: usize,
    pub(super) log: String,
}

impl Isolate {
    pub(super) fn new(number: usize, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        let tenants: Vec<TestTenant> = (0..number)
            .map(|number| TestTenant::new(number, &mut random))
            .collect();
        let deployment = Deployment::from_bindings(&bindings(&tenants).to_string());
        let deployment = deployment.unwrap_or_else(|faults| panic!("{faults}"));
        let mut io = FakeIo::default();
        for tenant in &tenants {
            if let Some(own) = &tenant.own_keys {
                let own = DeploymentKeys::parse(own).unwrap();
                io.own_keys.insert(tenant.id.clone(), own);
            }
            let mark = &tenant.mark;
            for (source, hash) in [
                (format!("https://cdn.{mark}.example/logo"), "logo"),
                (format!("asset:{}:style-{mark}.css", tenant.id), "style"),
            ] {
                io.has_asset(&source, "image/png", &format!("{hash}{mark}"));
            }
        }
        let mut isolate = Self {
            router: Router::new(deployment, ChaCha20Rng::seed_from_u64(seed)),
            io,
            attempts: HashMap::new(),
            tenants,
            leaks: LeakCheck::default(),
            random,
            now: UnixMillis(1_700_000_000_000),
            served: Vec::new(),
            fetched: 0,
            log: String::new(),
        };
        for tenant in 0..number {
            let document = isolate.tenants[tenant].document.clone();
            isolate.put(&document);
        }
        isolate
    }

    pub(super) fn put(&mut self, document: &Value) {
        let id = document["id"].as_str().unwrap();
        for host in document["hosts"].as_array().unwrap() {
            self.store_document(&format!("host:{}", host.as_str().unwrap()), id);
        }
        self.store_document(&format!("tenant:{id}"), &document.to_string());
        let mark = id.strip_prefix("t-").unwrap();
        let account = json!({
            "user": format!("user-{mark}"),
            "email": format!("{mark}@mail.example"),
            "password": format!("$argon2id$of-{mark}"),
        });
        self.store_document(&format!("user:{id}:alice"), &account.to_string());
    }

    pub(super) fn store_document(&mut self, key: &str, text: &str) {
        let found = Found::Bytes(text.as_bytes().to_vec());
        self.io.documents.insert(key.to_owned(), found);
    }

    pub(super) fn is_full(&self) -> bool {
        self.served.len() >= MAX_AT_ONCE
    }

    /// Repeats a request until it is decided; `meanwhile` serves others during each wait.
    pub(super) fn ask(
        &mut self,
        tenant: Option<usize>,
        call: &Call,
        meanwhile: &mut dyn FnMut(&mut Self),
    ) -> Step {
        let packed = call.packed();
        let caller_text = [packed.as_str(), "\n", &call.body].concat();
        let output = Output {
            tenant,
            caller_text: &caller_text,
        };
        self.served.extend(tenant);
        // No two tenants share a time of last use, so eviction is deterministic.
        self.now.0 += 1;
        let mut answers = Answers::default();
        let step = loop {
            let step = self.router.admit(&packed, self.now, &answers);
            self.check_log(output);
            self.leaks.step(output, &packed, &step);
            match step {
                Step::Await(needs) => {
                    self.perform(output, &needs, &call.body, &mut answers, meanwhile);
                }
                done => break done,
            }
        };
        if let Step::Forward(forward) = &step {
            self.run_background(output, forward, meanwhile);
        }
        self.store();
        self.leave(tenant);
        step
    }

    /// Performs an operator's request for the deployment, which may concern any tenant.
    pub(super) fn operate(&mut self, method: &'static str, id: &str, body: &str) -> u16 {
        let url = format!("https://anywhere.example/_session/admin/tenants/{id}");
        let mut call = Call::to(method, url)
            .with("authorization", &format!("Bearer {OPERATOR}"))
            .with("content-type", "application/json");
        body.clone_into(&mut call.body);
        let mut answers = Answers::default();
        loop {
            match self.router.admit(&call.packed(), self.now, &answers) {
                Step::Await(needs) => {
                    self.io.body = Some(call.body.clone().into_bytes());
                    for need in needs {
                        self.io.perform(&need, Vec::new(), &mut answers, self.now);
                    }
                }
                Step::Answer(answer) => {
                    self.router.take_events();
                    return answer.status;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Passes the origin's response headers to the router.
    pub(super) fn handle_response(
        &mut self,
        tenant: usize,
        forward: &Forward,
        headers: &str,
        meanwhile: &mut dyn FnMut(&mut Self),
    ) -> ResponseAction {
        let caller_text = [forward.response_context.as_str(), "\n", headers].concat();
        let output = Output {
            tenant: Some(tenant),
            caller_text: &caller_text,
        };
        self.served.push(tenant);
        self.now.0 += 1;
        let mut answers = Answers::default();
        let action = loop {
            let response_context = &forward.response_context;
            let action =
                self.router
                    .handle_response(response_context, 200, headers, self.now, &answers);
            self.check_log(output);
            self.leaks.action(output, &action);
            match action {
                ResponseAction::Await(needs) => {
                    self.perform(output, &needs, "", &mut answers, meanwhile);
                }
                done => break done,
            }
        };
        self.store();
        self.leave(Some(tenant));
        action
    }

    fn run_background(
        &mut self,
        output: Output<'_>,
        forward: &Forward,
        meanwhile: &mut dyn FnMut(&mut Self),
    ) {
        if !forward.run_background {
            return;
        }
        let mut answers = Answers::default();
        loop {
            let response_context = &forward.response_context;
            let needs = self
                .router
                .run_background(response_context, self.now, &answers);
            self.check_log(output);
            if needs.is_empty() {
                break;
            }
            self.perform(output, &needs, "", &mut answers, meanwhile);
        }
    }

    fn leave(&mut self, tenant: Option<usize>) {
        if tenant.is_some() {
            self.served.pop();
        }
    }

    fn check_log(&mut self, output: Output<'_>) {
        for event in self.router.take_events() {
            let line = event.to_json().to_string();
            self.leaks.look(output, "a log line", &line);
            self.log.push_str(&line);
        }
    }

    fn store(&mut self) {
        let writes = self.router.take_writes();
        self.leaks.writes(&self.tenants, &self.served, &writes);
        self.io.put(writes);
    }

    fn perform(
        &mut self,
        output: Output<'_>,
        needs: &[Need],
        body: &str,
        answers: &mut Answers,
        meanwhile: &mut dyn FnMut(&mut Self),
    ) {
        let tenant = output.tenant.map(|tenant| &self.tenants[tenant]);
        self.leaks.needs(output, tenant, needs);
        if !self.is_full() && self.random.one_in(6) {
            meanwhile(self);
        }
        for need in needs {
            self.io.body = Some(body.as_bytes().to_vec());
            match need {
                Need::Store => {
                    self.store();
                    answers.set_written(true);
                }
                Need::Fetch { key, call } => {
                    self.fetched += 1;
                    let found = Found::Bytes(provider(call, self.now).into_bytes());
                    answers.add(key, found, self.now);
                }
                Need::Verify { key, .. } => answers.add(key, Found::Bytes(b"1".to_vec()), self.now),
                Need::CheckPassword {
                    key,
                    password,
                    hash,
                } => {
                    let hash = hash.as_deref().unwrap_or_default();
                    let mark = hash.strip_prefix("$argon2id$of-");
                    let is_right = mark.is_some_and(|mark| alices_password(mark) == *password);
                    let verdict = if is_right { b"1" } else { b"0" };
                    answers.add(key, Found::Bytes(verdict.to_vec()), self.now);
                }
                Need::Call {
                    class: Class::Attempts,
                    name,
                    command,
                    key,
                    ..
                } => {
                    let stored = self.attempts.get(name).map(String::as_str);
                    let outcome = login_throttle::apply(stored, command, self.now);
                    match outcome.change {
                        login_throttle::Change::Store { row, .. } => {
                            self.attempts.insert(name.clone(), row);
                        }
                        login_throttle::Change::DeleteAll => {
                            self.attempts.remove(name);
                        }
                        login_throttle::Change::Nothing => {}
                    }
                    let verdict = outcome.reply.to_text().into_bytes();
                    answers.add(key, Found::Bytes(verdict), self.now);
                }
                need => self.io.perform(need, Vec::new(), answers, self.now),
            }
        }
    }
}
