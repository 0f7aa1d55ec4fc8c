//! The walk over every key of the file: known or not, and its value against the table.

use super::finding::{Report, Status, shown_key, shown_value};
use super::keys;
use super::kind::Kind;
use super::routing::{Affinity, Strategy};
use super::table::{self, Key};
use super::yaml::{Entry, Node, Value};

/// Strategies of LiteLLM's that are not there.
const STRATEGIES: [&str; 2] = ["lar1", "complexity-based-routing"];

/// Notes one finding per key.
pub(super) fn audit(root: &Node, report: &mut Report) {
    Audit { report }.section(root, "", "");
}

struct Audit<'a> {
    report: &'a mut Report,
}

impl Audit<'_> {
    /// `section` is the path without indices, `path` the one with them.
    fn section(&mut self, map: &Node, section: &str, path: &str) {
        for entry in map.entries() {
            let pattern = join(section, &entry.key);
            let path = join(path, &shown_key(&entry.key));
            match table::find(&pattern) {
                Some(key) => self.known(key, entry, &pattern, &path),
                None => self.foreign(entry, section, &path),
            }
        }
    }

    fn known(&mut self, key: &Key, entry: &Entry, pattern: &str, path: &str) {
        let node = &entry.value;
        if !node.is_null() && !key.kind.accepts(node) {
            return self.unfit(key, entry, path);
        }
        self.report.push(Status::Supported, &entry.place, path, key.meaning);
        match key.kind {
            Kind::Section => self.section(node, pattern, path),
            Kind::Sections => self.sections(node, pattern, path),
            Kind::Callbacks => self.callbacks(entry, path),
            Kind::Strategy => self.strategy(entry, path),
            Kind::Checks => self.checks(&entry.value, path),
            Kind::ChecksOf => {
                let lists = entry.value.entries().iter();
                lists.for_each(|list| self.checks(&list.value, &join(path, &list.key)));
            }
            _ => {}
        }
    }

    fn unfit(&mut self, key: &Key, entry: &Entry, path: &str) {
        let found = match (&entry.value.value, key.kind.is_secret()) {
            (Value::Scalar { .. }, true) => String::from("something else"),
            (Value::Map(_), true) if key.kind == Kind::Headers => String::from("another name or value"),
            _ => shown_value(&entry.value),
        };
        let reason = format!("expected {}, found {found}", key.kind.expected());
        self.report.error(&entry.place, path, reason);
    }

    fn sections(&mut self, list: &Node, pattern: &str, path: &str) {
        for (index, item) in list.items().iter().enumerate() {
            let path = format!("{path}[{index}]");
            if matches!(item.value, Value::Map(_)) {
                self.section(item, &format!("{pattern}[]"), &path);
            } else {
                let reason = format!("expected a map of keys and values, found {}", shown_value(item));
                self.report.error(&item.place, &path, reason);
            }
        }
    }

    fn callbacks(&mut self, entry: &Entry, path: &str) {
        let single = std::slice::from_ref(&entry.value);
        let names = if entry.value.text().is_some() { single } else { entry.value.items() };
        for (index, node) in names.iter().enumerate() {
            let Some(name) = node.text() else { continue };
            let path = if entry.value.text().is_some() { path.to_owned() } else { format!("{path}[{index}]") };
            let shown = shown_key(name);
            if name.contains('.') {
                let advice = "use the log or /metrics, or a proxy in front";
                let reason = format!("`{shown}` is Python, which cannot run here; {advice}");
                self.report.push(Status::Refused, &node.place, &path, reason);
            } else if name != "prometheus" {
                let reason = format!("LiteLLM's `{shown}` integration has no effect here yet; use the log or /metrics");
                self.report.push(Status::Ignored, &node.place, &path, reason);
            }
        }
    }

    fn strategy(&mut self, entry: &Entry, path: &str) {
        let Some(name) = entry.value.text().filter(|name| Strategy::parse(name).is_none()) else { return };
        if STRATEGIES.contains(&name) {
            let reason = format!("LiteLLM's `{name}` has no effect here yet; simple-shuffle is used");
            return self.report.push(Status::Ignored, &entry.place, path, reason);
        }
        let found = shown_value(&entry.value);
        let names = Strategy::NAMES.map(|(name, _)| name).join(", ");
        let reason = format!("expected one of {names}, found {found}");
        self.report.error(&entry.place, path, reason);
    }

    fn checks(&mut self, list: &Node, path: &str) {
        for (index, node) in list.items().iter().enumerate() {
            let Some(name) = node.text().filter(|name| !Affinity::NAMES.contains(name)) else { continue };
            let path = format!("{path}[{index}]");
            if Affinity::FOREIGN.contains(&name) {
                let reason = format!("LiteLLM's `{name}` has no effect here yet{}", check_note(name));
                self.report.push(Status::Ignored, &node.place, &path, reason);
            } else {
                let names = Affinity::NAMES.join(", ");
                let reason = format!("expected one of {names}, found {}", shown_value(node));
                self.report.error(&node.place, &path, reason);
            }
        }
    }

    fn foreign(&mut self, entry: &Entry, section: &str, path: &str) {
        let (name, shown) = (entry.key.as_str(), shown_key(&entry.key));
        // A hook that is set to nothing is not set.
        if let Some(instead) = keys::instead(section, name).filter(|_| !is_empty(&entry.value)) {
            let reason = format!("`{shown}` is Python, which cannot run here; {instead}");
            return self.report.push(Status::Refused, &entry.place, path, reason);
        }
        if section.is_empty() && name == "guardrails" {
            self.guardrails(&entry.value, path);
        }
        if keys::is_foreign(section, name) || keys::instead(section, name).is_some() {
            let note = keys::note(name).map(|note| format!(": {note}")).unwrap_or_default();
            let reason = format!("LiteLLM's `{shown}` has no effect here yet{note}");
            return self.report.push(Status::Ignored, &entry.place, path, reason);
        }
        self.unknown(entry, section, path);
    }

    fn guardrails(&mut self, list: &Node, path: &str) {
        for (index, item) in list.items().iter().enumerate() {
            let params = item.at("litellm_params");
            let Some(entry) = params.and_then(|params| params.entry("guardrail")) else { continue };
            if entry.value.text().is_some_and(|name| name.contains('.')) {
                let path = format!("{path}[{index}].litellm_params.guardrail");
                let reason = "a guardrail in Python cannot run here; check requests in a proxy in front";
                self.report.push(Status::Refused, &entry.place, &path, reason);
            }
        }
    }

    fn unknown(&mut self, entry: &Entry, section: &str, path: &str) {
        let advice = table::advice(section, &entry.key);
        let mut reason = match section {
            "model_list[].litellm_params" => {
                String::from("not a known key: sent to the provider in the request body, as LiteLLM does")
            }
            "model_list[].model_info" => String::from("not a known key: kept for nothing but the reader"),
            _ => String::from("not a known key: it has no effect"),
        };
        reason.push_str(&advice.map(|advice| format!("; {advice}")).unwrap_or_default());
        self.report.warn(&entry.place, path, reason);
    }
}

