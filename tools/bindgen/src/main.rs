//! `bindgen NAME.wasm OUT_DIR`: writes `NAME.js` (the glue) and `NAME_bg.wasm`.
//!
//! wasm-bindgen's generator must equal the library's version exactly. As a member of the
//! workspace both are pinned by the one `Cargo.lock`, so they cannot drift apart and nothing has
//! to be installed beside the project.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(out_dir)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: bindgen INPUT.wasm OUT_DIR");
        return ExitCode::from(2);
    };
    match generate(&input, &out_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bindgen: {input}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn generate(input: &str, out_dir: &str) -> Result<(), Box<dyn std::error::Error>> {
    let name = Path::new(input).file_stem().and_then(|name| name.to_str());
    let name = name.ok_or("its name is not text")?;
    Bindgen::new()
        .input_path(input)
        .out_name(name)
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        // A trapped instance is thrown away and replaced; its callers carry on.
        .reset_state_function(true)
        .generate(out_dir)?;
    let glue = Path::new(out_dir).join(name).with_extension("js");
    let text = fs::read_to_string(&glue)?;
    fs::write(&glue, guarded(&outlived(&text)?)?)?;
    Ok(())
}

/// Replaces what stands once in the glue.
fn replaced(text: &str, found: &str, by: &str) -> Result<String, Box<dyn std::error::Error>> {
    if text.matches(found).count() != 1 {
        return Err(format!("the glue does not say once: {found}").into());
    }
    Ok(text.replace(found, by))
}

/// Lets a timer or a promise that outlives its instance come to nothing: nobody could catch what it throws.
fn outlived(text: &str) -> Result<String, Box<dyn std::error::Error>> {
    const THROW: &str = "throw new Error('Cannot invoke closure from previous WASM instance');";
    replaced(text, THROW, "return;")
}

/// Puts the data plane's guard around the exports of every instance: what traps in a callback has no caller that
/// would notice. A Worker that embeds Vestibule has no data plane of ours.
fn guarded(text: &str) -> Result<String, Box<dyn std::error::Error>> {
    const EXPORTS: [&str; 2] = ["wasm = instance.exports;", "wasm = wasmInstance.exports;"];
    let mut text = text.to_owned();
    if !text.contains("\"vestibule-runtime\"") {
        return Ok(text);
    }
    for exports in EXPORTS {
        let guarded = exports.replace("= ", "= guard(").replace(';', ");");
        text = replaced(&text, exports, &guarded)?;
    }
    // One line for each function, of one and the same module.
    const MODULE: &str = "\"vestibule-runtime\": import";
    let mut seen = false;
    let once =
        |line: &&str| !line.trim_start().starts_with(MODULE) || !std::mem::replace(&mut seen, true);
    let text = text.lines().filter(once).collect::<Vec<_>>().join("\n");
    Ok(format!(
        "import {{ guard }} from \"vestibule-runtime\";\n{text}"
    ))
}
