//! What Discord writes, as far as the bridge reads it.
