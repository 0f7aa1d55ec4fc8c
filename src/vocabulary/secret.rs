//! A credential that cannot be printed, compared with `==` or serialised.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A provider key, master key or token. Cloning shares the one copy, which is wiped when the last owner drops it.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes a credential over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// The credential itself. Call it where it is written to the wire or hashed, and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in time that does not depend on where the two differ.
    pub fn matches(&self, candidate: &str) -> bool {
        self.0.as_bytes().ct_eq(candidate.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}
