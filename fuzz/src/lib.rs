//! What is done with hostile bytes, one function for each decoder and translator. `cargo fuzz` feeds them what it finds,
//! `tests/fuzz.rs` feeds them the corpus and what comes of it.
//!
//! None may panic. Beside that each holds the bytes against what must be true of them, and panics where it is not.

mod answers;
mod parts;
mod requests;

/// A target: its name, which is also that of its corpus, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 26] = [
    ("json_scan", parts::json_scan),
    ("json_tail", parts::json_tail),
    ("sse", parts::sse),
    ("ndjson", parts::ndjson),
    ("aws_events", parts::aws_events),
    ("form", parts::form),
    ("config", parts::config),
    ("prices", parts::prices),
    ("sound", parts::sound),
    ("answer_openai", answers::openai),
    ("answer_mistral", answers::mistral),
    ("answer_anthropic", answers::anthropic),
    ("answer_gemini", answers::gemini),
    ("answer_bedrock", answers::bedrock),
    ("answer_cohere", answers::cohere),
    ("answer_ollama", answers::ollama),
    ("relay_chat", answers::relay_chat),
    ("relay_responses", answers::relay_responses),
    ("relay_messages", answers::relay_messages),
    ("relay_gemini", answers::relay_gemini),
    ("request_chat", requests::chat),
    ("request_responses", requests::responses),
    ("request_messages", requests::messages),
    ("request_gemini", requests::gemini),
    ("embedding", requests::embedding),
    ("rerank", requests::rerank),
];

/// Runs the target of this name.
///
/// # Panics
/// There is none, or the bytes broke what must hold.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(data);
}
