//! A virtual key on record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::permissions::Permissions;
use super::plain::{Json, Moment, Stamp, default};
use crate::vocabulary::{KeyHash, PicoUsd};

/// A virtual key as `/key/generate` made it. The key itself is not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// SHA-256 of the key.
    pub token: KeyHash,
    /// `sk-...` and the last four characters.
    pub key_name: String,
    /// The hash it was made with, by which its account is kept: it stays when the key is replaced. None: its own.
    #[serde(default, skip_serializing_if = "default")]
    pub account: Option<KeyHash>,
    /// What people call it; no two keys have the same.
    #[serde(default, skip_serializing_if = "default")]
    pub key_alias: Option<String>,
    /// Models it may name: names, wildcards, access groups. Empty allows all (of its team).
    #[serde(default, skip_serializing_if = "default")]
    pub models: Vec<String>,
    /// Its own names for models.
    #[serde(default, skip_serializing_if = "default")]
    pub aliases: BTreeMap<String, String>,
    /// Budgets and limits.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// The user it belongs to.
    #[serde(default, skip_serializing_if = "default")]
    pub user_id: Option<String>,
    /// The team it belongs to.
    #[serde(default, skip_serializing_if = "default")]
    pub team_id: Option<String>,
    /// The organization it belongs to.
    #[serde(default, skip_serializing_if = "default")]
    pub organization_id: Option<String>,
    /// A shared budget.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_id: Option<String>,
    /// When it ends; None: never.
    #[serde(default, skip_serializing_if = "default")]
    pub expires: Option<Moment>,
    /// Whether it is refused.
    #[serde(default, skip_serializing_if = "default")]
    pub blocked: bool,
    /// Addresses and networks it may be used from. Empty: from anywhere.
    #[serde(default, skip_serializing_if = "default")]
    pub allowed_ips: Vec<String>,
    /// Paths, or names of groups of paths, it may call. Empty: what its type and role allow.
    #[serde(default, skip_serializing_if = "default")]
    pub allowed_routes: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "default")]
    pub key_type: KeyType,
    /// Words that its spend is also counted under.
    #[serde(default, skip_serializing_if = "default")]
    pub tags: Vec<String>,
    /// Where its requests may be answered.
    #[serde(default, skip_serializing_if = "default")]
    pub allowed_model_region: Option<String>,
    /// Parameters that its requests must have.
    #[serde(default, skip_serializing_if = "default")]
    pub enforced_params: Vec<String>,
    /// A temporary increase of `max_budget`.
    #[serde(default, skip_serializing_if = "default")]
    pub temp_budget_increase: Option<PicoUsd>,
    /// Until when.
    #[serde(default, skip_serializing_if = "default")]
    pub temp_budget_expiry: Option<Moment>,
    /// Whether it is replaced by itself, and how often (`30d`).
    #[serde(default, skip_serializing_if = "default")]
    pub auto_rotate: bool,
    /// See `auto_rotate`.
    #[serde(default, skip_serializing_if = "default")]
    pub rotation_interval: Option<String>,
    /// How often it was replaced.
    #[serde(default, skip_serializing_if = "default")]
    pub rotation_count: u64,
    /// The hash it had before it was replaced, which is let in until then: perhaps no longer.
    #[serde(default, skip_serializing_if = "default")]
    pub previous: Option<(KeyHash, Moment)>,
    /// Words of its owner's.
    #[serde(default, skip_serializing_if = "default")]
    pub metadata: Json,
    /// Carried for clients that set it: `config`, `permissions`, `object_permission`, `router_settings`, `guardrails` and
    /// the like, each under its name.
    #[serde(default, skip_serializing_if = "default")]
    pub carried: BTreeMap<String, Json>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

impl Key {
    /// A key with nothing but its hash and what may be shown of it.
    pub fn new(token: KeyHash, key_name: impl Into<String>) -> Self {
        Self {
            token,
            key_name: key_name.into(),
            account: None,
            key_alias: None,
            models: Vec::new(),
            aliases: BTreeMap::new(),
            bounds: Bounds::default(),
            user_id: None,
            team_id: None,
            organization_id: None,
            budget_id: None,
            expires: None,
            blocked: false,
            allowed_ips: Vec::new(),
            allowed_routes: Vec::new(),
            key_type: KeyType::Default,
            tags: Vec::new(),
            allowed_model_region: None,
            enforced_params: Vec::new(),
            temp_budget_increase: None,
            temp_budget_expiry: None,
            auto_rotate: false,
            rotation_interval: None,
            rotation_count: 0,
            previous: None,
            metadata: Json::default(),
            carried: BTreeMap::new(),
            stamp: Stamp::default(),
        }
    }

    /// Whether its requests may ask which way they went (`permissions.explain`); not with permissions that cannot be read.
    pub fn may_explain(&self) -> bool {
        let read = |json| Permissions::read(json).is_ok_and(|permissions| permissions.explain != Some(false));
        self.carried.get("permissions").is_none_or(read)
    }

