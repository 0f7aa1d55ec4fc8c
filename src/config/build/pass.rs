//! Whom the prefixes of providers (`/anthropic/...`) lead to.

use super::{Build, names, text, truth};
use crate::config::finding::shown_key;
use crate::config::settings::{Deployment, PassThrough};
use crate::config::value;
use crate::config::yaml::{Entry, Node, Value};
use crate::vocabulary::Secret;

/// The providers with a prefix.
const PROVIDERS: [&str; 8] = ["openai", "anthropic", "gemini", "vertex_ai", "bedrock", "azure", "cohere", "mistral"];
/// Where a credential comes from that is no key.
const AWS: [&str; 4] =
    ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
const GOOGLE: [&str; 3] = ["VERTEXAI_CREDENTIALS", "VERTEX_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"];

impl Build<'_> {
    /// For each provider the first deployment with a credential, or what the environment says, as one for all its models.
    pub(super) fn pass_through(&mut self, deployments: &[Deployment]) -> Vec<Deployment> {
        let found = |name: &str| deployments.iter().find(|known| *known.provider == *name && has_credential(known));
        PROVIDERS
            .into_iter()
            .filter_map(|name| match found(name) {
                Some(known) => Some(hidden(name, known.clone())),
                None => self.usual_deployment(name).map(|made| hidden(name, made)),
            })
            .collect()
    }

    /// What the provider's usual environment variables make.
    fn usual_deployment(&mut self, provider: &str) -> Option<Deployment> {
        if !self.surroundings.providers.known(provider) {
            return None;
        }
        let keys = self.surroundings.providers.env_vars(provider);
        let others: &[&str] = match provider {
            "bedrock" => &AWS,
            "vertex_ai" => &GOOGLE,
            _ => &[],
        };
        keys.iter().chain(others).find_map(|name| self.variables.find(name))?;
        if self.surroundings.providers.needs_base(provider) && self.usual_base(provider).is_none() {
            return None;
        }
        let scalar = |key: &str, text: String| {
            let value = Node { value: Value::Scalar { text, plain: false }, ..Node::null(self.root.place.clone()) };
            Entry { key: key.to_owned(), place: self.root.place.clone(), value }
        };
        let entries = vec![scalar("model_name", provider.to_owned()), scalar("model", format!("{provider}/*"))];
        let node = Node { value: Value::Map(entries), ..Node::null(self.root.place.clone()) };
        self.deployment(&node, provider)
    }
}

impl Build<'_> {
    /// All entries that can be used.
    pub(super) fn pass_through_endpoints(&mut self) -> Vec<PassThrough> {
        let list = self.general.at("pass_through_endpoints").map_or(&[] as &[Node], Node::items);
        let entries = list.iter().enumerate();
        entries
            .filter_map(|(index, node)| {
                self.pass_through_endpoint(node, &format!("general_settings.pass_through_endpoints[{index}]"))
            })
            .collect()
    }

    fn pass_through_endpoint(&mut self, node: &Node, at: &str) -> Option<PassThrough> {
        let path = text(node, "path").unwrap_or_default();
        let path = path.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte);
        let segments = path.split('/').skip(1).all(|segment| !matches!(segment, "" | "." | ".."));
        if !path.starts_with('/') || !path.bytes().all(plain) || !segments {
            let reason = "expected a path like /v1/example, of letters, digits and -._~:@";
            self.report.error(&node.place, &format!("{at}.path"), reason);
            return None;
        }
        let Some(target) = node.at("target").and_then(value::url) else {
            self.report.error(&node.place, &format!("{at}.target"), "missing; every entry must have one");
            return None;
        };
        let name = format!("pass-through-{}", path.trim_start_matches('/').replace('/', "-"));
        let mut extra_headers = Vec::new();
        for entry in super::entries(node, "headers") {
            let value = self.header_value(&entry.value, &format!("{at}.headers"))?;
            extra_headers.push((entry.key.to_ascii_lowercase(), value));
        }
        Some(PassThrough {
            path: path.to_owned(),
            include_subpath: truth(node, "include_subpath").unwrap_or(false),
            auth: truth(node, "auth").unwrap_or(true),
            cost: node.at("cost_per_request").and_then(value::dollars),
            methods: names(node, "methods").iter().map(|method| method.to_ascii_uppercase()).collect(),
            deployment: leading_to(node, &name, target, extra_headers),
        })
    }

    /// A header's value, in which a variable may stand at the end: `bearer os.environ/NAME`.
    fn header_value(&mut self, node: &Node, at: &str) -> Option<Secret> {
        let given = node.text().unwrap_or_default();
        let Some((before, name)) = given.split_once("os.environ/") else { return self.secret(node, at) };
        match self.variables.find(name.trim()) {
            Some(value) => Some(Secret::new(format!("{before}{value}"))),
            None => {
                let reason = format!("the environment variable {} is not set", shown_key(name.trim()));
                self.report.error(&node.place, at, reason);
                None
            }
        }
    }
}

/// Whether it is asked with something of its own: these two find theirs in many places.
fn has_credential(deployment: &Deployment) -> bool {
    let own = deployment.api_key.is_some() || deployment.azure_ad_token.is_some();
    deployment.mock_response.is_none() && (own || matches!(&*deployment.provider, "bedrock" | "vertex_ai"))
}

/// A server of one's choice: only its address and its headers matter.
fn leading_to(node: &Node, name: &str, target: &str, extra_headers: Vec<(String, Secret)>) -> Deployment {
    Deployment {
        api_base: Some(target.trim_end_matches('/').to_owned()),
        extra_headers,
        place: format!("{}:{}", node.place.file, node.place.line),
        ..Deployment::of(name, "custom_openai", "*")
    }
}

/// Address, credential and deadlines stay; what belongs to one model goes.
fn hidden(provider: &str, deployment: Deployment) -> Deployment {
    let name = format!("pass-through-{provider}");
    Deployment {
        id: name.as_str().into(),
        model_name: name.into(),
        rpm: None,
        tpm: None,
        max_parallel_requests: None,
        budget: None,
        weight_milli: None,
        order: None,
        extra_body: Vec::new(),
        defaults: Vec::new(),
        drop_params: None,
        additional_drop_params: Vec::new(),
        allowed_openai_params: Vec::new(),
        mode: None,
        base_model: None,
        prices: Vec::new(),
        max_input_tokens: None,
        max_output_tokens: None,
        access_groups: Vec::new(),
        health_check: true,
        health_check_model: None,
        health_check_timeout: None,
        cooldown_time: None,
        tags: Vec::new(),
        ..deployment
    }
}
