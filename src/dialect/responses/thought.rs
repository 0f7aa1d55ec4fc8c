//! What rides in the `encrypted_content` of a reasoning item: proofs that a provider wants back with its own words.
//!
//! A client gives reasoning items back unread, so this is where signatures travel: of a thought as it is, of a thought
//! that only its provider can read, and of a tool call (Gemini's), which has no place of its own in a `function_call`.
//! The latter two carry a mark that no base64 holds.

use std::borrow::Cow;

use crate::chat::Str;

const REDACTED: &str = "redacted_thinking:";
const CALL: &str = "tool_call_signature:";
/// How every Fernet token begins: what OpenAI encrypts for itself.
const FERNET: &str = "gAAAA";

/// What an `encrypted_content` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sealed<'a> {
    /// The signature of the thought.
    Signature(Str<'a>),
    /// A thought that only its provider can read.
    Redacted(Str<'a>),
    /// The signature of a tool call.
    Call {
        /// The call's id.
        id: String,
        /// Its signature.
        signature: String,
    },
    /// OpenAI's own: of no use to any provider that a chat is translated to, and refused by those that check signatures.
    Foreign,
}

/// Reads an `encrypted_content`.
pub(super) fn open(content: Str<'_>) -> Sealed<'_> {
    if content.starts_with(FERNET) {
        return Sealed::Foreign;
    }
    if content.starts_with(REDACTED) {
        return Sealed::Redacted(after(content, REDACTED.len()));
    }
    match call(&content) {
        Some((id, signature)) => Sealed::Call { id: id.to_owned(), signature: signature.to_owned() },
        None => Sealed::Signature(content),
    }
}

/// The id goes first, behind its length: neither text can be taken for part of the other.
fn call(content: &str) -> Option<(&str, &str)> {
    let (length, rest) = content.strip_prefix(CALL)?.split_once(':')?;
    rest.split_at_checked(length.parse().ok()?)
}

fn after(text: Str<'_>, start: usize) -> Str<'_> {
    match text.into_cow() {
        Cow::Borrowed(text) => text.get(start..).unwrap_or_default().into(),
        Cow::Owned(text) => text.get(start..).unwrap_or_default().to_owned().into(),
    }
}

/// Writes a thought that only its provider can read.
pub(super) fn seal_redacted(data: &str) -> String {
    format!("{REDACTED}{data}")
}

/// Writes the signature of a call.
pub(super) fn seal_call(id: &str, signature: &str) -> String {
    format!("{CALL}{}:{id}{signature}", id.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened() {
        assert_eq!(open(seal_redacted("abc=").into()), Sealed::Redacted("abc=".into()));
        for (id, signature) in [("call_1", "Sig=="), ("a:b", ":"), ("", "x"), ("\u{e9}", "")] {
            let expected = Sealed::Call { id: id.to_owned(), signature: signature.to_owned() };
            assert_eq!(open(seal_call(id, signature).into()), expected);
        }
        assert_eq!(open("ErUB".into()), Sealed::Signature("ErUB".into()));
        assert_eq!(open("gAAAAABpx".into()), Sealed::Foreign);
    }

    #[test]
    fn a_broken_mark_is_a_signature() {
        for text in ["tool_call_signature:", "tool_call_signature:9:ab", "tool_call_signature:1:\u{e9}"] {
            assert_eq!(open(text.into()), Sealed::Signature(text.into()), "{text}");
        }
    }
}
