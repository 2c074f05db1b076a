//! Fakes a namespace and objects that answer at once, for tests of single decisions.

use std::collections::{HashMap, VecDeque};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;

use super::directory::Directory;
use crate::balancer::pool_aggregate::PoolAggregate;
use crate::balancer::probe::Verdict;
use crate::clock::UnixMillis;
use crate::effect::asset::{Asset, FileMetadata, Trouble};
use crate::effect::{Answers, Body, Class, Found, Need, Write};
use crate::encoding::base64url;
use crate::keys::{DeploymentKeys, KeyRing};
use crate::session_object::command::parse_object_name;
use crate::session_object::object::{Action, CallId, Context, Item, SessionObject};
use crate::tenant_id::TenantId;

/// Key of every test deployment.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// Services that do not answer.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Silent {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    pub(crate) objects: bool,
    pub(crate) directory: bool,
}

#[derive(Default)]
pub(crate) struct FakeIo {
    pub(crate) namespace: HashMap<String, Vec<u8>>,
    pub(crate) rows: HashMap<String, Vec<u8>>,
    /// Directory objects by tenant.
    pub(crate) directories: HashMap<String, Directory>,
    /// Keys of tenants with their own, by id.
    pub(crate) own_keys: HashMap<String, DeploymentKeys>,
    pub(crate) silent: Silent,
    /// Pool object; without one it does not answer.
    pub(crate) pool: Option<PoolAggregate>,
    /// Whether objects keep records from the namespace.
    pub(crate) holds_back: bool,
    /// Tenant documents.
    pub(crate) documents: HashMap<String, Found>,
    /// Available files of tenants, by source.
    pub(crate) assets: HashMap<String, Asset>,
    /// Results of probes by origin; other origins are healthy.
    pub(crate) probed: HashMap<String, Verdict>,
    pub(crate) probes: usize,
    /// Whether the platform's limit on new sessions is exceeded.
    pub(crate) is_limited: bool,
    pub(crate) reads: usize,
    pub(crate) calls: usize,
    pub(crate) feeds: usize,
    pub(crate) puts: usize,
    pub(crate) body: Option<Vec<u8>>,
}

pub(crate) fn keys(tenant: &TenantId) -> KeyRing {
    let keys = DeploymentKeys::parse(&base64url(&KEY)).unwrap();
    KeyRing::derive(&keys, tenant).unwrap()
}

impl FakeIo {
    /// Performs one need; `writes` are the gateway's pending values.
    pub(crate) fn perform(
        &mut self,
        need: &Need,
        writes: Vec<Write>,
        answers: &mut Answers,
        now: UnixMillis,
    ) {
        match need {
            Need::Read { key, .. } => {
                let found = self.read(key);
                answers.add(key, found, now);
            }
            Need::List { prefix } => {
                let mut names: Vec<&str> = self
                    .namespace
                    .keys()
                    .filter(|key| key.starts_with(prefix))
                    .map(String::as_str)
                    .collect();
                names.sort_unstable();
                let found = if self.silent.reads {
                    Found::Unavailable
                } else {
                    Found::Bytes(names.join("\n").into_bytes())
                };
                self.feeds += usize::from(prefix.starts_with("r:"));
                answers.add(prefix, found, now);
            }
            Need::Call {
                class,
                name,
                command,
                key,
                ..
            } => {
                let found = self.call(*class, name, command, now);
                answers.add(key, found, now);
            }
            Need::Document { key } => {
                let found = self.documents.get(key).cloned();
                answers.add(key, found.unwrap_or(Found::Absent), now);
            }
            Need::Documents { prefix } => {
                let mut names: Vec<&str> = self.documents.keys().map(String::as_str).collect();
                names.retain(|name| name.starts_with(prefix));
                names.sort_unstable();
                answers.add(prefix, Found::Bytes(names.join("\n").into_bytes()), now);
            }
            Need::Keep { puts, deletes } => {
                for (key, text) in puts {
                    let found = Found::Bytes(text.clone().into_bytes());
                    self.documents.insert(key.clone(), found);
                }
                self.documents.retain(|key, _| !deletes.contains(key));
                answers.set_written(true);
            }
            // Sign-ins have tests of their own.
            Need::Fetch { key, .. }
            | Need::Verify { key, .. }
            | Need::PublicKey { key, .. }
            | Need::CheckPassword { key, .. }
            | Need::HashPassword { key, .. } => answers.add(key, Found::Unavailable, now),
            Need::Sign { key, input, .. } => {
                let signed = format!("{input}.signature");
                answers.add(key, Found::Bytes(signed.into_bytes()), now);
            }
            Need::Note { key, text } | Need::Fold { key, text } => {
                answers.add(key, Found::Bytes(text.clone().into_bytes()), now);
            }
            Need::Limit { key } => {
                let verdict = if self.is_limited { b"0" } else { b"1" };
                answers.add(key, Found::Bytes(verdict.to_vec()), now);
            }
            Need::Asset { source, .. } => {
                let asset = self.assets.get(source).cloned();
                let missing = || Asset::Missing(Trouble::Status(404));
                answers.set_asset(source, asset.unwrap_or_else(missing));
            }
            Need::BuiltFile { name, .. } => {
                let asset = self.assets.get(*name).cloned();
                answers.set_asset(name, asset.unwrap_or(Asset::Missing(Trouble::Absent)));
            }
            Need::Body { limit } => {
                let body = self.body.clone().unwrap_or_default();
                answers.set_body(if body.len() > *limit {
                    Body::TooLarge
                } else {
                    Body::Bytes(body)
                });
            }
            Need::Pause { key, .. } => answers.add(key, Found::Absent, now),
            Need::Store => {
                let acknowledged = self.put(writes);
                answers.set_written(acknowledged);
            }
        }
    }

