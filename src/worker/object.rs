//! What `session-object.js` calls: the ledger of one session.

use chacha20::ChaCha20Rng;
use wasm_bindgen::prelude::wasm_bindgen;

use super::io::legacy;
use super::{Answers, ISOLATE, Isolate, log, millis};
use crate::clock::UnixMillis;
use crate::effect::{self, Outbound};
use crate::keys::KeyRing;
use crate::ledger::command::{Command, Is, Reply, parse_object_name};
use crate::ledger::errand::{self, Errand, Kind, Running};
use crate::ledger::{BadRow, Ledger};
use crate::session::id::Handle;
use crate::telemetry::log::{Event, Level};
use crate::tenant_id::TenantId;

/// What a command came to.
#[wasm_bindgen]
pub struct Verdict {
    reply: Vec<u8>,
    row: Option<Vec<u8>>,
    fetch: String,
    needs: String,
    wait: bool,
}

#[wasm_bindgen]
impl Verdict {
    /// What the caller is told.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn reply(&self) -> Vec<u8> {
        self.reply.clone()
    }

    /// The row to store first, if it changed.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn row(&self) -> Option<Vec<u8>> {
        self.row.clone()
    }

    /// What has to be asked first, as JSON; empty for nothing. The answer goes to [`refreshed`].
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn fetch(&self) -> String {
        self.fetch.clone()
    }

    /// What has to be asked besides, a line for each: a letter and its fields, apart by tabs; see `worker/io/legacy.rs`.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn needs(&self) -> String {
        self.needs.clone()
    }

    /// The next errand comes before the reply.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn wait(&self) -> bool {
        self.wait
    }
}

/// Applies a command to the row of the object of that name.
#[expect(clippy::needless_pass_by_value, reason = "the boundary hands it over")]
#[wasm_bindgen(js_name = objectCommand)]
#[must_use]
pub fn command(name: &str, command: &str, row: Option<Vec<u8>>, now: f64) -> Verdict {
    let verdict = with_ledger(name, millis(now), |mut ledger| {
        let Some(command) = Command::parse(command) else {
            return Err(BadRow);
        };
        ledger.command(&command, row.as_deref())
    });
    told(verdict)
}

/// Takes what an identity provider answered to what a command had to ask first; a status of 0 stands
/// for no answer. `answers` are those to what it needed besides.
#[expect(clippy::too_many_arguments, reason = "the boundary takes no objects")]
#[wasm_bindgen(js_name = objectRefreshed)]
#[must_use]
pub fn refreshed(
    name: &str,
    command: &str,
    row: &[u8],
    sent: &str,
    status: u16,
    body: &str,
    now: f64,
    answers: &Answers,
) -> Verdict {
    told(with_ledger(name, millis(now), |mut ledger| {
        let command = Command::parse(command).ok_or(BadRow)?;
        let sent = serde_json::from_str(sent).ok();
        let sent = sent.as_ref().and_then(Outbound::from_json).ok_or(BadRow)?;
        let heard = effect::Reply { status, body };
        ledger.refreshed(&command, row, &sent, &heard, &answers.0)
    }))
}

fn told(verdict: Option<Result<crate::ledger::Verdict, BadRow>>) -> Verdict {
    match verdict {
        Some(Ok(verdict)) => {
            if let Some(event) = &verdict.event {
                log::write(event);
            }
            Verdict {
                reply: verdict.reply.to_bytes(),
                row: verdict.row,
                fetch: verdict
                    .fetch
                    .map(|call| call.to_json().to_string())
                    .unwrap_or_default(),
                needs: legacy::lines(&verdict.needs),
                wait: verdict.wait,
            }
        }
        _ => {
            log::write(&Event::new(Level::Error, "object_unreadable"));
            Verdict {
                reply: Reply::is(Is::Unreadable).to_bytes(),
                row: None,
                fetch: String::new(),
                needs: String::new(),
                wait: false,
            }
        }
    }
}

/// The reply with the word that what changed is not announced yet.
#[wasm_bindgen(js_name = objectUnannounced)]
#[must_use]
pub fn unannounced(reply: &[u8]) -> Vec<u8> {
    Reply::parse(reply).map_or_else(Vec::new, |reply| {
        Reply {
            unannounced: true,
            ..reply
        }
        .to_bytes()
    })
}

/// The next errand.
#[wasm_bindgen]
pub struct NextErrand {
    text: String,
    value: Vec<u8>,
}

#[wasm_bindgen]
impl NextErrand {
    /// `d`, what it is, command — `w`, what it is, key, seconds to keep — `z`, until when — `f`:
    /// apart by tabs.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn text(&self) -> String {
        self.text.clone()
    }

    /// What to store.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        self.value.clone()
    }
}

/// What the object of that name has to do next.
#[wasm_bindgen(js_name = objectErrand)]
#[must_use]
pub fn next_errand(name: &str, row: &[u8], now: f64) -> NextErrand {
    let now = millis(now);
    let next = parse_object_name(name)
        .ok_or(BadRow)
        .and_then(|(tenant, handle)| errand::next(&tenant, handle, row, now));
    let mut value = Vec::new();
    let text = match next {
        Ok((Errand::Directory(command), Some(running))) => {
            format!("d\t{}\t{command}", ticket(running))
        }
        Ok((Errand::Write(write), Some(running))) => {
            value = write.value;
            format!("w\t{}\t{}\t{}", ticket(running), write.key, write.ttl.0)
        }
        Ok((Errand::Sleep(until), _)) => format!("z\t{}", until.0),
        Ok((Errand::Forget, _)) => "f".to_owned(),
        // A row of a newer release is left to it; look again later.
        Ok(_) | Err(BadRow) => format!("z\t{}", now.0 + 60_000),
    };
    NextErrand { text, value }
}

/// The row as an object finds it that was started anew.
#[wasm_bindgen(js_name = objectResumed)]
#[must_use]
pub fn resumed(row: Vec<u8>, now: f64) -> Vec<u8> {
    errand::resumed(&row, millis(now)).unwrap_or(row)
}

/// The row after an errand; `ticket` is what it was announced with.
#[wasm_bindgen(js_name = objectDone)]
#[must_use]
pub fn errand_done(row: Vec<u8>, ticket: &str, succeeded: bool, now: f64) -> Vec<u8> {
    match running(ticket) {
        Some(running) => errand::done(&row, running, succeeded, millis(now)).unwrap_or(row),
        None => row,
    }
}

fn ticket(running: Running) -> String {
    let kind = match running.kind {
        Kind::Announce => 'a',
        Kind::Write => 'w',
        Kind::List => 'l',
    };
    format!("{kind}{}", running.serial)
}

fn running(ticket: &str) -> Option<Running> {
    let (kind, serial) = ticket.split_at_checked(1)?;
    let kind = match kind {
        "a" => Kind::Announce,
        "w" => Kind::Write,
        _ => Kind::List,
    };
    let serial = serial.parse().ok()?;
    Some(Running { kind, serial })
}

fn with_ledger<T>(
    name: &str,
    now: UnixMillis,
    act: impl FnOnce(Ledger<'_, ChaCha20Rng>) -> T,
) -> Option<T> {
    let (tenant, handle): (TenantId, Handle) = parse_object_name(name)?;
    ISOLATE.with_borrow_mut(|isolate| match isolate {
        Isolate::Ready(reception) => {
            let (keys, random): (&KeyRing, &mut ChaCha20Rng) = reception.for_object(&tenant)?;
            Some(act(Ledger {
                tenant: &tenant,
                handle,
                keys,
                random,
                now,
            }))
        }
        Isolate::Misconfigured(_) => None,
    })
}
