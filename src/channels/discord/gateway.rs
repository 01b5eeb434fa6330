//! One shard's connection to the gateway.
