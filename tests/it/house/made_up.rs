//! The guard itself, on small made-up houses.

use super::*;

fn found(files: &[(&str, &str)]) -> Vec<String> {
    mistakes(&files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect())
}

#[track_caller]
fn fails(file: &str, text: &str, expected: &str) {
    let mut files = vec![(file, text)];
    // Two kinds of store, so that there is something to mix up.
    files.extend(
        [("src/stores/sqlite/mod.rs", ""), ("src/stores/postgres/mod.rs", "")].into_iter().filter(|f| f.0 != file),
    );
    let found = found(&files);
    assert!(found.len() == 1 && found[0].starts_with(expected), "expected {expected:?}, found {found:#?}");
}

#[track_caller]
fn passes(file: &str, text: &str) {
    let found = found(&[(file, text)]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn upward_imports_are_found() {
    fails(
        "src/model/a.rs",
        "\nuse crate::web::Page;",
        "src/model/a.rs:2: `crate::web::Page`: upward, from model (floor 0) to web",
    );
    fails(
        "src/config/mod.rs",
        "pub use crate::contract::Store;",
        "src/config/mod.rs:1: `crate::contract::Store`: upward",
    );
    fails("src/http/a.rs", "fn f() {\n  crate::pipeline::run();\n}", "src/http/a.rs:2: `crate::pipeline::run`");
    fails("src/http/a.rs", "type A = Vec::<crate::app::App>;", "src/http/a.rs:1: `crate::app::App`");
    fails("src/http/a.rs", "pub(crate) use crate::app::App as Bpp;", "src/http/a.rs:1: `crate::app::App`");
    fails("src/http/a.rs", "macro_rules! m { () => { $crate::cli::run() } }", "src/http/a.rs:1: `crate::cli::run`");
    fails("src/http/a.rs", "#[cfg(test)] mod tests { use crate::web::*; }", "src/http/a.rs:1: `crate::web::*`");
    fails("src/http/a.rs", "use caigunn_bridge::web;", "src/http/a.rs:1: `crate::web`");
}

#[test]
fn sideways_imports_are_found() {
    fails(
        "src/http/a.rs",
        "use crate::contract::Store;",
        "src/http/a.rs:1: `crate::contract::Store`: sideways, from http to contract",
    );
    fails("src/channels/a.rs", "use crate::sandbox::S;", "src/channels/a.rs:1: `crate::sandbox::S`: sideways");
    fails(
        "src/stores/sqlite/mod.rs",
        "use crate::stores::postgres::Pool;",
        "src/stores/sqlite/mod.rs:1: `crate::stores::postgres::Pool`: sideways, from stores::sqlite to stores::postgres",
    );
    fails(
        "src/stores/sqlite/mod.rs",
        "use super::postgres::Pool;",
        "src/stores/sqlite/mod.rs:1: `crate::stores::postgres",
    );
    fails(
        "src/stores/sqlite/rows.rs",
        "use super::super::postgres;",
        "src/stores/sqlite/rows.rs:1: `crate::stores::postgres`",
    );
    fails(
        "src/stores/sqlite/mod.rs",
        "use crate::stores::*;",
        "src/stores/sqlite/mod.rs:1: `crate::stores::*`: takes in every",
    );
    fails(
        "src/stores/sqlite/mod.rs",
        "use crate::stores as s;",
        "src/stores/sqlite/mod.rs:1: `crate::stores`: takes in every",
    );
}

#[test]
fn trees_are_unfolded() {
    let tree = "use std::fmt;\nuse crate::{\n  model::{ids::{A, B as C}, clock},\n  web::{self, Page},\n};";
    let found = found(&[("src/http/a.rs", tree)]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("src/http/a.rs:4: `crate::web`: upward"), "{found:#?}");
    assert!(found[1].starts_with("src/http/a.rs:4: `crate::web::Page`: upward"), "{found:#?}");
    fails("src/http/a.rs", "use {std::io, crate::{model as m, app as a}};", "src/http/a.rs:1: `crate::app`");
    fails("src/http/a.rs", "use super::{super::{web}, b};", "src/http/a.rs:1: `crate::web`");
    // After a tree the reader is where it should be.
    fails(
        "src/http/a.rs",
        "use crate::model::{A, B}; mod x { mod y { use super::super::super::super::web::P; } }",
        "src/http/a.rs:1",
    );
}

#[test]
fn escapes_by_super_are_found() {
    fails(
        "src/http/deep/a.rs",
        "use super::super::super::cli::run;",
        "src/http/deep/a.rs:1: `crate::cli::run`: upward",
    );
    fails("src/http/mod.rs", "use super::contract::Store;", "src/http/mod.rs:1: `crate::contract::Store`: sideways");
    fails("src/http/a.rs", "fn f() { self::super::super::web::f() }", "src/http/a.rs:1: `crate::web::f`");
    fails(
        "src/http/a.rs",
        "mod tests { fn f() { super::super::super::web::f() } }",
        "src/http/a.rs:1: `crate::web::f`",
    );
    passes("src/http/a.rs", "mod tests { use super::super::web; use super::*; }");
    passes("src/http/a.rs", "mod one { } mod two { use super::super::web; }");
}

#[test]
fn the_whole_crate_is_never_taken_in() {
    for text in ["use crate::*;", "use crate as c;", "use crate::{self as c};", "use super::super::*;"] {
        fails("src/http/a.rs", text, "src/http/a.rs:1: takes in the whole crate");
    }
    fails("src/http/a.rs", "extern crate self as me;", "src/http/a.rs:1: `extern crate self`");
    fails("src/http/a.rs", "#[path = \"../web/mod.rs\"] mod w;", "src/http/a.rs:1: `#[path]`");
    fails("src/http/a.rs", "include!(\"../web/mod.rs\");", "src/http/a.rs:1: `include!`");
}

#[test]
fn comments_and_literals_do_not_confuse() {
    passes(
        "src/model/a.rs",
        "//! See [`x`](crate::web::x).\n/* use crate::web; /* nested */ use crate::web; */ /// crate::web::x\n",
    );
    passes(
        "src/model/a.rs",
        r###"const A: &str = "use crate::web; \" crate::web::x"; const B: &str = r#"" crate::web::x"#;"###,
    );
    passes(
        "src/model/a.rs",
        r##"const A: &[u8] = b"crate::web::x"; const C: &[u8] = br"\"; const D: &str = "crate::web::x";"##,
    );
    passes("src/model/a.rs", "const A: &str = \"//\"; pub(crate) fn f<'a>(self: &'a S) -> char { 'c' }");
    // What follows them is read.
    for before in [
        "\"\\\\\"",
        "'\"'",
        "'\\''",
        "b'\"'",
        "r#\"\"\"#",
        "/* \" */ 1",
        "'a: loop {}",
        "1u8",
        "r#type",
        "\"http://x\"",
    ] {
        fails("src/model/a.rs", &format!("{before}; use crate::web::X;"), "src/model/a.rs:1: `crate::web::X`");
    }
    // Lines are counted through them.
    fails("src/model/a.rs", "\"\n\n\"; /*\n*/ r\"\n\"\n; use crate::web::X;", "src/model/a.rs:6: ");
}

#[test]
fn what_is_right_passes() {
    passes(
        "src/web/a.rs",
        "use crate::model::Id; use crate::pipeline::{a, b::*}; use crate::web::b; use super::b; use super::super::http;",
    );
    passes("src/channels/mod.rs", "pub mod helper; use crate::contract::Channel; pub fn all() { helper::one() }");
    passes("src/stores/sqlite/a.rs", "use crate::stores::sqlite::b; use crate::stores::shared::C; use super::b;");
    passes("src/lib.rs", "pub mod web; pub use crate::web::X;");
    passes("src/main.rs", "use caigunn_bridge::cli; fn main() { caigunn_bridge::cli::run() }");
}

#[test]
fn main_uses_the_command_line_only() {
    fails("src/main.rs", "fn main() { caigunn_bridge::app::run() }", "src/main.rs:1: `crate::app::run`: main uses cli");
    fails("src/main.rs", "use ::caigunn_bridge::{cli, web};", "src/main.rs:1: `crate::web`: main uses cli");
}

#[test]
fn a_module_without_a_floor_is_found() {
    fails("src/attic.rs", "", "src/attic.rs: `attic` has no floor");
    fails("src/attic/deep/a.rs", "", "src/attic/deep/a.rs: `attic` has no floor");
    fails("src/bin/tool.rs", "", "src/bin/tool.rs: `bin` has no floor");
    fails("src/web/a.rs", "use crate::attic::X;", "src/web/a.rs:1: `crate::attic::X`: `attic` has no floor");
}

#[test]
fn long_files_are_found() {
    passes("src/model/a.rs", &"\n".repeat(500));
    fails("src/model/a.rs", &"\n".repeat(501), "src/model/a.rs: 501 lines");
}

#[test]
fn a_channel_has_every_file() {
    let files = ["mod", "config", "ids", "ingress", "normalize", "render", "send"];
    let paths: Vec<String> = files.iter().map(|name| format!("src/channels/pigeon/{name}.rs")).collect();
    let mut channel: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
    channel.push(("src/channels/pigeon/extra.rs", ""));
    assert_eq!(found(&channel), [""; 0]);
    channel.remove(4);
    assert_eq!(found(&channel), ["src/channels/pigeon: lacks normalize.rs, which every channel has"]);
    channel.push(("src/channels/pigeon/normalize/mod.rs", ""));
    assert_eq!(found(&channel), [""; 0]);
    // Another kind cannot be imported.
    channel.push(("src/channels/crow/send.rs", "use crate::channels::pigeon::send;"));
    assert!(found(&channel)[0].starts_with("src/channels/crow/send.rs:1: `crate::channels::pigeon::send`: sideways"));
}
