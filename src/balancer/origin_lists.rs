//! Decides which servers of a tenant's lists get sessions, for the pool object, which reads the lists.
//!
//! - A server that comes gets only sessions that begin [`LEAD_SECONDS`] later. Until then every isolate in use knows it,
//!   so that no session moves to it. If no server of the list is left, it gets sessions at once.
//! - A server that leaves is drained: it keeps its sessions for a while. Then it counts as down for an hour, so that
//!   its sessions move with a takeover.
//! - A list that cannot be read, or has no server, changes nothing.
//!
//! Only changes of servers are stored.

use serde_json::Value;

use super::discovery::MAX_SERVERS;
use crate::clock::UnixMillis;
use crate::encoding::{from_json, json, strings};

/// Time after which a server that came gets sessions, in seconds. Isolates with an older answer ask before they decide.
pub(crate) const LEAD_SECONDS: u64 = 10;

/// Time for which a server that left is known as down, in milliseconds.
const GONE_COUNTS_MS: u64 = 3_600_000;

/// Maximum number of servers that are drained or down.
const MAX_LEFT: usize = MAX_SERVERS;

/// Interval at which an unknown list is tried, in milliseconds.
const RETRY_MS: u64 = 2_000;

/// Time after which a list that no isolate asks for is forgotten, in milliseconds.
const UNASKED_MS: u64 = 600_000;

/// Servers found by name, each an entry of `origins`.
pub(crate) type Found = Vec<(String, Value)>;

/// Lists of one tenant.
#[derive(Debug, Default)]
pub(crate) struct OriginLists(Vec<List>);

/// List of servers.
#[derive(Debug, Default)]
struct List {
    source: String,
    servers: Vec<Server>,
    /// First time that an isolate asked for it, and the last.
    begun: UnixMillis,
    asked: UnixMillis,
    /// Begin of the last attempt to read it, and the last success.
    tried: UnixMillis,
    read: UnixMillis,
    /// Time for which servers that left are drained, in milliseconds.
    drain_ms: u64,
    error: String,
}

/// Server of a list.
#[derive(Debug)]
struct Server {
    name: String,
    entry: Value,
    /// Begin of the sessions that it gets, in Unix seconds.
    since: u64,
    /// Time at which it left the list; 0 while it is in it.
    left: u64,
}

/// State of a server, as a number in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is in the list.
    Listed = 0,
    /// It left, and keeps its sessions.
    Draining = 1,
    /// Its sessions move.
    Gone = 2,
}

/// Consequence of an attempt to read a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Number of servers that came.
    pub added: u64,
    /// Number of servers that left.
    pub removed: u64,
    /// Whether the stored state changed.
    pub is_stored: bool,
    /// Reason of the failure, if it is another than before.
    pub failure: Option<String>,
}

impl OriginLists {
    /// Reads the stored state.
    #[must_use]
    pub(crate) fn from_text(text: Option<&str>, now: UnixMillis) -> Self {
        let stored = text.and_then(|text| from_json(text.as_bytes()));
        let mut lists = Vec::new();
        for value in elements(stored.as_ref()) {
            let mut list = List {
                source: text_at(value, 0).to_owned(),
                read: UnixMillis(number_at(value, 1)),
                drain_ms: number_at(value, 4),
                begun: now,
                asked: now,
                ..List::default()
            };
            for server in elements(value.get(3)) {
                let Some(entry @ Value::Object(_)) = server.get(1) else {
                    continue;
                };
                list.servers.push(Server {
                    name: text_at(server, 0).to_owned(),
                    entry: entry.clone(),
                    since: number_at(server, 2),
                    left: number_at(server, 3),
                });
            }
            lists.push(list);
        }
        Self(lists)
    }

    /// Notes that an isolate asks for lists. Returns those to read now, which counts as tried.
    pub(crate) fn ask(&mut self, wanted: &Value, now: UnixMillis) -> Vec<String> {
        let mut due = Vec::new();
        let seconds = |member| wanted.get(member).and_then(Value::as_u64).unwrap_or(30);
        for source in strings(wanted.get("sources")) {
            let known = self.0.iter().position(|list| list.source == source);
            if known.is_none() {
                self.0.push(List {
                    source: source.clone(),
                    begun: now,
                    ..List::default()
                });
            }
            let at = known.unwrap_or(self.0.len() - 1);
            let Some(list) = self.0.get_mut(at) else {
                continue;
            };
            list.asked = now;
            list.drain_ms = seconds("drain") * 1_000;
            let refresh_ms = seconds("refresh") * 1_000;
            let interval_ms = if list.servers.is_empty() {
                refresh_ms.min(RETRY_MS)
            } else {
                refresh_ms
            };
            if now.millis_since(list.tried) >= interval_ms {
                list.tried = now;
                due.push(source);
            }
        }
        let is_asked = |list: &List| now.millis_since(list.asked) < UNASKED_MS;
        self.0.retain(is_asked);
        due
    }

    /// Returns whether every list that isolates asked for has known servers, or could not be read.
    #[must_use]
    pub(crate) fn are_settled(&self) -> bool {
        let is_settled = |list: &List| !list.servers.is_empty() || !list.error.is_empty();
        self.0.iter().all(is_settled)
    }

