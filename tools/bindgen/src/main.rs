//! `bindgen NAME.wasm OUT_DIR`: writes `NAME.js` (the glue) and `NAME_bg.wasm`.
//!
//! wasm-bindgen's generator must equal the library's version exactly. The workspace's one `Cargo.lock` pins both, so
//! they cannot drift apart, and no separate tool is needed.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use walrus::Module;
use wasm_bindgen_cli_support::Bindgen;

/// Classes that dependencies export. The ones that the module never instantiates can be removed.
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
        // Vestibule replaces a trapped instance; its callers continue.
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

/// Removes the exports of dependencies' classes that the module never instantiates, with the code that only they need.
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

/// Gives imported functions short names. Their own end in hashes, which take 1 % of the compressed module. Returns
/// pairs of long and short names.
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

/// Renames the imported functions in the glue, too. The long names end in hashes, so none is part of another.
fn renamed(text: &str, names: &[(String, String)]) -> Result<String, Box<dyn Error>> {
    names
        .iter()
        .try_fold(text.to_owned(), |text, (long, short)| {
            replaced(&text, long, short)
        })
}

/// Replaces text that occurs exactly once in the glue; returns an error for any other count.
fn replaced(text: &str, found: &str, by: &str) -> Result<String, Box<dyn Error>> {
    if text.matches(found).count() != 1 {
        return Err(format!("the glue does not say once: {found}").into());
    }
    Ok(text.replace(found, by))
}

/// Makes a timer or promise that outlives its instance do nothing: no caller could catch its exception.
fn outlived(text: &str) -> Result<String, Box<dyn Error>> {
    const THROW: &str = "throw new Error('Cannot invoke closure from previous WASM instance');";
    replaced(text, THROW, "return;")
}

/// Wraps the exports of every instance in the data plane's guard: a trap in a callback has no caller to notice it. A
/// Worker that embeds Vestibule has no such data plane.
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
    // Each function imports the same module again; one such line is enough.
    const MODULE: &str = "\"vestibule-runtime\": import";
    let mut seen = false;
    let once =
        |line: &&str| !line.trim_start().starts_with(MODULE) || !std::mem::replace(&mut seen, true);
    let text = text.lines().filter(once).collect::<Vec<_>>().join("\n");
    Ok(format!(
        "import {{ guard }} from \"vestibule-runtime\";\n{text}"
    ))
}
