//! From an update to an event. Pure.
