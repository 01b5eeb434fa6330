//! (in the making)
pub struct SectionSource<'a>(pub &'a serde_json::Value);
pub struct Mistake;
