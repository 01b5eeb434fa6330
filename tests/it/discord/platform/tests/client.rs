//! serenity
