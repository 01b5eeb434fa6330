//! From an event of Discord's to one of ours. Pure.
