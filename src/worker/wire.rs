//! Decisions as text for `entry.js`: one letter saying what it is, then one line per field.
//!
//! One string, decoded once and split, is the cheapest thing that can cross the boundary. No field
//! but an answer's body can hold a line break, and the body comes last.

use core::fmt::Write as _;

use serde_json::json;

use crate::answer::Answer;
use crate::effect::Seed;
use crate::effect::{Class, Need};
use crate::encoding::push_hex;
use crate::forward::headers::{self, Outgoing};
use crate::gateway::{Forward, Gateway, Settled, Step, Vigil};
use crate::telemetry::facts::Facts;

/// The names of our headers, a line each.
pub(super) fn own_names() -> String {
    headers::OWN.join("\n")
}

/// What is to be done, and what is to be told of it.
pub(super) fn step(step: &Step, facts: &Facts, has_learned: bool) -> String {
    match step {
        Step::Forward(forward) => self::forward(forward, facts),
        Step::Answer(answer) if has_learned => lettered("Al", answer, facts),
        Step::Answer(answer) => lettered("A", answer, facts),
        Step::Asset(answer) => lettered("B", answer, facts),
        Step::Shipped(answer) => lettered("S", answer, facts),
        Step::Await(_) => pending(None),
    }
}

/// `F` and flags, URL, first-byte limit, how long pauses may be, tenant and origin, ticket, what an Engine.IO
/// `sid` is made longer by, which of the client's headers pass, what is told of it (flags, labels, members), until
/// when it may be repeated (if at all), then the values of ours in the order of [`headers::OWN`].
fn forward(forward: &Forward, facts: &Facts) -> String {
    let Outgoing { kept, own, .. } = &forward.headers;
    let mut text =
        String::with_capacity(own.len() + forward.url.len() + forward.ticket.len() + 512);
    text.push('F');
    for (flag, letter) in [
        (forward.settle, 's'),
        (forward.afterwards, 'a'),
        (forward.watched, 'w'),
        (forward.shared, 'k'),
        (forward.opens, 'h'),
        (forward.repeat.is_some_and(|repeat| repeat.any_target), 'o'),
    ] {
        if flag {
            text.push(letter);
        }
    }
    text.push('\n');
    text.push_str(&forward.url);
    let _ = write!(text, "\n{}\n", forward.first_byte_ms);
    text.push_str(&forward.pauses);
    text.push('\n');
    // Origins of different tenants may have the same name.
    text.push_str(forward.ticket.split('\t').next().unwrap_or_default());
    text.push('/');
    for field in [&forward.origin, &forward.ticket, &forward.sid_suffix, kept] {
        text.push_str(field);
        text.push('\n');
    }
    push_facts(&mut text, facts);
    if let Some(repeat) = forward.repeat {
        let _ = write!(text, "{}", repeat.until.0);
    }
    text.push('\n');
    text.push_str(own);
    text
}

/// So many traces of a tenant's: a line with the flags of requests that are not sampled, then one for each trace
/// with what it is made of, `traceparent`, and `x` if it is sampled.
pub(super) fn traces(gateway: &mut Gateway, count: usize) -> String {
    let mut text = gateway.told_flags();
    text.reserve(count * 106);
    for _ in 0..count {
        let (trace, seed) = gateway.draw_trace();
        text.push('\n');
        push_hex(&mut text, &seed);
        text.push_str(&trace.parent);
        if trace.is_sampled {
            text.push('x');
        }
    }
    text
}

/// A line each: what is to be done about telling it, the labels it is counted under, the members of its log line.
fn push_facts(text: &mut String, facts: &Facts) {
    for line in [facts.flags(), facts.labels(), facts.members()] {
        text.push_str(&line);
        text.push('\n');
    }
}

/// An answer in place of another, of which nothing is told anew.
pub(super) fn answer(answer: &Answer) -> String {
    lettered("A", answer, &Facts::default())
}

