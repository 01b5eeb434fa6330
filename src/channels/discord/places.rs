//! What is known of channels, threads and roles.
