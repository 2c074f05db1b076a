//! Checks the console's session cookies against those of earlier releases.

use serde_json::json;

use super::*;
use crate::golden;

#[test]
fn golden_console_sessions_are_written_and_read() {
    let now = UnixSeconds(1_700_000_000);
    let name = CookieName::Host;
    let scope = Scope::new("tenant acme", "console.example");
    let tokens = [ApiKey::new("first token of all")];
    let begun = ConsoleSession::new([7; 16], now);
    let renewed = begun.renewed(now + Seconds(600)).unwrap();
    golden::check(
        "console-sessions.json",
        &[("begun", begun), ("renewed", renewed)],
        |console_session| {
            let line = console_session.set(name, &scope, &tokens[0], now);
            json!(line.split(';').next())
        },
        |cookie| {
            let presented = ConsoleSession::presented(cookie.as_str(), name, &scope, &tokens, now);
            presented.map(|(console_session, _)| console_session)
        },
    );
}
