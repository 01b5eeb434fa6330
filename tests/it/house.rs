//! The floors of the house, guarded: a floor imports only lower floors, the wings of one floor never import each other,
//! and neither do the kinds within a wing. Reads every file under `src/`; test code there counts too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

mod made_up;
mod source;

use source::{Import, Oddity};

/// Every top-level module and its floor. A new module must be given one, here and in the table of `src/lib.rs`.
const FLOORS: &[(&str, u32)] = &[
    ("model", 0),
    ("config", 1),
    ("caigunn", 2),
    ("contract", 2),
    ("http", 2),
    ("layout", 2),
    ("channels", 3),
    ("stores", 3),
    ("sandbox", 3),
    ("pipeline", 4),
    ("web", 5),
    ("app", 6),
    ("cli", 7),
];

/// Wings whose folders never import each other: a channel, a store.
const WINGS_OF_KINDS: &[&str] = &["channels", "stores"];

/// The same file names in every channel, so that who has read one finds the way in all.
const CHANNEL_FILES: &[&str] = &["mod", "config", "ids", "ingress", "normalize", "render", "send"];

const MOST_LINES: usize = 500;

#[test]
fn the_house_stands() {
    let mut files = BTreeMap::new();
    read_into(&mut files, Path::new(env!("CARGO_MANIFEST_DIR")), Path::new("src"));
    assert!(files.len() > 20, "reads the wrong folder: {:?}", files.keys());
    let mistakes = mistakes(&files);
    assert!(mistakes.is_empty(), "{} mistakes:\n{}\n", mistakes.len(), mistakes.join("\n"));
}

#[test]
fn the_table_of_the_library_names_every_floor() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for (module, floor) in FLOORS {
        let row = lib.lines().find(|line| line.starts_with(&format!("//! | {floor} |"))).unwrap_or_default();
        assert!(row.contains(&format!("[`{module}`]")), "`{module}` is missing from floor {floor} in src/lib.rs");
    }
}

fn read_into(files: &mut BTreeMap<String, String>, root: &Path, folder: &Path) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            read_into(files, root, &path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.to_str().unwrap().replace('\\', "/");
            files.insert(name, fs::read_to_string(root.join(&path)).unwrap());
        }
    }
}

/// Everything that is wrong with a tree of files (`src/…` → text), each with file and line.
fn mistakes(files: &BTreeMap<String, String>) -> Vec<String> {
    let kinds = kinds(files);
    let mut mistakes = Vec::new();
    for (file, text) in files {
        let module = module_of(file);
        let lines = text.lines().count();
        if lines > MOST_LINES {
            mistakes.push(format!("{file}: {lines} lines, {MOST_LINES} are the limit: split it by step of the flow"));
        }
        let root = matches!(file.as_str(), "src/lib.rs" | "src/main.rs");
        if !root && module.first().is_some_and(|top| floor_of(top).is_none()) {
            mistakes
                .push(format!("{file}: `{}` has no floor: give it one in tests/it/house.rs and src/lib.rs", module[0]));
            continue;
        }
        let (imports, oddities) = source::read(text, &module);
        for (line, oddity) in oddities {
            mistakes.push(format!("{file}:{line}: {}", explain(oddity)));
        }
        for import in imports {
            let wrong = match file.as_str() {
                "src/lib.rs" => None,
                "src/main.rs" => wrong_in_main(&import),
                _ => wrong_import(&module, &import, &kinds),
            };
            mistakes.extend(wrong.map(|wrong| format!("{file}:{}: {wrong}", import.line)));
        }
    }
    mistakes.extend(missing_channel_files(files, &kinds));
    mistakes
}

fn explain(oddity: Oddity) -> &'static str {
    match oddity {
        Oddity::Path => "`#[path]`: a module lies where its name says",
        Oddity::Include => "`include!`: code of another place cannot be checked here",
        Oddity::ExternSelf => "`extern crate self`: use `crate::`",
    }
}

fn floor_of(top: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == top).map(|(_, floor)| *floor)
}

/// `src/channels/http/mod.rs` → `channels`, `http`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    if matches!(path, "lib" | "main") { Vec::new() } else { module }
}

/// The folders of each wing of kinds.
fn kinds(files: &BTreeMap<String, String>) -> BTreeMap<&'static str, BTreeSet<String>> {
    let folders = |wing: &str| {
        let inside = files.keys().filter_map(|file| file.strip_prefix(&format!("src/{wing}/"))?.split_once('/'));
        inside.map(|(kind, _)| kind.to_owned()).collect()
    };
    WINGS_OF_KINDS.iter().map(|wing| (*wing, folders(wing))).collect()
}

/// What is wrong with an import by `module`, if anything is.
fn wrong_import(module: &[String], import: &Import, kinds: &BTreeMap<&str, BTreeSet<String>>) -> Option<String> {
    let from = module.first()?;
    let path = &import.path;
    let shown = format!("crate::{}", path.join("::"));
    let Some(to) = path.first().filter(|to| *to != "*") else {
        return Some("takes in the whole crate: name the modules".to_owned());
    };
    let (Some(from_floor), Some(to_floor)) = (floor_of(from), floor_of(to)) else {
        return Some(format!("`{shown}`: `{to}` has no floor"));
    };
    if to_floor > from_floor {
        return Some(format!("`{shown}`: upward, from {from} (floor {from_floor}) to {to} (floor {to_floor})"));
    }
    if to_floor == from_floor && to != from {
        return Some(format!("`{shown}`: sideways, from {from} to {to} (both on floor {to_floor})"));
    }
    let kinds = kinds.get(from.as_str()).filter(|_| to == from)?;
    let own = module.get(1).filter(|own| kinds.contains(*own))?;
    match path.get(1).map(String::as_str) {
        None | Some("*") => Some(format!("`{shown}`: takes in every kind of {from}: name the module")),
        Some(other) if other != own && kinds.contains(other) => {
            Some(format!("`{shown}`: sideways, from {from}::{own} to {from}::{other}"))
        }
        Some(_) => None,
    }
}

fn wrong_in_main(import: &Import) -> Option<String> {
    let cli = import.path.first().is_some_and(|to| to == "cli");
    (!cli).then(|| format!("`crate::{}`: main uses cli and nothing else", import.path.join("::")))
}

fn missing_channel_files(files: &BTreeMap<String, String>, kinds: &BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    let mut missing = Vec::new();
    for kind in kinds.get("channels").into_iter().flatten() {
        for name in CHANNEL_FILES {
            let folder = format!("src/channels/{kind}");
            // A file that grew may have become a folder.
            if !files.contains_key(&format!("{folder}/{name}.rs"))
                && !files.contains_key(&format!("{folder}/{name}/mod.rs"))
            {
                missing.push(format!("{folder}: lacks {name}.rs, which every channel has"));
            }
        }
    }
    missing
}
