//! Serves the part of HTTP/1.1 that `workerd` uses for a namespace: `GET`, `PUT` and `DELETE` of a key, and lists.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Bound;
use std::sync::PoisonError;

use serde_json::{Value, json};

use crate::Namespace;

struct Request {
    method: String,
    key: String,
    query: String,
    body: Vec<u8>,
}

/// Responds to requests until the client closes the connection or sends a malformed request.
pub(crate) fn serve(stream: &TcpStream, namespace: &Namespace) {
    // A client waits for the whole response.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = read(&mut reader) {
        let (status, body) = answer(request, namespace);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if writer
            .write_all(&[head.as_bytes(), &body].concat())
            .is_err()
        {
            return;
        }
    }
}

fn answer(request: Request, namespace: &Namespace) -> (&'static str, Vec<u8>) {
    const OK: &str = "200 OK";
    let read = || namespace.read().unwrap_or_else(PoisonError::into_inner);
    let write = || namespace.write().unwrap_or_else(PoisonError::into_inner);
    match request.method.as_str() {
        "PUT" => {
            write().insert(request.key, request.body);
            (OK, Vec::new())
        }
        "DELETE" => {
            write().remove(&request.key);
            (OK, Vec::new())
        }
        "GET" if request.key.is_empty() => (OK, list(&request.query, &read())),
        "GET" => read().get(&request.key).map_or_else(
            || ("404 Not Found", Vec::new()),
            |value| (OK, value.clone()),
        ),
        _ => ("405 Method Not Allowed", Vec::new()),
    }
}

/// Lists all keys on one page: only a few names share a prefix here.
fn list(query: &str, names: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let prefix = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("prefix="));
    let prefix = decoded(prefix.unwrap_or_default());
    let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
    let keys: Vec<Value> = names
        .range::<str, _>(from)
        .map(|(name, _)| name)
        .take_while(|name| name.starts_with(&prefix))
        .map(|name| json!({ "name": name }))
        .collect();
    json!({ "keys": keys, "list_complete": true })
        .to_string()
        .into_bytes()
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let first = line(reader)?;
    let (method, rest) = first.split_once(' ')?;
    let (target, _) = rest.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut length = 0;
    loop {
        let header = line(reader)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        method: method.to_owned(),
        key: decoded(path.trim_start_matches('/')),
        query: query.to_owned(),
        body,
    })
}

/// Reads a line, without its line break.
fn line(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    line.truncate(line.trim_end().len());
    Some(line)
}

/// Decodes percent-encoded text; keeps invalid escapes as they are.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let escape = part
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