fn check_note(name: &str) -> &'static str {
    if name == "enforce_model_rate_limits" { ": rpm and tpm of deployments always hold" } else { "" }
}

fn is_empty(node: &Node) -> bool {
    node.is_null() || matches!(&node.value, Value::List(items) if items.is_empty())
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    fn findings(text: &str) -> Vec<(Status, String)> {
        let mut report = Report::default();
        audit(&yaml::parse(&"c.yaml".into(), text).unwrap(), &mut report);
        report.settle();
        report.findings.iter().map(|finding| (finding.status, finding.to_string())).collect()
    }

    fn one(text: &str, status: Status) -> String {
        let found = findings(text);
        found.iter().find(|(found, _)| *found == status).unwrap_or_else(|| panic!("{found:?}")).1.clone()
    }

    #[test]
    fn a_bad_value_says_where_what_and_what_was_expected() {
        assert_eq!(
            one("litellm_settings:\n  max_budget: \"25,00\"\n", Status::Error),
            "c.yaml:2: litellm_settings.max_budget: expected dollars like 25.00, found \"25,00\""
        );
        let rpm = "model_list:\n- model_name: a\n  litellm_params: {rpm: -1}\n";
        assert!(one(rpm, Status::Error).starts_with("c.yaml:3: model_list[0].litellm_params.rpm: expected a whole"));
    }

    #[test]
    fn the_four_fates_of_a_key() {
        assert!(one("general_settings: {otel: true}", Status::Ignored).contains("`otel` has no effect"));
        assert!(one("general_settings: {custom_auth: a.b}", Status::Refused).contains("virtual_keys"));
        assert!(one("general_setings: {}", Status::Warning).contains("did you mean `general_settings`?"));
        assert!(one("litellm_settings: {drop_params: on}", Status::Supported).contains("litellm_settings"));
    }

    #[test]
    fn python_callbacks_are_refused_and_named_ones_ignored() {
        assert!(one("litellm_settings: {callbacks: my.hook}", Status::Refused).contains("Python"));
        assert!(one("litellm_settings: {callbacks: [langfuse]}", Status::Ignored).contains("callbacks[0]"));
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_not_repeated() {
        let found = findings("general_settings: {master_key: \"hunter2\\nhunter2\"}");
        assert!(!found.iter().any(|(_, text)| text.contains("hunter2")), "{found:?}");
    }
}