/// `A`, status, what is told of it, until when it stands (if it does), number of headers, their names and values, body.
/// An `l` behind the letter says that deciding it told something decisions depend on. `B` instead of `A` stands before
/// an answer whose body is the file that was asked for, `S` before one whose body names a file of the console.
fn lettered(letter: &str, answer: &Answer, facts: &Facts) -> String {
    let Answer {
        status,
        headers,
        stands_until,
        ..
    } = answer;
    let mut text = String::with_capacity(answer.body.len() + 1_024);
    let _ = write!(text, "{letter}\n{status}\n");
    push_facts(&mut text, facts);
    if let Some(until) = stands_until {
        let _ = write!(text, "{}", until.0);
    }
    let _ = writeln!(text, "\n{}", headers.len());
    for (name, value) in headers {
        for line in [name, value.as_str()] {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(&answer.body);
    text
}

/// `N`, and what the trace was begun with: something is lacking.
pub(super) fn pending(seed: Option<Seed>) -> String {
    let mut text = "N".to_owned();
    if let Some(seed) = seed {
        push_hex(&mut text, &seed);
    }
    text
}

/// A line for each need: a letter and its fields, apart by tabs.
pub(super) fn lines(needs: &[Need]) -> String {
    listed(needs).trim_start().to_owned()
}

fn listed(needs: &[Need]) -> String {
    let mut text = String::new();
    for need in needs {
        let _ = match need {
            Need::Read { key, after_ms } => write!(text, "\nr\t{key}\t{after_ms}"),
            Need::List { prefix } => write!(text, "\nl\t{prefix}"),
            Need::Call {
                class,
                name,
                command,
                key,
                deadline_ms,
            } => {
                let class = match class {
                    Class::Session => "SESSION_OBJECTS",
                    Class::Directory => "DIRECTORY_OBJECTS",
                    Class::Pool => "POOL_OBJECTS",
                    Class::Attempts => "ATTEMPT_OBJECTS",
                    Class::Telemetry => "TELEMETRY_OBJECTS",
                };
                write!(
                    text,
                    "\nc\t{key}\t{class}\t{name}\t{deadline_ms}\t{command}"
                )
            }
            Need::Document { key } => write!(text, "\nd\t{key}"),
            Need::Documents { prefix } => write!(text, "\ne\t{prefix}"),
            // JSON leaves no tab and no line break as it is.
            Need::Keep { puts, deletes } => {
                write!(text, "\nk\t{}", json!([puts, deletes]))
            }
            Need::Limit { key } => write!(text, "\nm\t{key}"),
            Need::Fetch { key, call } => {
                write!(text, "\nf\t{}", json!([key, call.to_json()]))
            }
            Need::Verify {
                key,
                jwk,
                algorithm,
                input,
                signature,
            } => {
                let signed = json!([key, jwk, algorithm, input, signature]);
                write!(text, "\nv\t{signed}")
            }
            Need::Sign {
                key,
                private,
                input,
            } => write!(text, "\ng\t{}", json!([key, private, input])),
            Need::PublicKey { key, private } => write!(text, "\nu\t{}", json!([key, private])),
            Need::CheckPassword {
                key,
                password,
                hash,
            } => write!(
                text,
                "\np\t{}",
                json!({ "key": key, "password": password, "hash": hash })
            ),
            Need::HashPassword { key, password } => {
                write!(text, "\nh\t{}", json!({ "key": key, "password": password }))
            }
            Need::Fold { key, text: name } => write!(text, "\no\t{}", json!([key, name])),
            // Met in Rust.
            Need::Note { .. } | Need::Pause { .. } => Ok(()),
            Need::Asset { tenant, source } => write!(text, "\na\t{tenant}\t{source}"),
            Need::Body { limit } => write!(text, "\nb\t{limit}"),
            Need::Store => write!(text, "\ns"),
        };
    }
    text
}

/// `G` and milliseconds, or `X` and a reason.
pub(super) fn vigil(vigil: &Vigil) -> String {
    match vigil {
        Vigil::Await(_) => pending(None),
        Vigil::GoesOn(ms) => format!("G\n{ms}"),
        Vigil::Over(reason) => format!("X\n{reason}"),
    }
}

/// `D`: nothing left to do.
pub(super) fn done() -> String {
    "D".to_owned()
}

/// `U`, or `E`, number of names to remove, the names, then names and values to append. An `l` behind the letter says
/// that the answer told something decisions depend on; of every other outcome that is to be assumed.
pub(super) fn settled(settled: &Settled, has_learned: bool) -> String {
    let learned = if has_learned { "l" } else { "" };
    match settled {
        Settled::Untouched => format!("U{learned}\n"),
        Settled::Replaced(answer) => self::answer(answer),
        Settled::Await(_) => pending(None),
        Settled::Edited(edits) => {
            let mut text = format!("E{learned}\n{}\n", edits.remove.len());
            for name in &edits.remove {
                let _ = writeln!(text, "{name}");
            }
            for (name, value) in &edits.append {
                let _ = writeln!(text, "{name}\n{value}");
            }
            text
        }
    }
}
