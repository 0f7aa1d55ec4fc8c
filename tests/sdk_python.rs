//! The official OpenAI SDK for Python works against the gateway as it does against OpenAI.

mod support;

use std::process::Command;

use support::stand::{self, Stand};

/// Runs one file of `tests/sdk/python` against a gateway and a provider of its own.
fn run(file: &str) {
    let Some(venv) = stand::fetched("venv") else { return };
    let sources = stand::root().join("tests/sdk/python");
    Stand::start(file).run(
        Command::new(venv.join("bin/python"))
            .args(["-B", "-W", "error::ResourceWarning", "-m", "unittest", "--verbose", file])
            .current_dir(sources),
    );
}

#[test]
fn chat_streams_and_tools() {
    run("test_chat");
}

#[test]
fn completions_embeddings_and_models() {
    run("test_endpoints");
}

#[test]
fn failures_are_the_exceptions_that_openai_would_cause() {
    run("test_errors");
}

#[test]
fn retries_and_timeouts_of_the_client() {
    run("test_retries");
}

#[test]
fn the_azure_client() {
    run("test_azure");
}

#[test]
fn the_asynchronous_client() {
    run("test_async");
}
