//! Agents of the command line work through the gateway: Claude Code and Codex, each with a provider of its own API and
//! with one of another. `make agents` fetches them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::stand::{self, Stand};

/// What the providers of `tests/sdk/answers` say.
const TEXT: &str = "The sea is calm today.";
/// Far beyond what an agent needs; it shall not hang.
const SECONDS: &str = "60";

/// An agent's program, and a directory for it to live and work in; `None`, said aloud, where it cannot run.
fn agent(stand: &Stand, package: &str, program: &str) -> Option<(Command, PathBuf)> {
    let program = stand::agents()?.join(package).join(program);
    let home = stand.home().join("home");
    std::fs::create_dir_all(&home).unwrap();
    let works = Command::new(&program).arg("--version").env("HOME", &home).output().is_ok_and(|it| it.status.success());
    if !works {
        stand::skipped(&format!("{} does not run on this machine", program.display()));
        return None;
    }
    let mut command = Command::new("timeout");
    command.args(["--kill-after", "5", SECONDS]).arg(program).current_dir(&home);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).env("HOME", &home);
    Some((command, home))
}

/// Claude Code, in its own words.
fn claude_code(model: &str) {
    let stand = Stand::start("claude-code");
    let package = format!("@anthropic-ai/claude-code-{}", platform());
    let Some((mut claude, home)) = agent(&stand, &package, "claude") else { return };
    claude
        .args(["-p", "Say hello.", "--max-turns", "1", "--output-format", "json", "--model", model])
        .env("ANTHROPIC_BASE_URL", stand.url())
        .env("ANTHROPIC_AUTH_TOKEN", stand.key())
        .env("CLAUDE_CONFIG_DIR", home.join("claude"))
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .env("DISABLE_AUTOUPDATER", "1")
        // What it asks on the side.
        .env("ANTHROPIC_SMALL_FAST_MODEL", model)
        .env("ANTHROPIC_DEFAULT_HAIKU_MODEL", model);
    let printed = stand.output(&mut claude);
    assert!(printed.contains(&format!(r#""result":"{TEXT}""#)), "{printed}");
    assert!(printed.contains(r#""is_error":false"#), "{printed}");
}

/// Codex, which speaks responses.
fn codex(model: &str) {
    let stand = Stand::start("codex");
    let package = format!("@openai/codex-{}", platform());
    let Some(program) = native(&package) else { return };
    let Some((mut codex, home)) = agent(&stand, &package, &program) else { return };
    let config = home.join("codex");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(
        config.join("config.toml"),
        format!(
            "model = \"{model}\"\nmodel_provider = \"tollgate\"\n
[model_providers.tollgate]
name = \"Tollgate\"
base_url = \"{}/v1\"
env_key = \"TOLLGATE_KEY\"
wire_api = \"responses\"
request_max_retries = 0
stream_max_retries = 0

[analytics]
enabled = false
",
            stand.url()
        ),
    )
    .unwrap();
    let said = home.join("said.txt");
    codex.args(["exec", "--skip-git-repo-check", "--sandbox", "read-only", "--output-last-message"]);
    codex.arg(&said).arg("Say hello.").env("CODEX_HOME", &config).env("TOLLGATE_KEY", stand.key());
    let printed = stand.output(&mut codex);
    assert_eq!(std::fs::read_to_string(&said).unwrap_or_default().trim(), TEXT, "{printed}");
}

/// Where the program lies in a package of Codex: below the name of a target.
fn native(package: &str) -> Option<String> {
    let vendor = stand::agents()?.join(package).join("vendor");
    let targets = std::fs::read_dir(&vendor).into_iter().flatten().flatten();
    let found = targets.map(|target| target.path().join("bin/codex")).find(|program| program.exists());
    if found.is_none() {
        stand::skipped(&format!("there is no Codex for this machine in {}", vendor.display()));
    }
    found.and_then(|program| program.strip_prefix(Path::new(&vendor).parent()?).ok()?.to_str().map(str::to_owned))
}

/// As npm names it.
fn platform() -> String {
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    format!("{system}-{machine}")
}

#[test]
fn claude_code_with_claude() {
    claude_code("claude");
}

#[test]
fn claude_code_with_a_provider_of_openais_api() {
    claude_code("plain");
}

#[test]
fn claude_code_with_gemini() {
    claude_code("gemini");
}

#[test]
fn codex_with_openai() {
    codex("gpt");
}

#[test]
fn codex_with_claude() {
    codex("claude");
}

#[test]
fn codex_with_a_provider_of_openais_chats() {
    codex("plain");
}