    /// The hash that its account is kept by.
    pub fn account(&self) -> KeyHash {
        self.account.unwrap_or(self.token)
    }
}

/// Groups of routes that `allowed_routes` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteGroup {
    /// Calls to models.
    Llm,
    /// What changes records.
    Management,
    /// What reads them.
    Info,
}

impl RouteGroup {
    /// Its name in `allowed_routes`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Llm => "llm_api_routes",
            Self::Management => "management_routes",
            Self::Info => "info_routes",
        }
    }
}

impl Key {
    /// Whether the key itself allows a path, whatever its user may: by its type and its `allowed_routes`, which name paths,
    /// paths with a star at their end, and groups.
    pub fn may_call(&self, group: RouteGroup, path: &str) -> bool {
        let of_type = match self.key_type {
            KeyType::Default => true,
            KeyType::LlmApi => group == RouteGroup::Llm,
            KeyType::Management => group != RouteGroup::Llm,
            KeyType::ReadOnly => group == RouteGroup::Info,
        };
        let names = |allowed: &String| match allowed.as_str() {
            "llm_api_routes" | "openai_routes" => group == RouteGroup::Llm,
            "management_routes" => group != RouteGroup::Llm,
            "info_routes" => group == RouteGroup::Info,
            pattern => pattern.strip_suffix('*').map_or(pattern == path, |start| path.starts_with(start)),
        };
        of_type && (self.allowed_routes.is_empty() || self.allowed_routes.iter().any(names))
    }

    /// What is said to whoever calls another path, in LiteLLM's words.
    pub fn refusal(&self, path: &str) -> String {
        let path: String = path.chars().take(100).collect();
        let only: Vec<_> = self.shown_routes().iter().map(|route| format!("'{route}'")).collect();
        let only = only.join(", ");
        format!(
            "Virtual key is not allowed to call this route. Only allowed to call routes: [{only}]. Tried to call route: {path}"
        )
    }

    /// `allowed_routes`, or the group of routes that its type is for.
    pub fn shown_routes(&self) -> Vec<String> {
        if !self.allowed_routes.is_empty() {
            return self.allowed_routes.clone();
        }
        let group = match self.key_type {
            KeyType::Default => return Vec::new(),
            KeyType::LlmApi => RouteGroup::Llm,
            KeyType::Management => RouteGroup::Management,
            KeyType::ReadOnly => RouteGroup::Info,
        };
        vec![group.as_str().to_owned()]
    }
}

/// What a key is for (`key_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// Calls to models, and what its user may do.
    #[default]
    Default,
    /// Calls to models alone.
    LlmApi,
    /// The management API alone.
    Management,
    /// What reads and changes nothing.
    ReadOnly,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_on_file_is_read_as_it_was_written() {
        let mut key = Key::new(KeyHash::of("sk-1"), "sk-...0001");
        key.bounds.max_budget = Some(PicoUsd::parse("0.000000000001").unwrap());
        key.bounds.model_rpm_limit.insert("a".to_owned(), 3);
        key.metadata = Json::parse(r#"{"team":"core"}"#).unwrap();
        key.carried.insert("config".to_owned(), Json::parse("{}").unwrap());
        key.previous = Some((KeyHash::of("sk-0"), Moment(5)));
        key.stamp.created_by = Some("ada".to_owned());
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), key, "{text}");
    }

    #[test]
    fn a_key_is_for_what_its_type_and_its_routes_say() {
        let key = |key_type, routes: &[&str]| Key {
            key_type,
            allowed_routes: routes.iter().map(|route| (*route).to_owned()).collect(),
            ..Key::new(KeyHash::of("sk-1"), "sk-...0001")
        };
        let chat = |key: Key| key.may_call(RouteGroup::Llm, "/v1/chat/completions");
        let generate = |key: Key| key.may_call(RouteGroup::Management, "/key/generate");
        let info = |key: Key| key.may_call(RouteGroup::Info, "/key/info");
        for (kind, routes, expected) in [
            (KeyType::Default, &[][..], [true, true, true]),
            (KeyType::LlmApi, &[], [true, false, false]),
            (KeyType::Management, &[], [false, true, true]),
            (KeyType::ReadOnly, &[], [false, false, true]),
            (KeyType::Default, &["llm_api_routes"], [true, false, false]),
            (KeyType::Default, &["management_routes"], [false, true, true]),
            (KeyType::Default, &["/key/info", "/v1/*"], [true, false, true]),
            (KeyType::LlmApi, &["/key/generate"], [false, false, false]),
        ] {
            let found = [chat(key(kind, routes)), generate(key(kind, routes)), info(key(kind, routes))];
            assert_eq!(found, expected, "{kind:?} {routes:?}");
        }
    }

    #[test]
    fn what_is_not_set_takes_no_room() {
        let text = serde_json::to_string(&Key::new(KeyHash::of("sk-1"), "sk-...0001")).unwrap();
        assert!(!text.contains("null") && text.len() < 120, "{text}");
    }
}
