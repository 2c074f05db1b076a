//! Checks that every output of the core contains only data of its own tenant.

use std::collections::HashMap;

use super::tenants::{TestTenant, mark};
use crate::effect::{Need, Write};
use crate::encoding;
use crate::gateway::{Forward, ResponseAction, Step};
use crate::response::Answer;

/// Minimum length of a random or sealed value, in characters.
const MIN_SECRET_LENGTH: usize = 22;

/// Records the owner of each random or sealed value, and searches outputs for foreign ones.
#[derive(Default)]
pub(super) struct LeakCheck {
    owners: HashMap<String, usize>,
    /// Number of texts searched.
    pub(super) looked: usize,
}

/// Context of an output: the data it may contain.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    /// Tenant whose gateway acts; `None` where no tenant is found.
    pub(super) tenant: Option<usize>,
    /// Text of the caller. It may be repeated unless it contains a mark.
    pub(super) caller_text: &'a str,
}

fn marks(text: &str) -> impl Iterator<Item = String> {
    let text = text.to_ascii_lowercase();
    let found: Vec<String> = text
        .match_indices("zq")
        .filter_map(|(at, _)| text.get(at..at + 8))
        // Random letters may resemble a mark.
        .filter(|mark| {
            let number = mark
                .strip_prefix("zq")
                .and_then(|rest| rest.strip_suffix("qz"));
            number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
        })
        .map(str::to_owned)
        .collect();
    found.into_iter()
}

fn secrets(text: &str) -> impl Iterator<Item = &str> {
    let is_apart = |char: char| !(char.is_ascii_alphanumeric() || char == '-' || char == '_');
    text.split(is_apart)
        .filter(|run| run.len() >= MIN_SECRET_LENGTH)
}

impl LeakCheck {
    /// Records that the random or sealed values in this text belong to a tenant.
    pub(super) fn belongs(&mut self, tenant: usize, text: &str) {
        for secret in secrets(text) {
            let owner = *self.owners.entry(secret.to_owned()).or_insert(tenant);
            assert_eq!(owner, tenant, "two tenants have {secret}");
        }
    }

    /// Searches an output for foreign marks and secrets.
    pub(super) fn look(&mut self, output: Output<'_>, what: &str, text: &str) {
        self.looked += 1;
        let own = output.tenant.map(mark);
        for mark in marks(text) {
            assert_eq!(Some(mark), own, "{what}: {text}");
        }
        for secret in secrets(text) {
            let owner = self.owners.get(secret);
            let is_own = owner.is_none() || owner == output.tenant.as_ref();
            assert!(
                is_own || output.caller_text.contains(secret),
                "{what} of {own:?} shows {secret} of {owner:?}: {text}"
            );
        }
    }

    pub(super) fn step(&mut self, output: Output<'_>, packed: &str, step: &Step) {
        match step {
            Step::Forward(forward) => self.forward(output, packed, forward),
            Step::Answer(answer) | Step::Asset(answer) => {
                self.answer(output, answer);
            }
            Step::Await(_) => {}
        }
    }

    fn forward(&mut self, output: Output<'_>, packed: &str, forward: &Forward) {
        let lines: Vec<&str> = packed.split('\n').skip(2).collect();
        let headers = lines.chunks(2).zip(forward.headers.kept.chars());
        for (header, kept) in headers {
            // A client that sends a foreign key has it already.
            if kept == '+' && header[0] != "authorization" {
                self.look(output, "a header passed on", &header.join(": "));
            }
        }
        self.look(output, "the URL", &forward.url);
        self.look(output, "the headers", &forward.headers.own);
        self.look(output, "the response context", &forward.response_context);
        self.look(output, "the origin", &forward.origin);
        self.look(output, "the route", &forward.sid_suffix);
    }

    fn answer(&mut self, output: Output<'_>, answer: &Answer) {
        for (name, value) in &answer.headers {
            self.look(output, name, value);
        }
        self.look(output, "the body", &answer.body);
    }

    pub(super) fn action(&mut self, output: Output<'_>, action: &ResponseAction) {
        match action {
            ResponseAction::Edited(edits) => {
                for (name, value) in &edits.append {
                    self.look(output, name, value);
                }
                self.look(output, "what is removed", &edits.remove.join("\n"));
            }
            ResponseAction::Replaced(answer) => self.answer(output, answer),
            ResponseAction::Untouched | ResponseAction::Await(_) => {}
        }
    }

    /// Checks that each need names its own tenant and no other.
    pub(super) fn needs(
        &mut self,
        output: Output<'_>,
        tenant: Option<&TestTenant>,
        needs: &[Need],
    ) {
        for need in needs {
            let is_of_host = matches!(need, Need::Document { key } if key.starts_with("host:"));
            let Some(tenant) = tenant else {
                assert!(is_of_host, "a need without a tenant: {need:?}");
                continue;
            };
            self.look(output, "a need", &format!("{need:?}"));
            let id = &tenant.id;
            let names_it = match need {
                Need::Document { key } => {
                    is_of_host
                        || *key == format!("tenant:{id}")
                        || key.starts_with(&format!("user:{id}:"))
                }
                Need::Read { key, .. } => key.starts_with(&format!("s:{id}:")),
                Need::List { prefix } => prefix.get(1..).is_some_and(|rest| {
                    rest.strip_prefix(&format!(":{id}:")).is_some() || rest == format!(":{id}")
                }),
                Need::Call { name, command, .. } => {
                    self.look(output, "a command", command);
                    name == id || name.starts_with(&format!("{id}/"))
                }
                Need::Asset {
                    tenant: owner,
                    source,
                } => owner.as_str() == id && source.contains(&tenant.mark),
                Need::Fetch { call, .. } => {
                    self.look(output, "a call", &crate::message::write(call));
                    self.look(
                        output,
                        "credentials",
                        &credentials(call.authorization.as_deref()),
                    );
                    call.url.contains(&tenant.mark)
                }
                _ => true,
            };
            assert!(names_it, "of {id}: {need:?}");
        }
    }

    /// Checks that stored values are unreadable and under the name of a tenant being served.
    pub(super) fn writes(&mut self, tenants: &[TestTenant], served: &[usize], writes: &[Write]) {
        for write in writes {
            let rest = write.key.strip_prefix("q:").unwrap_or(&write.key);
            let id = rest.split(':').nth(1).unwrap_or_default();
            let tenant = served.iter().find(|tenant| tenants[**tenant].id == id);
            let tenant =
                tenant.unwrap_or_else(|| panic!("a write without a tenant: {}", write.key));
            let output = Output {
                tenant: Some(*tenant),
                caller_text: "",
            };
            self.look(output, "a storage key", &write.key);
            let value = String::from_utf8_lossy(&write.value);
            assert_eq!(marks(&value).count(), 0, "{} is legible", write.key);
        }
    }
}

/// Decodes the name and password of an `Authorization` header.
fn credentials(authorization: Option<&str>) -> String {
    let basic = authorization.and_then(|value| value.strip_prefix("Basic "));
    let plain = basic.map(|value| value.replace('+', "-").replace('/', "_"));
    let bytes = plain.and_then(|value| encoding::from_base64url(value.trim_end_matches('=')));
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}
