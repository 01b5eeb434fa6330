//! The layers of a configuration, one over the other: the file, then the environment. (The defaults are the types'.)

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
};

use config::{Config as Layers, Environment, File, FileFormat};
use serde_json::{Map, Value};
use toml::de::DeTable;

use crate::model::Secret;

use super::{
    mistake::Mistake,
    origins::{Origin, Origins, line_and_column, show_path},
};

/// What the names of our environment variables start with.
pub const PREFIX: &str = "CAIGUNN_BRIDGE__";
/// The environment variable that names the file.
pub const FILE_VARIABLE: &str = "CAIGUNN_BRIDGE_CONFIG";
/// Why a file that is not there cannot be read.
const ABSENT: &str = "does not exist";
const MAX_FILE: usize = 4 << 20;

/// Where to look. [`Sources::of_process`] is the real thing; tests fill in their own.
#[derive(Clone, Default)]
pub struct Sources {
    /// `--config`: this file and no other.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Where a file is looked for when none is named; the first that exists is read.
    pub places: Vec<PathBuf>,
}

impl Sources {
    /// This process's environment and the usual places.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let env: BTreeMap<_, _> = std::env::vars_os().collect();
        let places = usual_places(&env);
        Self { file, env, places }
    }
}

/// The environment holds secrets: names only.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("file", &self.file).field("places", &self.places).finish_non_exhaustive()
    }
}

/// `./bridge.toml`, `./config/bridge.toml`, `$XDG_CONFIG_HOME/caigunn-bridge/bridge.toml`, `/etc/caigunn-bridge/bridge.toml`.
pub fn usual_places(env: &BTreeMap<OsString, OsString>) -> Vec<PathBuf> {
    let set = |name: &str| env.get(OsStr::new(name)).filter(|v| !v.is_empty()).map(PathBuf::from);
    let personal = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let mut places = vec![PathBuf::from("bridge.toml"), PathBuf::from("config/bridge.toml")];
    places.extend(personal.map(|dir| dir.join("caigunn-bridge/bridge.toml")));
    places.push("/etc/caigunn-bridge/bridge.toml".into());
    places
}

/// The configuration's file as it was read: it may hold secrets.
#[derive(Clone, Debug)]
pub struct FileText {
    pub path: PathBuf,
    pub text: Secret,
}

/// The merged tree, before it is checked against any schema.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) tree: Map<String, Value>,
    pub(super) origins: Origins,
    pub(super) file: Option<FileText>,
    pub(super) warnings: Vec<Mistake>,
}

/// Reads and merges the layers. An error here means that the tree cannot be judged further.
pub(super) fn merge(sources: &Sources, kept: Option<&FileText>, mistakes: &mut Vec<Mistake>) -> Result<Merged, ()> {
    let mut merged = Merged::default();
    let mut text = String::new();
    let chosen = match kept {
        Some(kept) => Some((kept.path.clone(), Origin::Nowhere, Some(kept.text.expose()))),
        None => choose(sources).map(|(path, named_by)| (path, named_by, None)),
    };
    if let Some((path, named_by, known)) = chosen {
        match known.map_or_else(|| read(&path), |known| Ok(known.to_owned())) {
            Ok(read) => text = read,
            Err(reason) => {
                let hint = (reason == ABSENT).then(|| {
                    format!(
                        "`caigunn-bridge init --output {}` writes one, `caigunn-bridge demo` needs none",
                        path.display()
                    )
                });
                mistakes.push(Mistake::new(named_by, "", format!("{} {reason}", path.display())).hint(hint));
                return Err(());
            }
        }
        merged.origins.set_file(path.clone());
        merged.file = Some(FileText { path, text: Secret::new(text.clone()) });
    }
    syntax(&text, &mut merged.origins, mistakes)?;

    let variables = variables(sources, &mut merged, mistakes);
    let layers = Layers::builder()
        .add_source(File::from_str(&text, FileFormat::Toml))
        .add_source(
            // `try_parsing` would turn the secret 007 into 7: the schema decides on types.
            Environment::with_prefix("CAIGUNN_BRIDGE")
                .prefix_separator("__")
                .separator("__")
                .try_parsing(false)
                .source(Some(variables)),
        )
        .build()
        .and_then(Layers::try_deserialize::<Map<String, Value>>);
    match layers {
        // The crate merges in hash maps: without an order of our own, what is said would change from run to run.
        Ok(tree) => {
            merged.tree = tree;
            merged.tree.sort_keys();
            merged.tree.values_mut().for_each(Value::sort_all_objects);
        }
        // The crate's own message may quote a value; after our own reading of the syntax it is not expected.
        Err(_) => {
            mistakes.push(Mistake::new(Origin::Nowhere, "", "the file and the environment cannot be merged"));
            return Err(());
        }
    }
    Ok(merged)
}

