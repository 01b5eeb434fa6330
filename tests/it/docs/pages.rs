//! The pages, and the book that they make.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page of the repository.
pub(super) struct Page {
    /// Relative to the package.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A fenced block of code.
pub(super) struct Block {
    /// What stands after the fence: `toml`, `sh`, `toml fragment`.
    pub(super) info: String,
    pub(super) text: String,
}

pub(super) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What somebody who runs or changes the bridge reads.
pub(super) fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(PathBuf::from).into();
    below(Path::new("docs"), &mut paths);
    assert!(paths.len() > 10, "reads the wrong folder: {paths:?}");
    let read = |path: PathBuf| Page { text: std::fs::read_to_string(top().join(&path)).unwrap(), path };
    paths.into_iter().map(read).collect()
}

fn below(folder: &Path, paths: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(top().join(folder)).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            below(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

impl Page {
    pub(super) fn events(&self) -> impl Iterator<Item = Event<'_>> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES)
    }

    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for event in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let info = match kind {
                        CodeBlockKind::Fenced(info) => info.to_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    open = Some(Block { info, text: String::new() });
                }
                Event::Text(text) => {
                    if let Some(block) = &mut open {
                        block.text.push_str(&text);
                    }
                }
                Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
                _ => {}
            }
        }
        blocks
    }

    /// Code within sentences.
    pub(super) fn inline(&self) -> Vec<String> {
        let code = |event| if let Event::Code(code) = event { Some(code.to_string()) } else { None };
        self.events().filter_map(code).collect()
    }

    /// The targets of links and pictures.
    pub(super) fn links(&self) -> Vec<String> {
        let target = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
            _ => None,
        };
        self.events().filter_map(target).collect()
    }

    /// The anchors of the headings, as GitHub and mdBook make them.
    pub(super) fn anchors(&self) -> BTreeSet<String> {
        let (mut anchors, mut heading) = (BTreeSet::new(), None::<String>);
        for event in self.events() {
            match (event, &mut heading) {
                (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
                (Event::Text(text) | Event::Code(text), Some(heading)) => heading.push_str(&text),
                (Event::End(TagEnd::Heading(_)), Some(text)) => {
                    let anchor = anchor(text);
                    let again = (1..).map(|n| format!("{anchor}-{n}")).find(|another| !anchors.contains(another));
                    anchors.insert(if anchors.contains(&anchor) { again.unwrap() } else { anchor });
                    heading = None;
                }
                _ => {}
            }
        }
        anchors
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

#[test]
fn anchors_are_those_that_readers_have() {
    for (heading, expected) in [
        ("`[channels.<id>]` with `kind = \"http\"`", "channelsid-with-kind--http"),
        ("A browser: session tokens", "a-browser-session-tokens"),
        ("2. On a machine: `init`", "2-on-a-machine-init"),
        ("先試試看：demo", "先試試看demo"),
    ] {
        assert_eq!(anchor(&heading.replace('`', "")), expected);
    }
}

#[test]
fn every_page_is_in_the_book() {
    let summary =
        Page { path: "docs/SUMMARY.md".into(), text: std::fs::read_to_string(top().join("docs/SUMMARY.md")).unwrap() };
    let listed: BTreeSet<PathBuf> = summary.links().iter().map(|link| Path::new("docs").join(link)).collect();
    let there: BTreeSet<PathBuf> = pages()
        .into_iter()
        .map(|page| page.path)
        .filter(|path| path.starts_with("docs") && *path != summary.path)
        .collect();
    let missing: Vec<_> = there.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:?}");
    let gone: Vec<_> = listed.difference(&there).collect();
    assert!(gone.is_empty(), "docs/SUMMARY.md names what is not there: {gone:?}");
}

#[test]
fn the_book_can_be_made() {
    let mdbook = std::env::var_os("PYTHON_TOOLS").map(|tools| Path::new(&tools).join("mdbook"));
    let Some(mdbook) = mdbook.filter(|tool| tool.exists()) else {
        eprintln!("passed over: PYTHON_TOOLS names no folder that has mdbook");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(mdbook).arg("build").arg(top().join("docs")).arg("-d").arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success() && !said.contains("WARN") && !said.contains("ERROR"), "{said}");
    assert!(folder.path().join("quick-start.html").exists(), "{said}");
}
