//! (being written)

pub mod credentials;
