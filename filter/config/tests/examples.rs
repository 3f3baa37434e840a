//! Walks `examples/config`: what is in `valid` is accepted, and each file in `invalid` is refused with exactly the
//! message that stands beside it in a `.txt` of the same name.
#![cfg(not(target_arch = "wasm32"))]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use goproxy_config::Config;

/// Set to write the messages that came beside the examples, to be read before they are committed.
const UPDATE: &str = "UPDATE_EXAMPLES";

/// The `.json` files of a folder, in order; a folder without any would make a test that cannot fail.
fn examples(folder: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/config")
        .join(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => files.push(path),
            Some("txt") if path.with_extension("json").exists() => {}
            _ => return Err(format!("{}: no example", path.display()).into()),
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: no examples", folder.display()).into());
    }
    Ok(files)
}

#[test]
fn every_valid_example_is_accepted() -> Result<(), Box<dyn Error>> {
    for path in examples("valid")? {
        Config::from_json(&fs::read(&path)?, "plugin")
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

#[test]
fn every_invalid_example_is_refused_with_its_message() -> Result<(), Box<dyn Error>> {
    let update = std::env::var_os(UPDATE).is_some();
    let mut wrong = Vec::new();
    for path in examples("invalid")? {
        let got = match Config::from_json(&fs::read(&path)?, "plugin") {
            Ok(_) => "accepted\n".to_owned(),
            Err(error) => format!("{error}\n"),
        };
        let beside = path.with_extension("txt");
        if update {
            fs::write(&beside, &got)?;
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if got != expected || got == "accepted\n" {
            wrong.push(format!(
                "{}\n  expected: {expected}  got: {got}",
                path.display()
            ));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("\n{}", wrong.join("")).into())
    }
}