    /// Applies what an attempt to read a list found, at least one server, or the reason of its failure.
    pub(crate) fn learn(
        &mut self,
        source: &str,
        found: Result<Found, String>,
        now: UnixMillis,
    ) -> Change {
        let mut change = Change::default();
        let Some(list) = self.0.iter_mut().find(|list| list.source == source) else {
            return change;
        };
        match found {
            Err(error) => {
                if list.error != error {
                    change.failure = Some(error.clone());
                    list.error = error;
                }
            }
            Ok(found) => {
                list.error.clear();
                list.read = now;
                list.replace(found, now, &mut change);
            }
        }
        change
    }

    /// Returns the state, for isolates and for storage.
    #[must_use]
    pub(crate) fn to_value(&self, now: UnixMillis) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        let mut lists = Vec::new();
        for list in &self.0 {
            lists.push(list.to_value(now));
        }
        Value::Array(lists)
    }
}

impl List {
    fn replace(&mut self, found: Found, now: UnixMillis, change: &mut Change) {
        let is_first =
            self.servers.is_empty() && now.millis_since(self.begun) < LEAD_SECONDS * 1_000;
        let stays = |server: &Server| {
            server.left == 0 && found.iter().any(|(name, _)| *name == server.name)
        };
        let since = if is_first {
            0
        } else if self.servers.iter().any(stays) {
            now.seconds().0 + LEAD_SECONDS
        } else {
            now.seconds().0
        };
        for server in &mut self.servers {
            if server.left == 0 && !found.iter().any(|(name, _)| *name == server.name) {
                server.left = now.0;
                change.removed += 1;
            }
        }
        change.is_stored |= change.removed > 0;
        for (name, entry) in found.into_iter().take(MAX_SERVERS) {
            let drain_ms = self.drain_ms;
            let known = self.servers.iter_mut().find(|server| server.name == name);
            let Some(known) = known else {
                change.added += 1;
                self.servers.push(Server {
                    name,
                    entry,
                    since,
                    left: 0,
                });
                continue;
            };
            if known.left != 0 {
                change.added += 1;
                // Its sessions have moved, so it is as good as new.
                if known.phase(drain_ms, now) == Phase::Gone {
                    known.since = since;
                }
                known.left = 0;
            }
            if known.entry != entry {
                known.entry = entry;
                change.is_stored = true;
            }
        }
        change.is_stored |= change.added > 0;
        let gone_ms = self.drain_ms + GONE_COUNTS_MS;
        let counts = |server: &Server| {
            server.left == 0 || now.millis_since(UnixMillis(server.left)) < gone_ms
        };
        let before = self.servers.len();
        self.servers.retain(counts);
        while self.servers.iter().filter(|one| one.left != 0).count() > MAX_LEFT {
            let left = self.servers.iter().filter(|one| one.left != 0);
            let Some(oldest) = left.map(|one| one.left).min() else {
                break;
            };
            let at = self.servers.iter().position(|one| one.left == oldest);
            at.map(|at| self.servers.remove(at));
        }
        change.is_stored |= self.servers.len() != before;
    }

    fn to_value(&self, now: UnixMillis) -> Value {
        let mut servers = Vec::new();
        for one in &self.servers {
            let phase = one.phase(self.drain_ms, now) as u64;
            servers.push(json!([one.name, one.entry, one.since, one.left, phase]));
        }
        let servers = Value::Array(servers);
        json!([self.source, self.read.0, self.error, servers, self.drain_ms])
    }
}

impl Server {
    fn phase(&self, drain_ms: u64, now: UnixMillis) -> Phase {
        if self.left == 0 {
            Phase::Listed
        } else if now.millis_since(UnixMillis(self.left)) < drain_ms {
            Phase::Draining
        } else {
            Phase::Gone
        }
    }
}

/// List in the state of a pool object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListView<'a>(pub &'a Value);

/// Server of a list in such a state.
#[derive(Clone, Debug)]
pub(crate) struct ServerView<'a> {
    /// Name of the server.
    pub name: &'a str,
    /// Entry of `origins`.
    pub entry: &'a Value,
    /// Begin of its sessions, in Unix seconds.
    pub since: u64,
    /// State of the server.
    pub phase: Phase,
}

impl<'a> ListView<'a> {
    /// Finds a list in the state of all.
    #[must_use]
    pub(crate) fn of(lists: &'a Value, source: &str) -> Option<Self> {
        let mut all = elements(Some(lists)).iter();
        all.find(|list| text_at(list, 0) == source).map(Self)
    }

    /// Returns the time of the last successful read.
    #[must_use]
    pub(crate) fn read(self) -> UnixMillis {
        UnixMillis(number_at(self.0, 1))
    }

    /// Returns why the last attempt failed; empty if it did not.
    #[must_use]
    pub(crate) fn error(self) -> &'a str {
        text_at(self.0, 2)
    }

    /// Returns the servers.
    #[must_use]
    pub(crate) fn servers(self) -> Vec<ServerView<'a>> {
        let mut servers = Vec::new();
        for value in elements(self.0.get(3)) {
            servers.push(ServerView {
                name: text_at(value, 0),
                entry: value.get(1).unwrap_or(&Value::Null),
                since: number_at(value, 2),
                phase: match number_at(value, 4) {
                    0 => Phase::Listed,
                    1 => Phase::Draining,
                    _ => Phase::Gone,
                },
            });
        }
        servers
    }
}

fn elements(array: Option<&Value>) -> &[Value] {
    array.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text_at(array: &Value, at: usize) -> &str {
    array.get(at).and_then(Value::as_str).unwrap_or_default()
}

fn number_at(array: &Value, at: usize) -> u64 {
    array.get(at).and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests;
