//! What clients speak. A dialect reads requests, edits replies and writes errors; it decides nothing.

pub mod openai;
