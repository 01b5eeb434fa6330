//! The chatbot's Markdown as safe HTML.

pub(super) fn html(markdown: &str) -> String {
    markdown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
