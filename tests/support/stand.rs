//! A gateway in front of fake providers, and an official SDK that is turned loose on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tollgate::vocabulary::KeyHash;

use super::playback::Playback;
use super::{Process, Scratch};

/// May call everything, without limits.
const EVERYTHING: &str = "sk-stand-everything-0001";
/// May call the model `chat` and nothing else.
const NARROW: &str = "sk-stand-narrow-00000002";
/// One request a minute.
const ONCE: &str = "sk-stand-once-0000000003";
/// A budget of nothing.
const POOR: &str = "sk-stand-poor-0000000004";
/// Its time is over.
const EXPIRED: &str = "sk-stand-expired-0000005";
/// Blocked.
const BLOCKED: &str = "sk-stand-blocked-0000006";
/// The master key.
const MASTER: &str = "sk-stand-master-00000007";

/// What SDKs read of the environment and must not find.
const FOREIGN: [&str; 11] = [
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "LANGSMITH_TRACING",
];

/// Gateway and providers. They end when it is dropped.
pub(crate) struct Stand {
    gateway: Process,
    mock: Process,
    playback: Playback,
    scratch: Scratch,
}

impl Stand {
    /// Starts all of them.
    pub(crate) fn start(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let mock = Process::mock(&[]);
        let playback = Playback::start();
        let config = scratch.write("config.yaml", &config(&mock.url(), &playback.url()));
        Self { gateway: Process::gateway(config, &[]), mock, playback, scratch }
    }

    /// The gateway's URL.
    pub(crate) fn url(&self) -> String {
        self.gateway.url()
    }

    /// A key that may call everything.
    pub(crate) fn key(&self) -> &'static str {
        EVERYTHING
    }

    /// A directory to live in.
    pub(crate) fn home(&self) -> &Path {
        self.scratch.path()
    }

    /// Runs an SDK's test program and fails with what it printed.
    pub(crate) fn run(&self, sdk: &mut Command) {
        self.output(sdk);
    }

    /// The same, and gives what it printed.
    pub(crate) fn output(&self, sdk: &mut Command) -> String {
        let given: Vec<_> = sdk.get_envs().map(|(name, _)| name.to_owned()).collect();
        for name in FOREIGN.into_iter().filter(|name| !given.iter().any(|given| given == name)) {
            sdk.env_remove(name);
        }
        let output = sdk
            .env("TOLLGATE_STAND", self.description())
            // Loopback, whatever proxy this machine goes out by.
            .envs([("NO_PROXY", "*"), ("no_proxy", "*")])
            .output()
            .unwrap();
        let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{sdk:?}: {}\n{printed}", output.status);
        printed
    }

    /// What the test programs need to know, as JSON.
    fn description(&self) -> String {
        format!(
            r#"{{"url":"{}","mock":"{}","playback":"{}","keys":{{"everything":"{EVERYTHING}","narrow":"{NARROW}","once":"{ONCE}","poor":"{POOR}","expired":"{EXPIRED}","blocked":"{BLOCKED}","master":"{MASTER}"}}}}"#,
            self.gateway.url(),
            self.mock.url(),
            self.playback.url(),
        )
    }
}

/// The gateway's configuration. The gateway itself retries nothing but `steady`, so that the SDKs' retries are seen.
fn config(mock: &str, playback: &str) -> String {
    format!(
        "model_list:
{chat}{instruct}{embed}{hasty}{steady}{gone}{vendors}
router_settings:
  num_retries: 0

general_settings:
  master_key: {MASTER}

virtual_keys:
{everything}{narrow}{once}{poor}{expired}{blocked}",
        chat = deployment("chat", mock, ""),
        instruct = deployment("instruct", mock, ""),
        embed = deployment("embed", mock, ""),
        hasty = deployment("hasty", mock, "      timeout: 0.5\n"),
        steady = deployment("steady", mock, "      num_retries: 2\n"),
        // Nothing listens on the first port of a machine.
        gone = deployment("gone", "http://127.0.0.1:1", ""),
        vendors = VENDORS.iter().map(|vendor| vendor.deployment(playback)).collect::<String>(),
        everything = key(EVERYTHING, "everything", ""),
        narrow = key(NARROW, "narrow", "    models: [chat]\n"),
        once = key(ONCE, "once", "    rpm_limit: 1\n"),
        poor = key(POOR, "poor", "    max_budget: 0\n"),
        expired = key(EXPIRED, "expired", "    expires: 2020-01-01T00:00:00Z\n"),
        blocked = key(BLOCKED, "blocked", "    blocked: true\n"),
    )
}

