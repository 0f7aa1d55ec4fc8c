//! Whom the prefixes of providers (`/anthropic/...`) lead to.

use super::Build;
use crate::config::settings::Deployment;
use crate::config::yaml::{Entry, Node, Value};

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
        let text = |key: &str, text: String| {
            let value = Node { value: Value::Scalar { text, plain: false }, ..Node::null(self.root.place.clone()) };
            Entry { key: key.to_owned(), place: self.root.place.clone(), value }
        };
        let entries = vec![text("model_name", provider.to_owned()), text("model", format!("{provider}/*"))];
        let node = Node { value: Value::Map(entries), ..Node::null(self.root.place.clone()) };
        self.deployment(&node, provider)
    }
}

/// Whether it is asked with something of its own: these two find theirs in many places.
fn has_credential(deployment: &Deployment) -> bool {
    let own = deployment.api_key.is_some() || deployment.azure_ad_token.is_some();
    deployment.mock_response.is_none() && (own || matches!(&*deployment.provider, "bedrock" | "vertex_ai"))
}

/// Address, credential and deadlines stay; what belongs to one model goes.
fn hidden(provider: &str, deployment: Deployment) -> Deployment {
    Deployment {
        id: format!("pass-through-{provider}").into(),
        model_name: format!("pass-through-{provider}").into(),
        rpm: None,
        tpm: None,
        max_parallel_requests: None,
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
        ..deployment
    }
}
