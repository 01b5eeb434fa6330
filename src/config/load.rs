//! Loading: merge the layers, check the tree, read the types.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Config,
    channels::RawSection,
    checks::check_all,
    layers::{FileText, Sources, merge},
    mistake::{Mistake, Mistakes},
    origins::Origins,
    schema::{Known, common_keys, internal},
    secrets::FileDigest,
    validate::{Validator, at_path},
};

/// What `Debug` and `config show` print for a secret.
pub(super) const HIDDEN: &str = "[secret]";

/// A configuration without mistakes (but see `broken`), and what is worth saying about it.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// What works but should not stay so.
    pub warnings: Vec<Mistake>,
    /// Channels that were left out for their mistakes; only [`load_tolerant`] leaves any.
    pub broken: BTreeMap<String, Mistakes>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What stood in it.
    pub text: Option<FileText>,
    /// The files that secrets were read from, or should have been, with a digest of what stood there.
    pub secret_files: BTreeMap<PathBuf, Option<FileDigest>>,
    pub(super) effective: Effective,
}

/// The checked tree with every secret replaced, for `config show`.
pub(super) struct Effective {
    pub(super) tree: Value,
    pub(super) schema: Value,
    pub(super) origins: Arc<Origins>,
    /// What secrets were read from, by path.
    pub(super) sources: BTreeMap<Vec<String>, String>,
}

/// The tree may hold what no schema describes: nothing of it is printed.
impl std::fmt::Debug for Effective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effective").finish_non_exhaustive()
    }
}

/// Loads the configuration, or says everything that is wrong with it.
pub fn load(sources: &Sources, known: &Known<'_>) -> Result<Loaded, Mistakes> {
    let loaded = load_tolerant(sources, known)?;
    if loaded.broken.is_empty() {
        return Ok(loaded);
    }
    Err(Mistakes::sorted(loaded.broken.into_values().flat_map(|m| m.0).collect()))
}

/// Like [`load`], but a channel with mistakes is left out (`Loaded::broken`), so that it stops no other. A mistake anywhere else is
/// an error, and then those of the channels are listed too.
pub fn load_tolerant(sources: &Sources, known: &Known<'_>) -> Result<Loaded, Mistakes> {
    load_again(sources, known, None)
}

/// The same with the configuration's file as it was `kept`, if it was: the files of secrets alone are read anew.
pub fn load_again(sources: &Sources, known: &Known<'_>, kept: Option<&FileText>) -> Result<Loaded, Mistakes> {
    let mut mistakes = Vec::new();
    let Ok(merged) = merge(sources, kept, &mut mistakes) else { return Err(Mistakes::sorted(mistakes)) };
    let schema = internal(known);
    let origins = Arc::new(merged.origins);
    let mut tree = Value::Object(merged.tree);

    let mut validator = Validator::new(&origins, &sources.env);
    validator.whole = Some(&schema);
    validator.mistakes = mistakes;
    validator.warnings = merged.warnings;
    validator.check(&schema, &mut tree, &mut Vec::new());
    check_all(&mut validator, &tree);
    if let Some(file) = &merged.file {
        validator.warn_of_open_file(&file.path);
    }

    let broken = broken_channels(std::mem::take(&mut validator.mistakes))?;
    if let Some(channels) = tree.get_mut("channels").and_then(Value::as_object_mut) {
        channels.retain(|id, _| !broken.contains_key(id));
    }
    let mut typed = tree.clone();
    let mut own = take_own(&mut typed, &origins);
    let mut config: Config = validator.read(typed, &[]).map_err(|mistake| Mistakes(vec![mistake]))?;
    for (id, channel) in &mut config.channels {
        channel.own = own.remove(id).unwrap_or_default();
    }

    let Validator { secrets, warnings, files, .. } = validator;
    for path in secrets.keys() {
        if let Some(secret) = at_path(&mut tree, path) {
            *secret = HIDDEN.into();
        }
    }
    let sources = secrets.into_iter().filter_map(|(path, source)| Some((path, source?))).collect();
    let effective = Effective { tree, schema, origins, sources };
    let file = merged.file.as_ref().map(|file| file.path.clone());
    let warnings = Mistakes::sorted(warnings).0;
    Ok(Loaded { config, warnings, broken, file, text: merged.file, secret_files: files, effective })
}

/// The mistakes by channel, or all of them when one is not a channel's.
fn broken_channels(mistakes: Vec<Mistake>) -> Result<BTreeMap<String, Mistakes>, Mistakes> {
    if mistakes.iter().any(|m| m.channel().is_none()) {
        return Err(Mistakes::sorted(mistakes));
    }
    let mut broken: BTreeMap<String, Vec<Mistake>> = BTreeMap::new();
    for mistake in mistakes {
        let id = mistake.channel().unwrap_or_default().to_owned();
        broken.entry(id).or_default().push(mistake);
    }
    Ok(broken.into_iter().map(|(id, list)| (id, Mistakes::sorted(list))).collect())
}

/// Takes from each channel's table what belongs to its kind.
fn take_own(tree: &mut Value, origins: &Arc<Origins>) -> BTreeMap<String, RawSection> {
    let common = common_keys();
    let mut taken = BTreeMap::new();
    for (id, channel) in tree.get_mut("channels").and_then(Value::as_object_mut).into_iter().flatten() {
        let Value::Object(table) = channel else { continue };
        let (all, own): (Map<_, _>, Map<_, _>) =
            std::mem::take(table).into_iter().partition(|(key, _)| common.contains(key));
        *table = all;
        taken.insert(id.clone(), RawSection::new(format!("channels.{id}"), own, Arc::clone(origins)));
    }
    taken
}