    /// Adds an available file.
    pub(crate) fn has_asset(&mut self, source: &str, media_type: &str, hash: &str) {
        let metadata = FileMetadata {
            media_type: media_type.to_owned(),
            hash: hash.to_owned(),
            length: 3,
            trouble: None,
        };
        self.assets
            .insert(source.to_owned(), Asset::Available(metadata));
    }

    pub(crate) fn put(&mut self, writes: Vec<Write>) -> bool {
        if !self.silent.writes {
            self.puts += writes.len();
            let entries = writes.into_iter().map(|write| (write.key, write.value));
            self.namespace.extend(entries);
        }
        !self.silent.writes
    }

    fn read(&mut self, key: &str) -> Found {
        self.reads += 1;
        match self.namespace.get(key) {
            _ if self.silent.reads => Found::Unavailable,
            Some(bytes) => Found::Bytes(bytes.clone()),
            None => Found::Absent,
        }
    }

    fn call(&mut self, class: Class, name: &str, command: &str, now: UnixMillis) -> Found {
        match class {
            Class::Session if self.silent.objects => Found::Unavailable,
            Class::Directory if self.silent.directory => Found::Unavailable,
            Class::Session => {
                self.calls += 1;
                Found::Bytes(self.command(name, command, now))
            }
            Class::Pool => match &mut self.pool {
                Some(pool) => {
                    self.calls += 1;
                    let result = pool.apply(command, None, now).unwrap();
                    Found::Bytes(result.answer.into_bytes())
                }
                None => Found::Unavailable,
            },
            Class::Attempts | Class::Telemetry => Found::Unavailable,
            Class::Directory => {
                self.feeds += usize::from(command.contains("\"feed\""));
                Found::Bytes(self.direct(name, command, now))
            }
        }
    }

    fn direct(&mut self, tenant: &str, command: &str, now: UnixMillis) -> Vec<u8> {
        let directory = self.directories.entry(tenant.to_owned()).or_default();
        let (answer, surplus) = directory.command(tenant, command, now);
        for one in surplus {
            self.command(&one.object, &one.command, now);
        }
        answer
    }

    /// Runs a command on an object, and its outbox as far as possible now. Restores the object from its row each time,
    /// as after an eviction.
    fn command(&mut self, name: &str, command: &str, now: UnixMillis) -> Vec<u8> {
        let (tenant, _) = parse_object_name(name).unwrap();
        let own = self.own_keys.get(tenant.as_str());
        let keys = own.map_or_else(
            || keys(&tenant),
            |own| KeyRing::derive(own, &tenant).unwrap(),
        );
        let mut random = ChaCha20Rng::seed_from_u64(now.0);
        let mut context = Context {
            keys: &keys,
            random: &mut random,
            now,
        };
        let mut object = SessionObject::restored(Some(name), self.rows.get(name).cloned(), now);
        let mut actions = VecDeque::from(object.command(CallId(0), name, command, &mut context));
        let mut reply = Vec::new();
        let mut alarm = None;
        loop {
            let follows = match actions.pop_front() {
                Some(Action::StoreRow(row)) => {
                    self.rows.insert(name.to_owned(), row);
                    Vec::new()
                }
                Some(Action::DeleteAll) => {
                    self.rows.remove(name);
                    Vec::new()
                }
                Some(Action::SetAlarm(at)) => {
                    // Due work runs now instead of after a wait.
                    alarm = Some(at).filter(|at| at.0 <= context.now.0 + 1_000);
                    Vec::new()
                }
                Some(Action::Run(Item::Store(_))) if self.holds_back => return reply,
                Some(Action::Run(Item::Store(write))) => {
                    let done = self.put(vec![write]);
                    object.item_done(done, context.now)
                }
                Some(Action::Run(Item::Directory { tenant, command })) => {
                    let done = !self.silent.directory;
                    if done {
                        self.direct(tenant.as_str(), &command, now);
                    }
                    object.item_done(done, context.now)
                }
                Some(Action::Reply(_, bytes)) => {
                    reply = bytes;
                    Vec::new()
                }
                // Sign-ins have tests of their own.
                Some(Action::Fetch(_)) => object.provider_answered(0, String::new(), &mut context),
                Some(
                    Action::StoreName(_)
                    | Action::Perform(_)
                    | Action::AlarmDone(_)
                    | Action::Log(_),
                ) => Vec::new(),
                None => match alarm.take() {
                    Some(at) => {
                        context.now = at;
                        object.alarm(CallId(1), at)
                    }
                    None => return reply,
                },
            };
            actions.extend(follows);
        }
    }
}
