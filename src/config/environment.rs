//! `os.environ/NAME`: values that stand elsewhere.

use std::sync::Arc;

use super::finding::{Report, Status, shown_key};
use super::load::{Purpose, Surroundings};
use super::table;
use super::yaml::{Node, Value};

const PREFIX: &str = "os.environ/";

/// Replaces every reference in the tree by its value; one whose variable is missing becomes null, as in LiteLLM.
///
/// `environment_variables` are looked up first, and may be references themselves.
pub(super) fn resolve<'a>(root: &mut Node, surroundings: &'a Surroundings<'a>, report: &mut Report) -> Variables<'a> {
    let mut variables = Variables { own: Vec::new(), outer: surroundings };
    if let Some(own) = root.at("environment_variables") {
        variables.own = own
            .entries()
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), variables.value(entry.value.text()?)?)))
            .collect();
    }
    let mut walk = Walk { variables: &variables, report };
    if let Value::Map(entries) = &mut root.value {
        for entry in entries.iter_mut().filter(|entry| entry.key != "environment_variables") {
            walk.node(&mut entry.value, &shown_key(&entry.key));
        }
    }
    variables
}

/// The environment as the configuration sees it.
pub(super) struct Variables<'a> {
    own: Vec<(String, String)>,
    outer: &'a Surroundings<'a>,
}

impl Variables<'_> {
    /// The value of a variable that is set and not empty.
    pub(super) fn find(&self, name: &str) -> Option<String> {
        let own = self.own.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        own.or_else(|| (self.outer.env)(name)).filter(|value| !value.is_empty())
    }

    fn value(&self, text: &str) -> Option<String> {
        text.strip_prefix(PREFIX).map_or_else(|| Some(text.to_owned()), |name| (self.outer.env)(name))
    }
}

struct Walk<'a> {
    variables: &'a Variables<'a>,
    report: &'a mut Report,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut Node, path: &str) {
        match &mut node.value {
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, &format!("{path}[{index}]"));
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.node(&mut entry.value, &format!("{path}.{}", shown_key(&entry.key)));
                }
            }
            Value::Scalar { text, .. } => {
                if let Some(name) = text.strip_prefix(PREFIX).map(Arc::<str>::from) {
                    self.scalar(node, &name, path);
                }
            }
        }
    }

    fn scalar(&mut self, node: &mut Node, name: &Arc<str>, path: &str) {
        let found = self.variables.find(name);
        if found.is_none() {
            self.missing(node, name, path);
        }
        // Only these two words change their type, as in LiteLLM; null is plain and empty.
        let plain =
            found.as_ref().is_none_or(|text| text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"));
        let text = found.map(|text| if plain { text.to_ascii_lowercase() } else { text });
        node.value = Value::Scalar { text: text.unwrap_or_default(), plain };
        node.variable = Some(Arc::clone(name));
    }

    fn missing(&mut self, node: &Node, name: &str, path: &str) {
        let is_api_key = path.ends_with(".litellm_params.api_key");
        let quick = self.variables.outer.purpose == Purpose::QuickStart && is_api_key;
        if quick || !table::covers(path) {
            return;
        }
        let (status, effect) = missing_status(path, is_api_key);
        let reason = format!("the environment variable {} is not set; {effect}", shown_key(name));
        self.report.push(status, &node.place, path, reason);
    }
}

/// A limit or key that is missing would open what it should close; elsewhere LiteLLM goes on with nothing, and so do we.
fn missing_status(path: &str, is_api_key: bool) -> (Status, &'static str) {
    if path == "general_settings.master_key" || path.starts_with("virtual_keys[") {
        return (Status::Error, "set it, or remove this key");
    }
    if is_api_key {
        return (Status::Warning, "requests to this deployment go without it and will probably be refused");
    }
    (Status::Warning, "the key counts as not given; set it, or remove this key")
}
