//! A KV namespace in memory, as `workerd` asks for one, with as many sessions in it as are asked for:
//! a million through HTTP would take an hour. One JSON object comes in:
//! `{"keys": "…", "tenants": 0, "sessions": 1000000, "data": {…}, "cookies": "file"}`. The cookies are
//! written to that file, a line each; then the port is printed. Without data they are guests, of whom
//! nothing is stored. Times to live are not kept: a run is over before any is.

mod http;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Error, Read as _, Result, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, RwLock};

use serde_json::Value;
use vestibule::internals::sessions::Maker;

/// Ordered, because a list is of the names that begin alike.
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
        // As many threads as workerd has connections, which is no more than wrk has.
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
