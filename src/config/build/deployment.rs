//! `model_list`.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Build, entries, names, small, text, truth};
use crate::config::finding::{Status, shown_key};
use crate::config::keys::{self, PARAMETERS};
use crate::config::kind::Kind;
use crate::config::load::Purpose;
use crate::config::providers::{self, Found};
use crate::config::settings::Deployment;
use crate::config::table;
use crate::config::value;
use crate::config::yaml::{Entry, Node, Value};
use crate::vocabulary::{PicoUsd, Secret};

const PARAMS: &str = "model_list[].litellm_params";
/// Values that LiteLLM's users write where a provider needs no key.
const NO_KEY: [&str; 2] = ["", "none"];

/// A provider, its name for the model, and the address and version from the environment.
struct Target {
    provider: Arc<str>,
    model: Arc<str>,
    api_base: Option<String>,
    api_version: Option<String>,
}

impl Build<'_> {
    /// All entries that can be served, in file order.
    pub(super) fn deployments(&mut self) -> Vec<Deployment> {
        let list = self.root.at("model_list").map_or(&[] as &[Node], Node::items);
        let mut ids = Ids::default();
        list.iter()
            .enumerate()
            .filter_map(|(index, node)| {
                let path = format!("model_list[{index}]");
                let mut deployment = self.deployment(node, &path)?;
                deployment.id = self.identify(&mut ids, node, &path);
                Some(deployment)
            })
            .collect()
    }

    pub(super) fn deployment(&mut self, node: &Node, path: &str) -> Option<Deployment> {
        let name = self.required(node, path, "model_name")?;
        let params = node.at("litellm_params").unwrap_or(node);
        let model = self.required(params, &format!("{path}.litellm_params"), "model")?;
        if self.left_out(params) {
            return None;
        }
        let target = self.target(params, model, path)?;
        let null = Node::null(node.place.clone());
        let info = node.at("model_info").unwrap_or(&null);
        let number = |section: &Node, name: &str| section.at(name).and_then(value::count);
        let time = |name: &str| params.at(name).and_then(value::duration);
        Some(Deployment {
            id: Arc::from(""),
            model_name: name.into(),
            api_key: self.api_key(params, &target.provider, path),
            azure_ad_token: self.param_secret(params, "azure_ad_token", path),
            vendor: self.vendor(params, path),
            extra_headers: self.extra_headers(params, path),
            provider: target.provider,
            model: target.model,
            api_base: target.api_base,
            api_version: target.api_version,
            region: ["region_name", "vertex_location", "aws_region_name"].iter().find_map(|name| text(params, name)),
            organization: text(params, "organization"),
            timeout: time("timeout"),
            stream_timeout: time("stream_timeout"),
            num_retries: small(params, "num_retries").or_else(|| small(params, "max_retries")),
            rpm: number(params, "rpm"),
            tpm: number(params, "tpm"),
            max_parallel_requests: number(params, "max_parallel_requests"),
            budget: self.budget(params, &format!("{path}.litellm_params")),
            weight_milli: params.at("weight").and_then(value::milli),
            order: params.at("order").and_then(value::integer),
            cooldown_time: time("cooldown_time"),
            tags: names(params, "tags"),
            extra_body: entries(params, "extra_body").iter().map(member).collect(),
            defaults: params.entries().iter().filter(|entry| is_default(entry)).map(member).collect(),
            drop_params: truth(params, "drop_params"),
            additional_drop_params: names(params, "additional_drop_params"),
            allowed_openai_params: names(params, "allowed_openai_params"),
            mock_response: params.at("mock_response").map(answer),
            mode: text(info, "mode"),
            base_model: text(info, "base_model"),
            prices: prices(params, info),
            max_input_tokens: number(info, "max_input_tokens"),
            max_output_tokens: number(info, "max_output_tokens").or_else(|| number(info, "max_tokens")),
            access_groups: names(info, "access_groups"),
            health_check: !truth(info, "disable_background_health_check").unwrap_or(false),
            health_check_model: text(info, "health_check_model"),
            health_check_timeout: info.at("health_check_timeout").and_then(value::duration),
            ssl_verify: truth(params, "ssl_verify"),
            http2: text(params, "http_version").map(|version| version == "2"),
            place: format!("{}:{}", node.place.file, node.place.line),
        })
    }

    fn required<'n>(&mut self, section: &'n Node, path: &str, name: &str) -> Option<&'n str> {
        let Some(node) = section.at(name) else {
            self.report.error(&section.place, &format!("{path}.{name}"), "missing; every deployment must have it");
            return None;
        };
        node.text().filter(|_| value::model_name(node).is_some())
    }

    fn left_out(&self, params: &Node) -> bool {
        let keyless = params.entry("api_key").is_some_and(|entry| entry.value.is_null());
        self.surroundings.purpose == Purpose::QuickStart && keyless && params.at("mock_response").is_none()
    }

    fn target(&mut self, params: &Node, model: &str, path: &str) -> Option<Target> {
        let explicit = params.at("custom_llm_provider").and_then(Node::text);
        let (provider, bare) = match providers::find(self.surroundings.providers, model, explicit) {
            Found::Known(provider, bare) if !bare.is_empty() => (provider, bare),
            found => {
                self.skip(params, path, &unserved(&found));
                return None;
            }
        };
        let api_base = self.api_base(params, provider, path);
        if api_base.is_none()
            && params.at("mock_response").is_none()
            && self.surroundings.providers.needs_base(provider)
        {
            let reason = format!("{provider} has no address of its own; give api_base");
            self.skip(params, path, &(Status::Warning, reason));
            return None;
        }
        let api_version = text(params, "api_version").or_else(|| self.usual(provider, "API_VERSION"));
        Some(Target { provider: provider.into(), model: bare.into(), api_base, api_version })
    }

    /// Leaves a deployment out, or refuses the file if it asks for that.
    fn skip(&mut self, params: &Node, path: &str, (status, reason): &(Status, String)) {
        let strict = truth(self.router, "ignore_invalid_deployments") == Some(false);
        let status = if strict { Status::Error } else { *status };
        let place = params.entry("model").map_or(&params.place, |entry| &entry.place);
        self.report.push(
            status,
            place,
            &format!("{path}.litellm_params.model"),
            format!("deployment ignored: {reason}"),
        );
    }

    fn api_base(&mut self, params: &Node, provider: &str, path: &str) -> Option<String> {
        let given = params.at("api_base").or_else(|| params.at("base_url"));
        if let Some(node) = given {
            return value::url(node).map(|url| url.trim_end_matches('/').to_owned());
        }
        let url = self.usual_base(provider)?;
        let node = Node { value: Value::Scalar { text: url, plain: false }, ..Node::null(params.place.clone()) };
        let found = value::url(&node).map(|url| url.trim_end_matches('/').to_owned());
        if found.is_none() {
            let reason = format!("the environment variable for {provider}'s address does not hold a URL");
            self.report.error(&params.place, &format!("{path}.litellm_params.api_base"), reason);
        }
        found
    }

    /// What LiteLLM's users keep in variables such as `AZURE_API_BASE`.
    fn usual(&self, provider: &str, what: &str) -> Option<String> {
        let name = format!("{}_{what}", provider.replace('-', "_").to_ascii_uppercase());
        self.variables.find(&name).filter(|text| value::is_line(text))
    }

    /// The provider's address, from there.
    pub(super) fn usual_base(&self, provider: &str) -> Option<String> {
        self.usual(provider, "API_BASE").or_else(|| self.usual(provider, "BASE_URL"))
    }

    fn api_key(&mut self, params: &Node, provider: &str, path: &str) -> Option<Secret> {
        if let Some(node) = params.at("api_key") {
            let given = !node.text().is_some_and(|text| NO_KEY.contains(&text.to_ascii_lowercase().as_str()));
            return given.then(|| self.secret(node, &format!("{path}.litellm_params.api_key"))).flatten();
        }
        let names = self.surroundings.providers.env_vars(provider);
        let found = names.iter().find_map(|name| self.variables.find(name));
        found.filter(|key| value::is_line(key)).map(Secret::new)
    }

    fn param_secret(&mut self, params: &Node, name: &str, path: &str) -> Option<Secret> {
        params.at(name).and_then(|node| self.secret(node, &format!("{path}.litellm_params.{name}")))
    }

    fn vendor(&mut self, params: &Node, path: &str) -> Vec<(&'static str, Secret)> {
        let given = keys::VENDOR.into_iter().filter(|name| params.at(name).is_some_and(|node| !node.is_null()));
        given.filter_map(|name| Some((name, self.vendor_value(params, name, path)?))).collect()
    }

    fn vendor_value(&mut self, params: &Node, name: &str, path: &str) -> Option<Secret> {
        match table::find(&format!("{PARAMS}.{name}")).map(|key| key.kind) {
            Some(Kind::Secret) => self.param_secret(params, name, path),
            _ => text(params, name).map(Secret::new),
        }
    }

    fn extra_headers(&mut self, params: &Node, path: &str) -> Vec<(String, Secret)> {
        let mut headers = Vec::new();
        for entry in entries(params, "extra_headers") {
            let key = format!("{path}.litellm_params.extra_headers.{}", shown_key(&entry.key));
            if let Some(value) = self.secret(&entry.value, &key) {
                headers.push((entry.key.to_ascii_lowercase(), value));
            }
        }
        headers
    }

    fn identify(&mut self, ids: &mut Ids, node: &Node, path: &str) -> Arc<str> {
        let Some(id) = node.at("model_info").and_then(|info| info.at("id")).and_then(Node::text) else {
            return ids.made(node).into();
        };
        if let Some(other) = ids.given.insert(id.to_owned(), path.to_owned()) {
            let reason = format!("the same id as {other}; ids must differ");
            self.report.error(&node.place, &format!("{path}.model_info.id"), reason);
        }
        id.into()
    }
}

