//! Reads a list of servers: what `discover:` finds at its URL, or a DNS answer.
//!
//! A document is an array of entries as in `ORIGINS` or in `origins`, or of groups as in Prometheus' HTTP service
//! discovery. A DNS answer is JSON as Cloudflare and Google document it.

use serde_json::Value;
use thiserror::Error;

use super::model::OriginEntry;
use super::parse::{Fault, Reader};
use super::variables;
use crate::balancer::discovery::{self, Kind, MAX_SERVERS, Source};
use crate::balancer::origin_lists::Found;
use crate::balancer::service;
use crate::encoding::{from_json, json, quoted, strings};
use crate::sorted;

/// Type numbers of DNS records (RFC 1035, RFC 2782).
const A: u64 = 1;
const SRV: u64 = 33;

/// Reasons why a response is no list of servers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadList {
    /// The response is not a JSON array.
    #[error("the response is no JSON array of servers")]
    Form,
    /// The DNS answer has an error, by its number (RFC 1035 section 4.1.1).
    #[error("the DNS answer has the status {0}; 3 says that there is no such name")]
    Dns(u64),
    /// The list has no server.
    #[error("it lists no server")]
    Empty,
    /// The list is too long.
    #[error("it lists more than {MAX_SERVERS} servers")]
    TooMany,
    /// A server is invalid.
    #[error("{0}")]
    Server(String),
}

/// Reads the servers of a response, in the order of their names. Of entries with the same name or the same address one
/// is kept, whatever their order.
///
/// # Errors
/// Returns why the response is no list. One bad entry spoils the list, because it may stand for a server in use.
pub(crate) fn read(source: &Source<'_>, text: &str) -> Result<Found, BadList> {
    let body = from_json(text.as_bytes()).ok_or(BadList::Form)?;
    let entries = match source.kind {
        Kind::Document => listed(&body)?,
        Kind::Services | Kind::Addresses => answered(source, &body)?,
    };
    if entries.is_empty() {
        return Err(BadList::Empty);
    }
    if entries.len() > MAX_SERVERS {
        return Err(BadList::TooMany);
    }
    let mut servers = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let of_entry = |problem: String| BadList::Server(format!("server {}: {problem}", at + 1));
        let read: OriginEntry =
            Reader::read(&entry).map_err(|faults| of_entry(Fault::join(&faults)))?;
        let base = read.url.as_str();
        if discovery::is_list(base) || service::named(base).is_some() {
            return Err(of_entry("use http(s)://host[:port]".to_owned()));
        }
        let name = read.name.unwrap_or_else(|| read.url.to_name());
        let text = entry.to_string();
        servers.push((name.as_str().to_owned(), base.to_owned(), text, entry));
    }
    sorted::by(&mut servers, |(one, _, first, _), (other, _, second, _)| {
        one.cmp(other).then_with(|| first.cmp(second))
    });
    let mut found: Found = Vec::new();
    let mut bases: Vec<String> = Vec::new();
    for (name, base, _, entry) in servers {
        let is_known = found.iter().any(|(other, _)| *other == name);
        if !is_known && !bases.contains(&base) {
            found.push((name, entry));
            bases.push(base);
        }
    }
    Ok(found)
}

/// Returns the entries of a document.
fn listed(body: &Value) -> Result<Vec<Value>, BadList> {
    let mut entries = Vec::new();
    for item in body.as_array().ok_or(BadList::Form)? {
        if let Some(text) = item.as_str() {
            entries.push(variables::origin(text));
        } else if item.get("targets").is_some() {
            let scheme = item.get("labels").and_then(|all| all.get("__scheme__"));
            let scheme = scheme.and_then(Value::as_str).unwrap_or("http");
            for target in strings(item.get("targets")) {
                entries.push(json!({ "url": [scheme, "://", target.as_str()].concat() }));
            }
        } else {
            entries.push(item.clone());
        }
    }
    Ok(entries)
}

/// Returns the entries of a DNS answer: of services, those with the lowest priority number.
fn answered(source: &Source<'_>, body: &Value) -> Result<Vec<Value>, BadList> {
    match body.get("Status").and_then(Value::as_u64) {
        Some(0) => {}
        Some(status) => return Err(BadList::Dns(status)),
        None => return Err(BadList::Form),
    }
    let is_service = source.kind == Kind::Services;
    let wanted = if is_service { SRV } else { A };
    let answers = body.get("Answer").and_then(Value::as_array);
    let mut best = u64::MAX;
    let mut entries = Vec::new();
    for answer in answers.into_iter().flatten() {
        // An alias comes with the records of its target.
        if answer.get("type").and_then(Value::as_u64) != Some(wanted) {
            continue;
        }
        let data = answer.get("data").and_then(Value::as_str);
        let data = data.unwrap_or_default();
        if !is_service {
            entries.push(json!({ "url": source.server(data, "") }));
            continue;
        }
        let mut parts = data.split_ascii_whitespace();
        let mut next = || parts.next().unwrap_or_default();
        let numbers = [next(), next()].map(str::parse::<u64>);
        let (port, host) = (next(), next().trim_end_matches('.'));
        let [Ok(priority), Ok(weight)] = numbers else {
            return Err(BadList::Server(format!("no SRV record: {}", quoted(data))));
        };
        // A service that is not offered has the root as its host.
        if host.is_empty() || priority > best {
            continue;
        }
        if priority < best {
            best = priority;
            entries.clear();
        }
        let url = source.server(host, port);
        entries.push(match weight {
            0 => json!({ "url": url }),
            weight => json!({ "url": url, "weight": weight.min(1_000) }),
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
