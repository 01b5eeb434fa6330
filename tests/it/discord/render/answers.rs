//! What models write, in English and Chinese.

fn shown(markdown: &str) -> String {
    super::messages(markdown).join("\n== cut ==\n")
}

#[test]
fn an_answer_in_english() {
    insta::assert_snapshot!(shown(include_str!("english.md")));
}

#[test]
fn an_answer_in_chinese() {
    insta::assert_snapshot!(shown(include_str!("chinese.md")));
}

#[test]
fn odd_things() {
    insta::assert_snapshot!(shown(include_str!("odd.md")));
}

#[test]
fn a_long_answer() {
    let list: String = (1..30).map(|n| format!("{n}. Step **{n}**, which is _long_\n   - a part of it\n")).collect();
    let code: String = (1..60).map(|n| format!("    print({n})\n")).collect();
    insta::assert_snapshot!(shown(&format!(
        "# Plan\n\n{list}\n```python\ndef main():\n{code}```\n\n> A quote at the end."
    )));
}
