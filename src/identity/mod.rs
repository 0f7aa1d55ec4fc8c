//! Tokens of an identity provider: read, verified against its keys, and what their claims say of who is calling.
//!
//! A token is a JSON Web Token (RFC 7519) in compact form, signed with a key of its issuer's (RFC 7515, RFC 7518). Only
//! signatures that prove who signed are taken: never `none`, never a shared secret (RFC 8725). Keys come as JSON Web Key
//! Sets (RFC 7517); a [`Source`] says when they are to be fetched and is given the answer, so that nothing here does I/O.

mod claims;
mod jwk;
mod jws;
mod person;
mod source;
mod verifier;

pub use claims::Claims;
pub use jwk::KeySet;
pub use person::Person;
pub use source::{Source, Sources, Wanted};
pub use verifier::{Rejected, TOKEN_BYTES_MAX, Verified, Verifier, is_token};
