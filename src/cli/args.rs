//! The command line: LiteLLM's own flags, and a few commands beside them.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// An LLM gateway: one OpenAI-shaped endpoint over all providers, with keys, limits, budgets and exact accounting.
///
/// With no argument it serves a quick start on http://127.0.0.1:4000 and prints a curl line to paste.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, args_conflicts_with_subcommands = true, max_term_width = 110)]
pub struct Arguments {
    /// What to do; serving is the default.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArguments,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a configuration: every key is listed as supported, ignored or refused, with its line and the reason.
    ///
    /// Exit code 0: it can be served. 1: it has errors.
    Check {
        /// The configuration file.
        file: PathBuf,
        /// Print one JSON document instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Run a fake provider: OpenAI chat, completions and embeddings, JSON and SSE, that misbehaves on request.
    Mock(Box<crate::mock::Args>),
    /// Explain which deployments a request for a model would be considered for, in which order, and why not the others.
    Explain {
        /// The configuration file.
        #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
        config: PathBuf,
        /// The virtual key that asks, its alias or its hash; without it: the master key.
        #[arg(short, long)]
        key: Option<String>,
        /// The model, as a client names it.
        #[arg(short, long)]
        model: String,
        /// Tags of the request, with commas between them.
        #[arg(short, long, value_delimiter = ',')]
        tags: Vec<String>,
        /// Print one JSON document instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Switch a model, deployment, key, team, tag or feature of a running gateway off at once, or on again.
    Block(Box<super::manage::BlockArguments>),
    /// Sum up what was spent, by key, model or day, out of a data directory.
    Spend(super::spend::SpendArguments),
    /// Write keys, teams, users, budgets, models and what was spent out of a data directory, as lines of JSON.
    ///
    /// The directory may be in use. Keys are there by their hashes, secrets of providers as they are sealed.
    Export(super::transfer::ExportArguments),
    /// Read what `export` wrote into a data directory, all of it or nothing; or, with `litellm`, what a LiteLLM proxy keeps.
    Import(Box<super::import::ImportCommand>),
    /// Make, list, show, block, rotate and delete virtual keys of a running gateway.
    Key(Box<super::manage::KeyArguments>),
    /// Make, list, show, block and delete teams of a running gateway.
    Team(Box<super::manage::TeamArguments>),
    /// Print every configuration key with its default, meaning and example (the text of conf/full.yaml).
    Keys {
        /// As a Markdown table.
        #[arg(long)]
        markdown: bool,
    },
}

/// Serving.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// The configuration, LiteLLM's YAML. Without it: a quick start that needs no account.
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    pub config: Option<PathBuf>,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 4000, env = "PORT")]
    pub port: u16,
    /// The address to listen on. A public one needs a master key or virtual keys.
    #[arg(long, default_value = "127.0.0.1", value_parser = address)]
    pub host: IpAddr,
    /// Worker threads; the number of cores by default.
    #[arg(long = "num_workers", visible_alias = "num-workers", env = "NUM_WORKERS")]
    pub num_workers: Option<usize>,
    /// Certificate chain in PEM: serve over TLS, HTTP/1.1 and HTTP/2 by ALPN. Read again on reload.
    #[arg(
        long = "ssl_certfile_path",
        visible_alias = "ssl-certfile-path",
        value_name = "FILE",
        requires = "ssl_keyfile_path",
        env = "SSL_CERTFILE_PATH"
    )]
    pub ssl_certfile_path: Option<PathBuf>,
    /// Private key in PEM.
    #[arg(
        long = "ssl_keyfile_path",
        visible_alias = "ssl-keyfile-path",
        value_name = "FILE",
        requires = "ssl_certfile_path",
        env = "SSL_KEYFILE_PATH"
    )]
    pub ssl_keyfile_path: Option<PathBuf>,
    /// The directory in which spend and budgets outlive the process; made if it is not there. Without it they live in
    /// memory.
    #[arg(long = "data-dir", visible_alias = "data_dir", value_name = "DIR", env = "TOLLGATE_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Log in JSON also on a terminal.
    #[arg(long = "json_logs", visible_alias = "json-logs")]
    pub json_logs: bool,
    /// More in the log.
    #[arg(long)]
    pub debug: bool,
    /// As `--debug`.
    #[arg(long = "detailed_debug", visible_alias = "detailed-debug")]
    pub detailed_debug: bool,
    /// LiteLLM's flags without a use here: taken, with a warning.
    #[command(flatten)]
    pub ignored: Ignored,
}

