//! Links within the repository.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::pages::{pages, top};

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let anchors: BTreeMap<PathBuf, _> = pages.iter().map(|page| (page.path.clone(), page.anchors())).collect();
    let mut broken = Vec::new();
    let mut followed = 0;
    for page in &pages {
        for link in page.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let target = if file.is_empty() { page.path.clone() } else { beside(&page.path, file) };
            let there = anchors.get(&target);
            let found = there.is_some() || top().join(&target).exists();
            let anchored = anchor.is_none_or(|anchor| there.is_some_and(|anchors| anchors.contains(anchor)));
            if !found || !anchored {
                broken.push(format!("{}: {link}", page.shown()));
            }
        }
    }
    assert!(followed > 50, "only {followed} links were found");
    assert!(broken.is_empty(), "{} links lead nowhere:\n{}", broken.len(), broken.join("\n"));
}

/// A path as a link on `page` writes it, from the top of the repository.
fn beside(page: &Path, link: &str) -> PathBuf {
    let mut path = page.parent().unwrap().to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{}: {link} leaves the repository", page.display()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}
