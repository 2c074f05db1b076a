//! Reads tenants' documents as the Worker does, for `npm run tenants`. Reads one JSON object: `{"do": "schema" |
//! "validate" | "explain", "bindings": {…}, "document": "…", "host": …, "pattern": …, "path": …}`. Prints text
//! for people; exits with 1 if the document has a fault.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use vestibule::internals::documents;

fn main() -> ExitCode {
    let mut input = String::new();
    let read = std::io::stdin().read_to_string(&mut input);
    let answer = read
        .map_err(|error| vec![error.to_string()])
        .and_then(|_| documents::answer(&input));
    match answer {
        Ok(lines) => print(&lines, true),
        Err(lines) => print(&lines, false),
    }
}

fn print(lines: &[String], is_good: bool) -> ExitCode {
    let mut text = lines.join("\n");
    text.push('\n');
    // A failure to print cannot be reported.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