/// An address, or `localhost`.
fn address(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(IpAddr::from([127, 0, 0, 1]));
    }
    text.parse().map_err(|_| "expected an address like 127.0.0.1, 0.0.0.0 or ::1, or localhost".to_owned())
}

/// Flags that a LiteLLM command line may carry and that have no use here.
#[derive(Args, Debug)]
#[command(next_help_heading = "Taken from LiteLLM's command line, without effect")]
pub struct Ignored {
    #[arg(long, hide = true)]
    model: Option<String>,
    #[arg(long, hide = true)]
    alias: Option<String>,
    #[arg(long = "api_base", hide = true)]
    api_base: Option<String>,
    #[arg(long = "api_version", hide = true)]
    api_version: Option<String>,
    #[arg(long, hide = true)]
    headers: Option<String>,
    #[arg(long, hide = true)]
    save: bool,
    #[arg(long, hide = true)]
    temperature: Option<String>,
    #[arg(long = "max_tokens", hide = true)]
    max_tokens: Option<String>,
    #[arg(long = "request_timeout", hide = true)]
    request_timeout: Option<String>,
    #[arg(long = "drop_params", hide = true)]
    drop_params: bool,
    #[arg(long = "add_function_to_prompt", hide = true)]
    add_function_to_prompt: bool,
    #[arg(long = "max_budget", hide = true)]
    max_budget: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    telemetry: Option<String>,
    #[arg(long, hide = true)]
    test: bool,
    #[arg(long, hide = true)]
    local: bool,
    #[arg(long, hide = true)]
    health: bool,
    #[arg(long = "use_queue", hide = true)]
    use_queue: bool,
    #[arg(long = "run_gunicorn", hide = true)]
    run_gunicorn: bool,
    #[arg(long = "run_hypercorn", hide = true)]
    run_hypercorn: bool,
    #[arg(long = "run_granian", hide = true)]
    run_granian: bool,
    #[arg(long = "iam_token_db_auth", hide = true)]
    iam_token_db_auth: bool,
    #[arg(long = "use_prisma_migrate", hide = true)]
    use_prisma_migrate: bool,
    #[arg(long = "use_prisma_db_push", hide = true)]
    use_prisma_db_push: bool,
    #[arg(long = "skip_server_startup", hide = true)]
    skip_server_startup: bool,
    #[arg(long = "keepalive_timeout", hide = true)]
    keepalive_timeout: Option<String>,
    #[arg(long = "max_requests_before_restart", hide = true)]
    max_requests_before_restart: Option<String>,
    #[arg(long = "log_config", hide = true)]
    log_config: Option<String>,
    #[arg(long, hide = true)]
    ciphers: Option<String>,
    #[arg(long = "use_v2_migration_resolver", hide = true)]
    use_v2_migration_resolver: bool,
    #[arg(long = "enforce_prisma_migration_check", hide = true)]
    enforce_prisma_migration_check: bool,
}

impl Ignored {
    /// The flags that were given.
    pub fn given(&self) -> Vec<&'static str> {
        let texts = [
            ("--model", &self.model),
            ("--alias", &self.alias),
            ("--api_base", &self.api_base),
            ("--api_version", &self.api_version),
            ("--headers", &self.headers),
            ("--temperature", &self.temperature),
            ("--max_tokens", &self.max_tokens),
            ("--request_timeout", &self.request_timeout),
            ("--max_budget", &self.max_budget),
            ("--telemetry", &self.telemetry),
            ("--keepalive_timeout", &self.keepalive_timeout),
            ("--max_requests_before_restart", &self.max_requests_before_restart),
            ("--log_config", &self.log_config),
            ("--ciphers", &self.ciphers),
        ];
        let switches = [
            ("--save", self.save),
            ("--drop_params", self.drop_params),
            ("--add_function_to_prompt", self.add_function_to_prompt),
            ("--test", self.test),
            ("--local", self.local),
            ("--health", self.health),
            ("--use_queue", self.use_queue),
            ("--run_gunicorn", self.run_gunicorn),
            ("--run_hypercorn", self.run_hypercorn),
            ("--run_granian", self.run_granian),
            ("--iam_token_db_auth", self.iam_token_db_auth),
            ("--use_prisma_migrate", self.use_prisma_migrate),
            ("--use_prisma_db_push", self.use_prisma_db_push),
            ("--skip_server_startup", self.skip_server_startup),
            ("--use_v2_migration_resolver", self.use_v2_migration_resolver),
            ("--enforce_prisma_migration_check", self.enforce_prisma_migration_check),
        ];
        let texts = texts.into_iter().filter(|(_, value)| value.is_some()).map(|(flag, _)| flag);
        texts.chain(switches.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag)).collect()
    }
}
