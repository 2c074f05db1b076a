//! What objects, directories, namespaces and callers say: none of it makes anything panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::clock::UnixMillis;
use vestibule::inbound::json;
use vestibule::inbound::query::Query;
use vestibule::inbound::request::Request;
use vestibule::ledger::command::{Command, Reply};
use vestibule::ledger::errand;
use vestibule::session::data::Data;
use vestibule::session::id::Handle;
use vestibule::session::identity::Identity;
use vestibule::store::directory;
use vestibule::store::revocations::Revocations;
use vestibule::tenant_id::TenantId;

fuzz_target!(|bytes: &[u8]| {
    if let Some(reply) = Reply::parse(bytes) {
        assert_eq!(Reply::parse(&reply.to_bytes()), Some(reply));
    }
    let mut revocations = Revocations::default();
    let _ = revocations.learn(bytes, UnixMillis(0));
    revocations.learn_names(directory::names(bytes), UnixMillis(0));
    let _ = directory::read_list(bytes);
    let _ = directory::read_names(directory::names(bytes));
    let _ = errand::next(
        &TenantId::parse("t").unwrap(),
        Handle([1; 16]),
        bytes,
        UnixMillis(0),
    );
    let request = Request::parse("POST\nhttps://chat.example/\ncontent-type\napplication/json");
    let _ = json::object(&request.unwrap(), bytes);
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    if let Some(command) = Command::parse(text) {
        assert_eq!(Command::parse(&command.to_text()), Some(command));
    }
    let _ = Identity::parse(text);
    let _ = Query::parse(text, &["user", "limit"]);
    if let Ok(data) = Data::default().patched(text) {
        assert!(data.to_header().unwrap_or_default().is_ascii());
    }
});