fn unserved(found: &Found<'_>) -> (Status, String) {
    let prefix = "expected a provider before the first /, as in openai/gpt-4o";
    match found {
        Found::Foreign(name) => (Status::Ignored, format!("provider {name} is not supported yet")),
        Found::Unknown(name, Some(near)) => {
            (Status::Warning, format!("there is no provider {}; did you mean `{near}`?", shown_key(name)))
        }
        Found::Unknown(name, None) => (Status::Warning, format!("there is no provider {}; {prefix}", shown_key(name))),
        Found::Known(..) | Found::Silent => (Status::Warning, String::from(prefix)),
    }
}

/// The ids that are taken.
#[derive(Default)]
struct Ids {
    given: HashMap<String, String>,
    made: HashMap<String, usize>,
}

impl Ids {
    /// 64 hexadecimal digits from what is written, credentials left out: an id is public, and stable over restarts and
    /// changed keys. Equal entries are told apart by their order.
    fn made(&mut self, node: &Node) -> String {
        let mut written = String::new();
        for name in ["model_name", "litellm_params"] {
            node.at(name).into_iter().for_each(|node| write(node, name, &mut written));
        }
        let count = self.made.entry(written.clone()).or_insert(0);
        *count += 1;
        let digest = Sha256::digest(format!("{written}#{count}"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn write(node: &Node, name: &str, out: &mut String) {
    out.push_str(name);
    if let Some(variable) = &node.variable {
        return out.push_str(&format!("=${variable};"));
    }
    let secret = name == "extra_headers" || name.contains("key") || name.contains("secret") || name.contains("token");
    match &node.value {
        Value::Map(members) if !secret => members.iter().for_each(|entry| write(&entry.value, &entry.key, out)),
        Value::Scalar { .. } | Value::List(_) if !secret => out.push_str(&format!("={};", node.to_json())),
        _ => out.push(';'),
    }
}

fn member(entry: &Entry) -> (String, String) {
    (entry.key.clone(), entry.value.to_json())
}

/// Request parameters, and what nobody knows: LiteLLM sends both to the provider.
fn is_default(entry: &Entry) -> bool {
    if entry.value.is_null() {
        return false;
    }
    match table::find(&format!("{PARAMS}.{}", entry.key)) {
        Some(key) => key.name() == PARAMETERS,
        None => !keys::is_foreign(PARAMS, &entry.key),
    }
}

fn answer(node: &Node) -> String {
    node.text().map_or_else(|| node.to_json(), str::to_owned)
}

/// Prices in `litellm_params` win over those in `model_info`.
fn prices(params: &Node, info: &Node) -> Vec<(String, PicoUsd)> {
    keys::PRICE_FIELDS
        .iter()
        .filter_map(|field| {
            let node = params.at(field).or_else(|| info.at(field))?;
            Some(((*field).to_owned(), value::dollars(node)?))
        })
        .collect()
}
