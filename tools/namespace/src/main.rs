//! Serves a KV namespace in memory to `workerd`, filled with sessions: writing a million through HTTP would take an
//! hour. Reads one JSON object: `{"keys": "…", "tenants": 0, "sessions": 1000000, "data": {…}, "cookies": "file"}`.
//! Writes the cookies to that file, one a line, then prints the port. Sessions without data are guests, with nothing
//! stored. Ignores times to live: a run ends before any expires.

mod http;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Error, Read as _, Result, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, RwLock};

use serde_json::Value;
use vestibule::internals::sessions::Maker;

/// Ordered map, because a list returns the names with one prefix.
type Namespace = RwLock<BTreeMap<String, Vec<u8>>>;

fn main() -> Result<()> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let order: Value = serde_json::from_str(&input)?;
    let namespace = Arc::new(filled(&order)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let (stream, namespace) = (stream?, Arc::clone(&namespace));
        // One thread per connection of workerd; it has at most as many as wrk.
        std::thread::spawn(move || http::serve(&stream, &namespace));
    }
    Ok(())
}

fn filled(order: &Value) -> Result<Namespace> {
    let wrong = || Error::other("the order lacks something, or has it wrong");
    let number = |name: &str| order[name].as_u64().ok_or_else(wrong);
    let text = |name: &str| order[name].as_str().ok_or_else(wrong);
    let maker = Maker::new(text("keys")?, number("tenants")?, &order["data"]).ok_or_else(wrong)?;
    let mut namespace = BTreeMap::new();
    let mut cookies = BufWriter::new(File::create(text("cookies")?)?);
    for made in maker.all(number("sessions")?) {
        writeln!(cookies, "{}", made.cookie)?;
        namespace.extend(made.stored);
    }
    cookies.flush()?;
    Ok(RwLock::new(namespace))
}
