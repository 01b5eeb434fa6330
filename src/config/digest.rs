//! What stands in a file of secrets, as a digest: whether it has changed is seen without keeping it.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::layers::read_at_most;

/// The largest file of a secret, in bytes.
pub(super) const MAX_SECRET: usize = 64 << 10;

/// A digest of what stands in a file of secrets.
pub type FileDigest = [u8; 32];

pub(super) fn digest(bytes: &[u8]) -> FileDigest {
    Sha256::digest(bytes).into()
}

/// What stands in a file of secrets now; `None` if it cannot be read.
pub fn digest_of(file: &Path) -> Option<FileDigest> {
    read_at_most(file, MAX_SECRET).ok().map(|bytes| digest(&bytes))
}
