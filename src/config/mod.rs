//! (in the making)
pub struct RawSection;
pub struct Mistake;
impl RawSection {
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, Vec<Mistake>> { Err(vec![]) }
    pub fn mistake(&self, _key: &str, _reason: impl Into<String>) -> Mistake { Mistake }
}
pub use units::*;
mod units { 
#[derive(Clone, Copy, serde::Deserialize, Debug, schemars::JsonSchema)] pub struct HumanDuration(u64);
impl HumanDuration { pub const fn from_secs(n: u64) -> Self { Self(n) } }
impl std::ops::Deref for HumanDuration { type Target = std::time::Duration; fn deref(&self) -> &std::time::Duration { &std::time::Duration::ZERO } }
#[derive(Clone, Copy, serde::Deserialize, Debug, schemars::JsonSchema)] pub struct ByteSize(pub u64);
impl ByteSize { pub const fn mib(n: u64) -> Self { Self(n << 20) } pub fn get(self) -> u64 { self.0 } }
}
impl Mistake { pub fn hint(self, _h: impl Into<Option<String>>) -> Self { self } }
