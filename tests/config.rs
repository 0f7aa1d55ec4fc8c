//! LiteLLM's configurations load, broken ones say where and why, and no credential is ever repeated.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use tollgate::cli::check::{self, Format, Verdict};
use tollgate::config::{self, Providers, Purpose, Report, Settings, Status, Surroundings};
use tollgate::vocabulary::{KeyHash, PicoUsd};

struct Some4;

impl Providers for Some4 {
    fn known(&self, name: &str) -> bool {
        matches!(name, "openai" | "azure" | "groq" | "hosted_vllm")
    }

    fn env_vars(&self, name: &str) -> &'static [&'static str] {
        if name == "openai" { &["OPENAI_API_KEY"] } else { &[] }
    }

    fn guess(&self, model: &str) -> Option<&'static str> {
        model.starts_with("gpt-").then_some("openai")
    }

    fn needs_base(&self, name: &str) -> bool {
        matches!(name, "azure" | "hosted_vllm")
    }
}

/// Everything is set but what other configurations would fall back on.
fn full(name: &str) -> Option<String> {
    match name {
        "NORTH_BASE" | "WEST_BASE" | "AZ_EUS" | "AZ_WEU" => {
            Some(format!("https://{}.example.org", name.to_lowercase()))
        }
        "WRITER_KEY" | "EXAMPLE_VIRTUAL_KEY" => Some(String::from("sk-canary-0123456789")),
        _ if name.ends_with("_API_BASE") || name.ends_with("_BASE_URL") || name.ends_with("_API_VERSION") => None,
        "DATABASE_URL" => Some(String::from("postgres://gate@db.example.org/gate")),
        "REDIS_URL" => Some(String::from("rediss://gate:canary-REDIS@redis.example.org/1")),
        "SSL_CERT_FILE" | "FLEET_BASE" | "REDIS_PORT" => None,
        _ => Some(format!("canary-{name}")),
    }
}

/// Only the master key is set.
fn bare(name: &str) -> Option<String> {
    (name == "LITELLM_MASTER_KEY").then(|| String::from("canary-master-key"))
}

type Env = fn(&str) -> Option<String>;

fn surroundings(env: &Env, purpose: Purpose) -> Surroundings<'_> {
    Surroundings { env, providers: &Some4, purpose }
}

fn read(text: &str) -> (Option<Settings>, Report) {
    config::load_text("t.yaml", text, &surroundings(&(full as Env), Purpose::Serve))
}

fn settings(text: &str) -> Settings {
    let (settings, report) = read(text);
    settings.unwrap_or_else(|| panic!("{}", lines(&report)))
}

fn load(path: &Path, env: Env) -> (Option<Settings>, Report) {
    config::load(path, &surroundings(&env, Purpose::Serve))
}

fn lines(report: &Report) -> String {
    report.notable().map(|finding| format!("{}: {finding}\n", finding.status.as_str())).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/config").join(name)
}

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("config").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn six_common_configurations_load_with_every_variable_and_with_none() {
    let counts =
        [("laptop", 1, 1), ("wildcards", 2, 2), ("regions", 3, 1), ("team", 3, 3), ("coding", 0, 0), ("fleet", 2, 2)];
    for (name, with_all, with_none) in counts {
        let path = fixture(&format!("{name}.yaml"));
        let (all, report) = load(&path, full);
        let all = all.unwrap_or_else(|| panic!("{name}: {}", lines(&report)));
        assert_eq!(all.deployments.len(), with_all, "{name}: {}", lines(&report));
        if name != "team" {
            let (none, report) = load(&path, bare);
            let none = none.unwrap_or_else(|| panic!("{name}: {}", lines(&report)));
            assert_eq!(none.deployments.len(), with_none, "{name}: {}", lines(&report));
        }
    }
}

