//! The directory object as its SQL has it (`edge/directory-object.js`), in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::UnixMillis;

#[derive(Default)]
pub(crate) struct Directory {
    last: u64,
    revoked: BTreeMap<String, u64>,
    /// Session → user, created, and when it was listed.
    sessions: BTreeMap<String, (String, u64, u64)>,
    listed: u64,
}

/// A session that is one too many, and what to say to it.
pub(crate) struct Surplus {
    pub(crate) session: String,
    pub(crate) command: String,
}

impl Directory {
    pub(crate) fn obey(&mut self, command: &str, now: UnixMillis) -> (Vec<u8>, Vec<Surplus>) {
        let command: Value = serde_json::from_str(command).unwrap();
        let text = |name: &str| command[name].as_str().unwrap_or_default().to_owned();
        let mut surplus = Vec::new();
        let answer = match command["do"].as_str().unwrap() {
            "feed" => self.feed(command["since"].as_u64().unwrap()),
            "revoke" => {
                self.last = now.0.max(self.last + 1);
                for subject in command["subjects"].as_array().unwrap() {
                    let subject = subject.as_str().unwrap().to_owned();
                    self.revoked.insert(subject, self.last);
                }
                json!({ "epoch": self.last })
            }
            "list-in" => {
                self.listed += 1;
                let created = command["created"].as_u64().unwrap();
                let entry = (text("user"), created, self.listed);
                self.sessions.insert(text("session"), entry);
                if let Some(most) = command["most"].as_u64() {
                    surplus = self.surplus(&text("user"), most, &text("end"));
                }
                json!({})
            }
            "list-out" => {
                self.sessions.remove(&text("session"));
                json!({})
            }
            "list" => self.list(&command),
            other => panic!("{other}"),
        };
        (answer.to_string().into_bytes(), surplus)
    }

    /// Whether this subject was revoked after this point in history.
    pub(crate) fn revoked_since(&self, subject: &str, epoch: u64) -> bool {
        self.revoked.get(subject).is_some_and(|at| *at > epoch)
    }

    fn feed(&self, since: u64) -> Value {
        let revoked = self.revoked.iter().filter(|(_, epoch)| **epoch > since);
        json!({ "epoch": self.last, "revoked": revoked.collect::<Vec<_>>() })
    }

    fn surplus(&self, user: &str, most: u64, command: &str) -> Vec<Surplus> {
        let mut theirs: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, (owner, ..))| owner == user && !user.is_empty())
            .map(|(session, (_, created, listed))| (*created, *listed, session.clone()))
            .collect();
        theirs.sort();
        theirs.reverse();
        let most = usize::try_from(most).unwrap();
        let one = |(.., session): (u64, u64, String)| Surplus {
            session,
            command: command.to_owned(),
        };
        theirs.into_iter().skip(most).map(one).collect()
    }

    fn list(&self, command: &Value) -> Value {
        let users = command["users"].as_array();
        let mut found: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, (user, ..))| {
                users.is_none_or(|users| users.iter().any(|one| one.as_str() == Some(user)))
            })
            .map(|(session, (_, created, _))| (*created, session.clone()))
            .collect();
        found.sort();
        let after = command["after"].as_str().map(|after| {
            let (created, session) = after.split_once(':').unwrap();
            (created.parse::<u64>().unwrap(), session.to_owned())
        });
        found.retain(|one| after.as_ref().is_none_or(|after| one > after));
        let limit = usize::try_from(command["limit"].as_u64().unwrap()).unwrap();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more);
        json!({
            "next": next.map(|(created, session)| format!("{created}:{session}")),
            "sessions": found.iter().map(|(created, session)| json!([session, created])).collect::<Vec<_>>(),
        })
    }
}
