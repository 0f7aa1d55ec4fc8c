//! The official SDKs for Python, and LangChain, work against the gateway as they do against their vendors.

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

#[test]
fn anthropics_client_with_every_kind_of_provider() {
    run("test_anthropic");
}

#[test]
fn openais_client_with_providers_of_other_apis() {
    run("test_vendors");
}

#[test]
fn responses() {
    run("test_responses");
}

#[test]
fn googles_client_with_every_kind_of_provider() {
    run("test_gemini");
}

#[test]
fn langchain() {
    run("test_langchain");
}
