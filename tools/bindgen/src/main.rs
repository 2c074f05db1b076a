//! `bindgen INPUT.wasm OUT_DIR`: writes `vestibule.js` (the glue) and `vestibule_bg.wasm`.
//!
//! wasm-bindgen's generator must equal the library's version exactly. As a member of the
//! workspace both are pinned by the one `Cargo.lock`, so they cannot drift apart and nothing has
//! to be installed beside the project.

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
    Bindgen::new()
        .input_path(input)
        .out_name("vestibule")
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        // A trapped instance is thrown away and replaced; its callers carry on.
        .reset_state_function(true)
        .generate(out_dir)?;
    Ok(())
}
