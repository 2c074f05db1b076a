//! `bindgen NAME.wasm OUT_DIR`: writes `NAME.js` (the glue) and `NAME_bg.wasm`.
//!
//! wasm-bindgen's generator must equal the library's version exactly. As a member of the
//! workspace both are pinned by the one `Cargo.lock`, so they cannot drift apart and nothing has
//! to be installed beside the project.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use walrus::Module;
use wasm_bindgen_cli_support::Bindgen;

/// Classes that dependencies export. What is behind those of which no instance is made can go.
const FOREIGN_CLASSES: [&str; 6] = [
    "containerstartupoptions_",
    "intounderlyingbytesource_",
    "intounderlyingsink_",
    "intounderlyingsource_",
    "minifyconfig_",
    "r2range_",
];

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

fn generate(input: &str, out_dir: &str) -> Result<(), Box<dyn Error>> {
    let name = Path::new(input).file_stem().and_then(|name| name.to_str());
    let name = name.ok_or("its name is not text")?;
    let out_dir = Path::new(out_dir);
    let mut output = Bindgen::new()
        .input_path(input)
        .out_name(name)
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        // A trapped instance is thrown away and replaced; its callers carry on.
        .reset_state_function(true)
        .generate_output()?;
    drop_foreign_classes(output.wasm_mut());
    let names = shorten_imports(output.wasm_mut());
    output.emit(out_dir)?;
    let glue = out_dir.join(name).with_extension("js");
    let text = renamed(&fs::read_to_string(&glue)?, &names)?;
    fs::write(&glue, guarded(&outlived(&text)?)?)?;
    Ok(())
}

/// Removes the exports of dependencies' classes, unless the module makes an instance, and what only they need.
fn drop_foreign_classes(module: &mut Module) {
    for class in FOREIGN_CLASSES {
        let made = format!("__wbg_{class}new");
        let mut imports = module.imports.iter();
        if imports.any(|import| import.name.starts_with(&made)) {
            continue;
        }
        let of_class = |name: &str| {
            ["__wbg_get_", "__wbg_set_", "__wbg_", ""]
                .iter()
                .any(|prefix| {
                    name.strip_prefix(prefix)
                        .is_some_and(|name| name.starts_with(class))
                })
        };
        let exports = module.exports.iter();
        let unused = exports.filter(|export| of_class(&export.name));
        for export in unused.map(|export| export.id()).collect::<Vec<_>>() {
            module.exports.delete(export);
        }
    }
    walrus::passes::gc::run(module);
}

/// Gives imported functions short names: theirs end in hashes, which make up a hundredth of the compressed module.
/// Returns the long names with the short ones.
fn shorten_imports(module: &mut Module) -> Vec<(String, String)> {
    let imports = module.imports.iter_mut();
    let hashed = imports.filter(|import| import.name.starts_with("__wbg_"));
    hashed
        .enumerate()
        .map(|(number, import)| {
            let short = format!("_{number}");
            let long = std::mem::replace(&mut import.name, short.clone());
            (long, short)
        })
        .collect()
}

/// Gives what the glue has for the module to import the short names. The long ones end in hashes, so that none is part
/// of another.
fn renamed(text: &str, names: &[(String, String)]) -> Result<String, Box<dyn Error>> {
    names
        .iter()
        .try_fold(text.to_owned(), |text, (long, short)| {
            replaced(&text, long, short)
        })
}

/// Replaces what stands once in the glue.
fn replaced(text: &str, found: &str, by: &str) -> Result<String, Box<dyn Error>> {
    if text.matches(found).count() != 1 {
        return Err(format!("the glue does not say once: {found}").into());
    }
    Ok(text.replace(found, by))
}

/// Lets a timer or a promise that outlives its instance come to nothing: nobody could catch what it throws.
fn outlived(text: &str) -> Result<String, Box<dyn Error>> {
    const THROW: &str = "throw new Error('Cannot invoke closure from previous WASM instance');";
    replaced(text, THROW, "return;")
}

/// Puts the data plane's guard around the exports of every instance: what traps in a callback has no caller that
/// would notice. A Worker that embeds Vestibule has no data plane of ours.
fn guarded(text: &str) -> Result<String, Box<dyn Error>> {
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
