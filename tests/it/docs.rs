//! The documentation: what it links to is there, what it tells to type works, what it tells to configure loads.

mod commands;
mod links;
mod pages;
mod snippets;