#[test]
fn a_team_configuration_becomes_the_settings_it_says() {
    let settings = load(&fixture("team.yaml"), full).0.unwrap();
    let inhouse = &settings.deployments[2];
    assert_eq!((&*inhouse.provider, &*inhouse.model), ("hosted_vllm", "example/model-7b"));
    assert_eq!(inhouse.api_base.as_deref(), Some("http://inference.example.org:8000/v1"));
    let prices: Vec<_> = inhouse.prices.iter().map(|(name, price)| (name.as_str(), price.0)).collect();
    assert_eq!(prices, [("input_cost_per_token", 250_000), ("output_cost_per_token", 500_000)]);
    let writer = &settings.deployments[0];
    assert_eq!((writer.num_retries, writer.timeout.map(|time| time.as_secs())), (Some(1), Some(45)));
    assert_eq!(writer.access_groups, ["basic"]);
    assert_eq!(settings.deadlines.total.as_secs(), 300);
    assert_eq!(settings.deadlines.first_byte.as_secs(), 300);
    let key = &settings.virtual_keys[0];
    assert!(key.hash.matches(&KeyHash::of("sk-canary-0123456789")));
    assert_eq!(key.shown.as_deref(), Some("sk-...6789"));
    assert_eq!(key.budget.as_ref().unwrap().max, PicoUsd::parse("12.5").unwrap());
    assert_eq!(key.model_rpm_limit, [(String::from("writer"), 60)]);
    assert_eq!(key.metadata.as_deref(), Some(r#"{"floor":3,"lead":"Ada"}"#));
    assert_eq!((key.allowed_ips.len(), key.expires_ms), (2, Some(2_082_758_400_000)));
}

#[test]
fn merge_keys_aliases_and_ids_hold_over_regions() {
    let settings = load(&fixture("regions.yaml"), full).0.unwrap();
    let west = &settings.deployments[1];
    assert_eq!((&*west.id, &*west.model, west.rpm, west.tpm), ("west", "assistant-west", Some(500), Some(250_000)));
    assert_eq!(west.api_version.as_deref(), Some("2024-10-21"));
    let hidden: Vec<_> = settings.aliases.iter().map(|alias| (alias.alias.as_str(), alias.hidden)).collect();
    assert_eq!(hidden, [("helper", false), ("secret-helper", true)]);
    let again = load(&fixture("regions.yaml"), full).0.unwrap();
    assert_eq!(settings.deployments[2].id, again.deployments[2].id);
    assert_eq!(settings.deployments[2].id.len(), 64);
}

#[test]
fn the_reference_examples_load() {
    let path = root().join("../shared/reference/litellm-proxy.md");
    let Ok(reference) = fs::read_to_string(&path) else {
        println!("SKIPPED: {} is not there", path.display());
        return;
    };
    let folder = scratch("reference");
    fs::create_dir_all(folder.join("models")).unwrap();
    for name in ["models/azure.yaml", "models/bedrock.yaml"] {
        fs::write(folder.join(name), "model_list: []\n").unwrap();
    }
    let blocks: Vec<&str> =
        reference.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    assert!(blocks.len() >= 6, "{} blocks", blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        let path = folder.join(format!("e{index}.yaml"));
        fs::write(&path, block).unwrap();
        for env in [full as Env, bare as Env] {
            let (settings, report) = load(&path, env);
            assert!(settings.is_some(), "{block}\n{}", lines(&report));
        }
    }
}

#[test]
fn the_printed_file_is_the_committed_one_and_loads_without_a_word() {
    let path = root().join("conf/full.yaml");
    if std::env::var_os("TOLLGATE_PRINT_CONF").is_some() {
        fs::write(&path, config::full_yaml()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert_eq!(committed, config::full_yaml(), "run TOLLGATE_PRINT_CONF=1 cargo test --test config");
    let (settings, report) = load(&path, full);
    assert_eq!(lines(&report), "");
    let settings = settings.unwrap();
    assert_eq!((settings.deployments.len(), settings.virtual_keys.len()), (1, 1));
    // The examples of sizes and deadlines are the defaults, so they cannot tell a lie.
    let plain = self::settings("{}");
    assert_eq!(settings.upstream, plain.upstream);
    let expected = config::Http {
        connections_per_ip_max: settings.http.connections_per_ip_max,
        cors_origins: Some(vec!["https://app.example.com".to_owned()]),
        ..plain.http
    };
    assert_eq!(settings.http, expected);
}

#[test]
fn the_quick_start_answers_without_an_account_and_grows_with_each_key() {
    let text = config::QUICKSTART;
    let nothing: Env = |_| None;
    let (settings, report) =
        config::load_text("conf/quickstart.yaml", text, &surroundings(&nothing, Purpose::QuickStart));
    assert_eq!(lines(&report), "");
    let settings = settings.unwrap();
    assert_eq!(settings.deployments.len(), 1);
    assert!(settings.deployments[0].mock_response.is_some());
    assert_eq!(settings.virtual_keys[0].shown.as_deref(), Some("sk-...0001"));
    let one: Env = |name| (name == "OPENAI_API_KEY").then(|| String::from("canary"));
    let (settings, _) = config::load_text("conf/quickstart.yaml", text, &surroundings(&one, Purpose::QuickStart));
    assert_eq!(&*settings.unwrap().deployments[1].model_name, "openai/*");
}

#[test]
fn every_mistake_names_its_key_and_the_next_move() {
    let key = "key_hash: 0000000000000000000000000000000000000000000000000000000000000000";
    let cases: &[(&str, &str)] = &[
        ("general_settings: {master_key: ''}", "t.yaml:1: general_settings.master_key: expected a key"),
        ("litellm_settings:\n  max_budget: '25,00'", "t.yaml:2: litellm_settings.max_budget: expected dollars"),
        ("litellm_settings: {budget_duration: soon}", "litellm_settings.budget_duration: expected a window"),
        ("litellm_settings: {timezone: Mars/Olympus}", "litellm_settings.timezone: expected"),
        ("router_settings: {timeout: 0}", "router_settings.timeout: expected seconds"),
        ("router_settings: {timeout: 99d}", "router_settings.timeout: expected seconds"),
        ("router_settings: {routing_strategy: best}", "router_settings.routing_strategy: expected"),
        ("model_list: {}", "model_list: expected a list of maps, found a map"),
        ("model_list: [x]", "model_list[0]: expected a map"),
        ("model_list: [{litellm_params: {model: openai/x}}]", "model_list[0].model_name: missing"),
        ("model_list: [{model_name: a}]", "model_list[0].litellm_params.model: missing"),
        ("model_list: [{model_name: a, litellm_params: {model: openai/x, rpm: lots}}]", "rpm: expected a whole"),
        ("model_list: [{model_name: a, litellm_params: {model: openai/x, api_base: x}}]", "api_base: expected a URL"),
        ("virtual_keys: [{key: sk-short}]", "virtual_keys[0].key: expected a key that begins"),
        ("virtual_keys: [{key: os.environ/FLEET_BASE}]", "variable FLEET_BASE is not set"),
        ("virtual_keys: [{key: 'file:/no/such/file'}]", "virtual_keys[0].key: cannot read file:/no/such/file"),
        ("virtual_keys: [{rpm_limit: 1}]", "virtual_keys[0]: has neither key nor key_hash"),
        ("virtual_keys: [{key_hash: abc}]", "virtual_keys[0].key_hash: expected the SHA-256"),
        ("general_settings: {custom_auth: a.b}", "general_settings.custom_auth: `custom_auth` is Python"),
        ("litellm_settings: {callbacks: [my.hook]}", "litellm_settings.callbacks[0]: `my.hook` is Python"),
        ("include: [a.yaml]\n- b", "t.yaml:2"),
        ("a: 1\na: 2", "t.yaml:2: a: given twice, on lines 1 and 2"),
        ("general_settings:\n\tmaster_key: x", "t.yaml:2: not YAML"),
        ("- a", "t.yaml:1: expected keys like model_list:"),
    ];
    for (text, expected) in cases {
        let (settings, report) = read(text);
        assert!(settings.is_none(), "{text}");
        assert!(lines(&report).contains(expected), "{text}\nexpected {expected}\n{}", lines(&report));
    }
    for (extra, expected) in [
        ("key_alias: x}, {key_hash: '11", "virtual_keys[1].key_alias"),
        ("}, {key_hash: '00", "virtual_keys[1]: the same key as virtual_keys[0]"),
    ] {
        let digits = &extra[extra.len() - 2..];
        let text = format!("virtual_keys: [{{{key}, {extra}{}', key_alias: x}}]", digits.repeat(31));
        let text = text.replacen(", }", "}", 1);
        let (settings, report) = read(&text);
        assert!(settings.is_none() && lines(&report).contains(expected), "{text}\n{}", lines(&report));
    }
}

#[test]
fn what_is_doubtful_is_a_warning_and_still_loads() {
    let cases: &[(&str, &str)] = &[
        ("general_settings: {master_key: sk-1234}", "a key from a tutorial"),
        ("general_settings: {master_key: short}", "shorter than 8"),
        ("general_settings: {mastre_key: x}", "did you mean `master_key`?"),
        ("general_settings: {alerting: [email]}", "ignored: t.yaml:1: general_settings.alerting: LiteLLM's `email`"),
        (
            "general_settings: {alerting: [slack]}",
            "t.yaml:1: general_settings.alerting: nobody is told by slack: set SLACK",
        ),
        ("litellm_settings: {ssl_verify: no}", "certificates are not checked"),
        ("virtual_keys: [{key: sk-canary-in-clear-1}]", "stands here in clear"),
        (
            "virtual_keys: [{key: os.environ/WRITER_KEY, models: [nothing]}]\n\
          model_list: [{model_name: a, litellm_params: {model: openai/x}}]",
            "virtual_keys[0].models[0]: no deployment",
        ),
        ("model_list: [{model_name: a, litellm_params: {model: replicate/x}}]", "replicate is not supported yet"),
        ("model_list: [{model_name: a, litellm_params: {model: opnai/x}}]", "did you mean `openai`?"),
        ("model_list: [{model_name: a, litellm_params: {model: azure/x}}]", "give api_base"),
        (
            "model_list: [{model_name: a, litellm_params: {model: openai/x, api_key: os.environ/FLEET_BASE}}]",
            "variable FLEET_BASE is not set",
        ),
        ("model_list: [{model_name: a, litellm_params: {model: openai/x, flavor: 3}}]", "sent to the provider"),
        ("litellm_settings: {max_budget: 0}", "0 is no budget"),
    ];
    for (text, expected) in cases {
        let (settings, report) = read(text);
        assert!(settings.is_some(), "{text}\n{}", lines(&report));
        assert!(lines(&report).contains(expected), "{text}\nexpected {expected}\n{}", lines(&report));
    }
}

#[test]
fn defaults_and_bodies_are_carried_as_json() {
    let settings = settings(
        "model_list: [{model_name: a, litellm_params: {model: openai/x, temperature: 0.20, flavor: {a: [1, 'b']},\
         extra_body: {store: no, 'a\"b': ~}, extra_headers: {X-Team: os.environ/TEAM}, aws_region_name: eu}}]",
    );
    let deployment = &settings.deployments[0];
    let pair = |name: &str, json: &str| (name.to_owned(), json.to_owned());
    assert_eq!(deployment.defaults, [pair("temperature", "0.20"), pair("flavor", r#"{"a":[1,"b"]}"#)]);
    assert_eq!(deployment.extra_body, [pair("store", "false"), pair("a\"b", "null")]);
    assert_eq!(deployment.extra_headers[0].0, "x-team");
    assert_eq!(deployment.extra_headers[0].1.expose(), "canary-TEAM");
}

#[test]
fn keys_may_stand_in_files_beside_the_configuration() {
    let folder = scratch("files");
    fs::write(folder.join("key"), "sk-from-a-file-0001\n").unwrap();
    let path = folder.join("config.yaml");
    fs::write(
        &path,
        "virtual_keys: [{key: 'file:key'}]\ngeneral_settings: {master_key: 'file:${CREDENTIALS_DIRECTORY}/key'}",
    )
    .unwrap();
    let (settings, report) = load(&path, |name| {
        (name == "CREDENTIALS_DIRECTORY").then(|| env!("CARGO_TARGET_TMPDIR").to_owned() + "/config/files")
    });
    // The same key twice is found over files too.
    assert!(settings.is_none() && lines(&report).contains("the same key as general_settings.master_key"));
    fs::write(&path, "virtual_keys: [{key: 'file:key'}]").unwrap();
    let key = load(&path, |_| None).0.unwrap().virtual_keys.remove(0);
    assert!(key.hash.matches(&KeyHash::of("sk-from-a-file-0001")));
}

#[test]
fn files_that_include_each_other_are_refused() {
    let folder = scratch("cycle");
    fs::write(folder.join("a.yaml"), "include: [b.yaml]").unwrap();
    fs::write(folder.join("b.yaml"), "\ninclude: [a.yaml]").unwrap();
    let (settings, report) = load(&folder.join("a.yaml"), full);
    assert!(settings.is_none());
    let text = lines(&report);
    assert!(text.contains("b.yaml:2: include[0]: ") && text.contains("includes itself"), "{text}");
    fs::write(folder.join("b.yaml"), "include: [none.yaml]").unwrap();
    assert!(lines(&load(&folder.join("a.yaml"), full).1).contains("none.yaml"));
}

#[test]
fn check_lists_every_key_with_its_line_and_tells_by_its_verdict() {
    let env = full as Env;
    let around = surroundings(&env, Purpose::Serve);
    let mut out = Vec::new();
    assert_eq!(check::run(&fixture("team.yaml"), Format::Text, &mut out, &around).unwrap(), Verdict::Usable);
    let text = String::from_utf8(out).unwrap();
    for line in ["supported ", "ignored ", "litellm_settings.cache_params", "virtual_keys[0].max_budget", "can be used"]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let path = scratch("check").join("broken.yaml");
    fs::write(&path, "general_settings: {custom_auth: my.auth, max_connections: many}").unwrap();
    let mut out = Vec::new();
    let verdict = check::run(&path, Format::Json, &mut out, &around).unwrap();
    assert_eq!(verdict.exit_code(), 1);
    let text = String::from_utf8(out).unwrap();
    for part in ["\"ok\": false", "\"status\": \"refused\"", "\"status\": \"error\"", "\"line\": 1"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

const BASE: &str = r#"model_list:
  - model_name: "chat"
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: canary-api-key-in-clear
      azure_ad_token: "canary-token-in-clear"
      timeout: 30
      rpm: 100
      extra_headers: {authorization: canary-header-in-clear}
      extra_body: {password: canary-body-in-clear}
      input_cost_per_token: 0.00000015
    model_info: {id: one, access_groups: [all]}
litellm_settings:
  max_budget: 10.00
  budget_duration: 1d
  drop_params: true
router_settings:
  num_retries: 2
  model_group_alias: {talk: chat}
general_settings:
  master_key: canary-master-in-clear
  max_connections: 100
virtual_keys:
  - key: sk-canary-in-clear-0001
    key_alias: one
    models: [chat]
    expires: "2036-01-01T00:00:00Z"
    allowed_ips: [10.0.0.0/8]
    metadata: {token: canary-metadata-in-clear}
"#;

fn mutants() -> Vec<(String, Vec<u8>)> {
    let lines: Vec<&str> = BASE.lines().collect();
    let mut out = Vec::new();
    for at in 0..lines.len() {
        let with = |replacement: &[String]| {
            let mut text: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            text.splice(at..=at, replacement.iter().cloned());
            text.join("\n").into_bytes()
        };
        let line = lines[at].to_owned();
        let mut add = |kind: &str, bytes: Vec<u8>| out.push((format!("{kind} line {}", at + 1), bytes));
        add("delete", with(&[]));
        add("duplicate", with(&[line.clone(), line.clone()]));
        add("tab", with(&[format!("\t{}", line.trim_start())]));
        add("unquote", with(&[line.replacen(": ", ": \"", 1)]));
        add("join", with(&[line.replacen(": ", ":", 1)]));
        add("unbracket", with(&[line.replace([']', '}'], "")]));
        add("truncate", BASE.as_bytes()[..lines[..at].iter().map(|line| line.len() + 1).sum::<usize>() + 5].to_vec());
        if let Some((key, value)) = line.split_once(": ") {
            for other in [
                "[1, {a: b}]",
                "{a: b}",
                "-5",
                "12 parsecs",
                "~",
                "''",
                "1e400",
                "'\\x'",
                "\"\\e[31m\"",
                "*nothing",
                "!!binary x",
            ] {
                add(other, with(&[format!("{key}: {other}")]));
            }
            add("plural", with(&[format!("{key}s: {value}")]));
            let mut bytes = with(&[format!("{key}: \u{1}{value}")]);
            let bad = bytes.iter().position(|byte| *byte == 1).unwrap();
            bytes[bad] = 0xff;
            add("non-utf-8", bytes);
        }
    }
    out
}

#[test]
fn hundreds_of_broken_configurations_never_panic_say_where_and_keep_secrets() {
    let path = scratch("mutants").join("config.yaml");
    let mutants = mutants();
    assert!(mutants.len() >= 400, "{}", mutants.len());
    let mut broken = 0;
    for (name, bytes) in &mutants {
        fs::write(&path, bytes).unwrap();
        let (settings, report) = load(&path, full);
        broken += usize::from(settings.is_none());
        assert_eq!(settings.is_none(), report.is_fatal(), "{name}");
        for finding in &report.findings {
            let text = finding.to_string();
            assert!(finding.line >= 1 && text.starts_with(&format!("{}:{}: ", finding.file, finding.line)), "{text}");
            assert!(finding.file.ends_with("config.yaml"), "{text}");
            assert!(!text.contains("canary") && !text.contains("in-clear"), "{name}: {text}");
            assert!(!text.chars().any(char::is_control), "{name}: {text:?}");
        }
        if name.starts_with("non-utf-8") || name.starts_with("duplicate") {
            let line: usize = name.rsplit(' ').next().unwrap().parse().unwrap();
            let near =
                report.findings.iter().any(|finding| finding.status.is_fatal() && finding.line.abs_diff(line) <= 1);
            let list_item = BASE.lines().nth(line - 1).unwrap().trim_start().starts_with("- ");
            assert!(near || list_item, "{name}: {}", lines(&report));
        }
    }
    assert!(broken >= 100, "only {broken} of {} were refused", mutants.len());
    println!("{broken} of {} mutants refused", mutants.len());
}

#[test]
fn a_file_that_is_too_large_or_a_folder_is_refused() {
    let folder = scratch("large");
    let path = folder.join("config.yaml");
    fs::write(&path, "# filler\n".repeat(500_000)).unwrap();
    assert!(lines(&load(&path, full).1).contains("larger than"));
    assert!(lines(&load(&folder, full).1).contains("directory"));
}

#[test]
fn statuses_are_counted() {
    let (_, report) = read("general_settings: {alerting: [x], mastre: 1}\n");
    assert_eq!((report.count(Status::Ignored), report.count(Status::Supported)), (1, 1));
}
