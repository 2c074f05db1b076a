//! Checks messages and stored values against golden files of earlier releases.
//!
//! During a deployment two releases share a store, so each reads what the other writes: `docs/internals/releases.md`.
//! `tests/fixtures/messages/` has a folder for each release that wrote something new. Its files never change.

use core::fmt::Debug;
use std::{env, fs, path::PathBuf};

use serde_json::{Map, Value};

/// Folder that has one subfolder for each release.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/messages");

/// Checks named messages of one kind. The code writes each as the last release did, and reads each from the golden
/// files of all releases.
///
/// `GOLDEN=0.2.0 cargo test golden` writes the golden files of release 0.2.0.
pub(crate) fn check<T: Debug + PartialEq>(
    file: &str,
    messages: &[(&str, T)],
    write: impl Fn(&T) -> Value,
    read: impl Fn(&Value) -> Option<T>,
) {
    let written = messages
        .iter()
        .map(|(name, message)| ((*name).to_owned(), write(message)));
    check_written(file, &Value::Object(written.collect()));
    for (release, golden) in of_releases(file) {
        let golden: Map<String, Value> = serde_json::from_value(golden).unwrap();
        for (name, text) in golden {
            let known = messages.iter().find(|(known, _)| *known == name);
            let (_, message) =
                known.unwrap_or_else(|| panic!("{release}: no expected value for {name}"));
            assert_eq!(read(&text).as_ref(), Some(message), "{release}: {name}");
        }
    }
}

/// Checks that the code writes what the last release wrote.
pub(crate) fn check_written(file: &str, written: &Value) {
    keep(file, written);
    let (release, golden) = of_releases(file).pop().expect("a golden file");
    assert_eq!(*written, golden, "what {release} wrote of {file}");
}

/// Writes a golden file if `GOLDEN` names the release.
pub(crate) fn keep(file: &str, written: &Value) {
    if let Ok(release) = env::var("GOLDEN") {
        let folder = PathBuf::from(FOLDER).join(release);
        fs::create_dir_all(&folder).unwrap();
        let text = serde_json::to_string_pretty(written).unwrap();
        fs::write(folder.join(file), format!("{text}\n")).unwrap();
    }
}

/// Returns the golden file that was current in a release.
pub(crate) fn of(file: &str, release: &str) -> Value {
    let all = of_releases(file).into_iter();
    let mut up_to = all.filter(|(other, _)| numbers(other) <= numbers(release));
    up_to.next_back().expect("a golden file").1
}

/// Returns the golden files of all releases, the oldest first.
pub(crate) fn of_releases(file: &str) -> Vec<(String, Value)> {
    let mut releases: Vec<String> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))
        .collect();
    releases.sort_by_key(|release| numbers(release));
    let read = |release: String| {
        let text = fs::read_to_string(PathBuf::from(FOLDER).join(&release).join(file)).ok()?;
        Some((release, serde_json::from_str(&text).unwrap()))
    };
    releases.into_iter().filter_map(read).collect()
}

fn numbers(release: &str) -> Vec<u32> {
    let numbers = release.split('.').map(|number| number.parse().unwrap());
    numbers.collect()
}
