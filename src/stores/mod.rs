//! The stores: one implementation of [`contract::store`](crate::contract::store) each.

pub mod sqlite;
