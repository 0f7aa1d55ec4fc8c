//! The official SDKs for Node, Vercel's and LangChain's, work against the gateway as they do against their vendors.

mod support;

use std::process::Command;

use support::stand::{self, Stand};

/// Runs one file of `tests/sdk/node` against a gateway and a provider of its own.
fn run(file: &str) {
    let Some(modules) = stand::fetched("node") else { return };
    let program = stand::root().join("tests/sdk/node").join(format!("{file}.test.mjs"));
    Stand::start(file).run(Command::new("node").arg("--test").arg(program).env("TOLLGATE_SDK_NODE", modules));
}

#[test]
fn chat_streams_and_tools() {
    run("chat");
}

#[test]
fn completions_embeddings_and_models() {
    run("endpoints");
}

#[test]
fn failures_are_the_exceptions_that_openai_would_cause() {
    run("errors");
}

#[test]
fn retries_and_timeouts_of_the_client() {
    run("retries");
}

#[test]
fn the_azure_client() {
    run("azure");
}

#[test]
fn anthropics_client_with_every_kind_of_provider() {
    run("anthropic");
}

#[test]
fn responses_and_chats_with_providers_of_other_apis() {
    run("responses");
}

#[test]
fn vercels_client_with_every_kind_of_provider() {
    run("vercel");
}

#[test]
fn googles_client_with_every_kind_of_provider() {
    run("gemini");
}

#[test]
fn langchains_clients_with_every_kind_of_provider() {
    run("langchain");
}