/// A deployment at [`Playback`].
struct Vendor {
    /// What clients ask for.
    group: &'static str,
    /// The provider, and its name for the model.
    model: &'static str,
    /// What stands behind the provider's host.
    base: &'static str,
}

const VENDORS: [Vendor; 12] = [
    Vendor { group: "claude", model: "anthropic/claude-sonnet-4-5", base: "" },
    Vendor { group: "claude-busy", model: "anthropic/claude-upstream-busy", base: "" },
    Vendor { group: "claude-broken", model: "anthropic/claude-upstream-broken", base: "" },
    Vendor { group: "gemini", model: "gemini/gemini-2.5-flash", base: "" },
    Vendor { group: "gemini-busy", model: "gemini/gemini-upstream-busy", base: "" },
    Vendor { group: "gemini-embed", model: "gemini/gemini-embedding-001", base: "" },
    Vendor { group: "nova", model: "bedrock/us.amazon.nova-lite-v1:0", base: "" },
    Vendor { group: "claude-aws", model: "bedrock_converse/anthropic.claude-sonnet-4-20250514-v1:0", base: "" },
    Vendor { group: "gpt", model: "openai/gpt-4.1-mini", base: "/v1" },
    // A provider of OpenAI's chats that has no responses.
    Vendor { group: "plain", model: "deepinfra/llama-of-the-provider", base: "/v1" },
    Vendor { group: "moderation", model: "openai/omni-moderation-latest", base: "/v1" },
    Vendor { group: "cohere-embed", model: "cohere/embed-v4.0", base: "" },
];

impl Vendor {
    fn deployment(&self, playback: &str) -> String {
        let Self { group, model, base } = self;
        format!(
            "  - model_name: {group}
    litellm_params:
      model: {model}
      api_base: {playback}{base}
      api_key: sk-vendor-of-the-stand
    model_info:
      id: {group}-deployment
"
        )
    }
}

fn deployment(name: &str, base: &str, more: &str) -> String {
    format!(
        "  - model_name: {name}
    litellm_params:
      model: openai/upstream-{name}
      api_base: {base}/v1
      api_key: sk-provider-of-the-stand
      input_cost_per_token: 0.000001
      output_cost_per_token: 0.000002
{more}    model_info:
      id: {name}-deployment
"
    )
}

fn key(key: &str, alias: &str, more: &str) -> String {
    format!("  - key_hash: {}\n    key_alias: {alias}\n{more}", KeyHash::of(key))
}

/// Where `make sdk` puts what it fetches; `None`, said aloud, when this part is not there.
pub(crate) fn fetched(part: &str) -> Option<PathBuf> {
    let path = root().join("target/sdk").join(part);
    if path.join("made-from").exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("SDK").is_none_or(|wish| wish != "require"),
        "{} is missing: run make sdk",
        path.display()
    );
    skipped(&format!("{} is missing: run `make sdk` (`make test` does)", path.display()));
    None
}

/// Where `make agents` puts them; `None`, said aloud, when they are not there. They are large: nothing requires them.
pub(crate) fn agents() -> Option<PathBuf> {
    let path = root().join("target/sdk/agents");
    if path.join("made-from").exists() {
        return Some(path.join("node_modules"));
    }
    skipped(&format!("{} is missing: run `make agents`", path.display()));
    None
}

/// Says aloud that something was not tested, and why.
pub(crate) fn skipped(why: &str) {
    println!("SKIPPED: {why}");
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
