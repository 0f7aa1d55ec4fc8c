//! `virtual_keys`.

use std::collections::HashMap;

use super::{Build, budgets, entries, names, secret, text, truth};
use crate::config::load::Purpose;
use crate::config::settings::VirtualKey;
use crate::config::value;
use crate::config::yaml::{Node, Place};
use crate::vocabulary::{KeyHash, ModelName, Secret};

/// LiteLLM's least length of a key that is chosen by hand.
const KEY_BYTES_MIN: usize = 16;

impl Build<'_> {
    /// All entries; those with an error are left out, which the report makes fatal.
    pub(super) fn virtual_keys(&mut self, master_key: Option<&Secret>) -> Vec<VirtualKey> {
        let mut first = First::default();
        if let Some(master_key) = master_key {
            let hash = KeyHash::of(master_key.expose());
            first.hashes.insert(hash, String::from("general_settings.master_key"));
        }
        let list = self.root.at("virtual_keys").map_or(&[] as &[Node], Node::items);
        list.iter()
            .enumerate()
            .filter_map(|(index, node)| {
                let path = format!("virtual_keys[{index}]");
                let key = self.virtual_key(node, &path)?;
                self.check_first(&mut first, &key, node, &path);
                Some(key)
            })
            .collect()
    }

    fn virtual_key(&mut self, node: &Node, path: &str) -> Option<VirtualKey> {
        let (hash, shown) = self.identity(node, path)?;
        Some(VirtualKey {
            account: None,
            hash,
            shown,
            alias: text(node, "key_alias"),
            models: names(node, "models"),
            aliases: self.own_names(node, path),
            rpm_limit: limit(node, "rpm_limit"),
            tpm_limit: limit(node, "tpm_limit"),
            max_parallel_requests: limit(node, "max_parallel_requests"),
            model_rpm_limit: limits(node, "model_rpm_limit"),
            model_tpm_limit: limits(node, "model_tpm_limit"),
            budget: self.budget(node, path),
            model_budgets: budgets(node, "model_max_budget"),
            soft_budget: node.at("soft_budget").and_then(value::dollars),
            expires_ms: node.at("expires").and_then(value::instant_ms),
            blocked: truth(node, "blocked").unwrap_or(false),
            allowed_ips: node
                .at("allowed_ips")
                .map_or(&[] as &[Node], Node::items)
                .iter()
                .filter_map(value::network)
                .collect(),
            region: text(node, "allowed_model_region"),
            may_explain: node.at("permissions").and_then(|node| truth(node, "explain")).unwrap_or(true),
            tags: names(node, "tags"),
            metadata: node.at("metadata").map(Node::to_json),
            place: format!("{}:{}", node.place.file, node.place.line),
        })
    }

    fn identity(&mut self, node: &Node, path: &str) -> Option<(KeyHash, Option<String>)> {
        match (node.at("key"), node.at("key_hash")) {
            (Some(key), None) => self.key(key, &format!("{path}.key")),
            (None, Some(hash)) => hash.text().and_then(KeyHash::parse).map(|hash| (hash, None)),
            (Some(_), Some(_)) => {
                self.report.error(&node.place, path, "has both key and key_hash; remove one");
                None
            }
            (None, None) => {
                // A reference whose variable is missing was reported where it stands.
                let reported = node.entries().iter().any(|entry| entry.value.variable.is_some() && entry.key == "key");
                if !reported {
                    let reason = "has neither key nor key_hash; give key: os.environ/NAME, key: file:PATH or key_hash";
                    self.report.error(&node.place, path, reason);
                }
                None
            }
        }
    }

    fn key(&mut self, node: &Node, path: &str) -> Option<(KeyHash, Option<String>)> {
        let secret = self.secret(node, path)?;
        let key = secret.expose();
        if !key.starts_with("sk-") || key.len() < KEY_BYTES_MIN {
            let reason = format!("expected a key that begins with sk- and has at least {KEY_BYTES_MIN} characters");
            self.report.error(&node.place, path, reason);
            return None;
        }
        if secret::is_clear(node) && self.surroundings.purpose == Purpose::Serve {
            let reason = "the key stands here in clear; use key_hash, os.environ/NAME or file:PATH";
            self.report.warn(&node.place, path, reason);
        }
        let last: String = key.chars().skip(key.chars().count().saturating_sub(4)).collect();
        Some((KeyHash::of(key), Some(format!("sk-...{last}"))))
    }

    fn own_names(&mut self, node: &Node, path: &str) -> Vec<(ModelName, ModelName)> {
        let mut names = Vec::new();
        for entry in entries(node, "aliases") {
            match (ModelName::parse(&entry.key), value::model_name(&entry.value)) {
                (Ok(alias), Some(target)) => names.push((alias, target)),
                _ => self.report.error(&entry.place, &format!("{path}.aliases"), "expected two model names"),
            }
        }
        names
    }

    fn check_first(&mut self, first: &mut First, key: &VirtualKey, node: &Node, path: &str) {
        let place: &Place = &node.place;
        if let Some(other) = first.hashes.insert(key.hash, path.to_owned()) {
            self.report.error(place, path, format!("the same key as {other}; remove one"));
        }
        let Some(alias) = &key.alias else { return };
        if let Some(other) = first.aliases.insert(alias.clone(), path.to_owned()) {
            self.report.error(
                place,
                &format!("{path}.key_alias"),
                format!("the same key_alias as {other}; rename one"),
            );
        }
    }
}

/// Where each hash and alias was seen first.
#[derive(Default)]
struct First {
    hashes: HashMap<KeyHash, String>,
    aliases: HashMap<String, String>,
}

fn limit(node: &Node, name: &str) -> Option<u64> {
    node.at(name).and_then(value::count)
}

fn limits(node: &Node, name: &str) -> Vec<(String, u64)> {
    let pair = |entry: &crate::config::yaml::Entry| Some((entry.key.clone(), value::count(&entry.value)?));
    entries(node, name).iter().filter_map(pair).collect()
}
