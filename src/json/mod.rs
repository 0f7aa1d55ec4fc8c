//! JSON as bytes: one strict scan of a request, edits by splice, and an incremental scan of replies.
//!
//! A body is never turned into a tree. [`scan`] checks it once and records where the top-level members lie; [`splice`]
//! replaces, cuts and inserts members at those places, and everything else stays byte for byte what was checked.
//! [`Tail`] does the same for a reply that arrives in chunks, and [`Cursor`] walks what a provider sent without trusting it.

mod block;
mod cursor;
mod keys;
mod lex;
mod scan;
mod splice;
mod tail;
mod text;

pub use cursor::{Cursor, Elements, Kind, Members, as_bool, as_str, as_u64, elements, find, is_null, kind, members};
pub use keys::{fold, is as is_key};
pub use scan::{Document, Flaw, Limits, Member, ScanError, Span, scan};
pub use splice::{Edits, JOIN_BYTES_MAX, Segments, splice};
pub use tail::{FOUND_BYTES_MAX, Found, Tail};
pub use text::{put_escaped, put_quoted, quote, unescape};
