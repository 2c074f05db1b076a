//! Finds a file in what the build packed (`scripts/packed-files.mjs`): a line `name length` for each file, an empty line,
//! and then the files.

use js_sys::Uint8Array;

use crate::worker::runtime;

/// Maximum length of the list, in bytes.
const MAX_LIST: u32 = 1024;

/// Returns the content of a file.
pub(in crate::worker) fn find(name: &str) -> Option<Uint8Array> {
    let files = runtime::packed_files();
    let list = files.subarray(0, MAX_LIST.min(files.length())).to_vec();
    let end = list.windows(2).position(|pair| pair == b"\n\n")?;
    let list = core::str::from_utf8(list.get(..end)?).ok()?;
    let mut start = u32::try_from(end).ok()?.checked_add(2)?;
    for line in list.lines() {
        let (other, length) = line.split_once(' ')?;
        let after = start.checked_add(length.parse().ok()?)?;
        if other == name {
            return Some(files.subarray(start, after));
        }
        start = after;
    }
    None
}

/// Returns the texts of a language.
#[cfg(feature = "standalone")]
pub(in crate::worker) fn texts(tag: &str) -> Option<String> {
    let file = find(&["texts/", tag, ".json"].concat())?;
    String::from_utf8(file.to_vec()).ok()
}