fn choose(sources: &Sources) -> Option<(PathBuf, Origin)> {
    if let Some(path) = &sources.file {
        return Some((path.clone(), Origin::Nowhere));
    }
    if let Some(path) = sources.env.get(OsStr::new(FILE_VARIABLE)).filter(|v| !v.is_empty()) {
        return Some((path.into(), Origin::Env { name: FILE_VARIABLE.into() }));
    }
    // Not `exists`: a file that we may not look at must be a mistake, not passed over in silence.
    let there = |path: &&PathBuf| !matches!(path.symlink_metadata(), Err(e) if absent(&e));
    sources.places.iter().find(there).map(|path| (path.clone(), Origin::Nowhere))
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = read_at_most(path, MAX_FILE)?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".into())
}

/// A file's bytes, or why not, continuing its path: "does not exist".
pub(super) fn read_at_most(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    use io::Read as _;
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).and_then(|f| f.take(limit as u64 + 1).read_to_end(&mut bytes));
    match opened {
        Ok(_) if bytes.len() > limit => Err(format!("is larger than {limit} bytes")),
        Ok(_) => Ok(bytes),
        Err(e) => Err(match e.kind() {
            io::ErrorKind::NotFound => ABSENT.into(),
            io::ErrorKind::PermissionDenied => "may not be read by this user".into(),
            io::ErrorKind::IsADirectory => "is a folder".into(),
            kind => format!("cannot be read: {kind}"),
        }),
    }
}

fn syntax(text: &str, origins: &mut Origins, mistakes: &mut Vec<Mistake>) -> Result<(), ()> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    origins.add_table(text, table.get_ref());
    // What this pass lets through, a number beyond 64 bits say, its values' own parser finds.
    let beyond = if errors.is_empty() { text.parse::<toml::Table>().err() } else { None };
    errors.sort_by_key(|e| e.span().map(|s| s.start));
    let at = |error: &toml::de::Error| {
        let (line, column) = line_and_column(text, error.span().map_or(0, |s| s.start));
        origins.line(line, Some(column))
    };
    // Never the whole error: it would quote the line, and so perhaps a secret.
    let syntax = errors.iter().map(|e| Mistake::new(at(e), "", format!("is not TOML: {}", e.message())));
    let beyond = beyond.iter().map(|e| Mistake::new(at(e), "", "holds a number or date that TOML cannot hold"));
    let found: Vec<_> = syntax.chain(beyond).collect();
    let good = found.is_empty();
    mistakes.extend(found);
    if good { Ok(()) } else { Err(()) }
}

/// Our variables by name, those of a form that cannot be right reported.
fn variables(sources: &Sources, merged: &mut Merged, mistakes: &mut Vec<Mistake>) -> HashMap<String, String> {
    let mut ours = HashMap::new();
    for (name, value) in &sources.env {
        let Some(name) = name.to_str() else { continue };
        let upper = name.to_uppercase();
        let Some(rest) = upper.strip_prefix(PREFIX) else {
            merged.warnings.extend(near_miss(name, &upper));
            continue;
        };
        let wrong = |reason: &str| Mistake::new(Origin::Env { name: name.into() }, "", reason);
        let path: Vec<String> = rest.to_lowercase().split("__").map(String::from).collect();
        if path.iter().any(String::is_empty) {
            let hint = format!("levels are separated by two underscores: {PREFIX}SERVER__LISTEN");
            mistakes.push(wrong("names no key").hint(hint));
        } else if !rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            mistakes.push(wrong("has a character in its name that no key has"));
        } else if let Some(twin) = merged.origins.variables().get(&path) {
            let twin = format!("is also given by {twin}: letter case makes no difference");
            mistakes.push(Mistake::new(Origin::Env { name: name.into() }, show_path(&path), twin));
        } else if let Some(value) = value.to_str() {
            merged.origins.add_variable(path, name.into());
            ours.insert(name.into(), value.into());
        } else {
            mistakes.push(wrong("is not UTF-8 text"));
        }
    }
    below_a_value(&merged.origins, &mut ours, mistakes);
    ours
}

/// `…__SERVER=x` beside `…__SERVER__LISTEN=y`: which one wins would depend on their order, so only the upper one is kept.
fn below_a_value(origins: &Origins, ours: &mut HashMap<String, String>, mistakes: &mut Vec<Mistake>) {
    for (path, name) in origins.variables() {
        let Some(above) = (1..path.len()).find_map(|n| origins.variables().get(&path[..n])) else { continue };
        ours.remove(name);
        let mistake = Mistake::at(origins, path, format!("stands below {above}, which is set as well"));
        mistakes.push(mistake.hint(format!("unset {above} or {name}")));
    }
}

/// A single underscore after our name is most likely a slip. Other such names are left alone: an orchestrator sets
/// `CAIGUNN_BRIDGE_PORT` and the like by itself.
fn near_miss(name: &str, upper: &str) -> Option<Mistake> {
    let rest = upper.strip_prefix("CAIGUNN_BRIDGE_").filter(|rest| rest.contains("__"))?;
    let warning = Mistake::new(Origin::Env { name: name.into() }, "", "is ignored: its name lacks an underscore");
    Some(warning.hint(format!("did you mean {PREFIX}{rest}?")))
}
