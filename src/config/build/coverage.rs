//! Names that lead nowhere: a key's model that no deployment serves, an alias without a group.

use crate::config::finding::{Report, shown_key};
use crate::config::settings::{Alias, Deployment, VirtualKey};
use crate::config::yaml::Node;

/// Names with a meaning of their own in a key's `models`.
const SPECIAL: [&str; 3] = ["all-proxy-models", "all-team-models", "no-default-models"];

/// Warns of every name that nothing covers.
pub(super) fn check(
    root: &Node,
    deployments: &[Deployment],
    passing: &[Deployment],
    aliases: &[Alias],
    keys: &[VirtualKey],
    report: &mut Report,
) {
    if deployments.is_empty() {
        report.warn(&root.place, "model_list", "no deployment can be used, so every request will be refused");
        return;
    }
    for alias in aliases.iter().filter(|alias| !serves(deployments, &alias.target)) {
        let place = alias_place(root, alias).unwrap_or(&root.place);
        let reason = format!(
            "`{}` stands for `{}`, which no deployment serves",
            shown_key(&alias.alias),
            shown_key(&alias.target)
        );
        report.warn(place, "router_settings.model_group_alias", reason);
    }
    let places = ["router_settings", "litellm_settings"].into_iter().filter_map(|name| Some((name, root.at(name)?)));
    for (section, node) in places {
        for key in ["fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "default_fallbacks"] {
            let Some(entry) = node.entry(key) else { continue };
            let mut targets = Vec::new();
            names_in(&entry.value, &mut targets);
            for (name, place) in targets {
                if !serves(deployments, name) && !aliases.iter().any(|alias| alias.alias == name) {
                    let reason = format!("no deployment or alias is called {}: it is skipped", shown_key(name));
                    report.warn(place, &format!("{section}.{key}"), reason);
                }
            }
        }
    }
    blocks(root, deployments, aliases, report);
    let list = root.at("virtual_keys").map_or(&[] as &[Node], Node::items);
    for (index, node) in list.iter().enumerate() {
        let own = |name: &str| {
            let place = format!("{}:{}", node.place.file, node.place.line);
            keys.iter().any(|key| key.place == place && key.aliases.iter().any(|(alias, _)| alias.as_str() == name))
        };
        for (item, model) in node.at("models").map_or(&[] as &[Node], Node::items).iter().enumerate() {
            let Some(name) = model.text() else { continue };
            // `gemini/*`: any of the models that are reached below a provider's prefix.
            let passed = name.split_once('/').is_some_and(|(to, _)| passing.iter().any(|known| *known.provider == *to));
            if !covered(deployments, aliases, name) && !own(name) && !passed {
                let reason = format!("no deployment, alias or access group is called {}", shown_key(name));
                report.warn(&model.place, &format!("virtual_keys[{index}].models[{item}]"), reason);
            }
        }
    }
}

fn blocks(root: &Node, deployments: &[Deployment], aliases: &[Alias], report: &mut Report) {
    let named = |name: &str| serves(deployments, name) || aliases.iter().any(|alias| alias.alias == name);
    for (index, node) in root.at("blocks").map_or(&[] as &[Node], Node::items).iter().enumerate() {
        let text = |key: &str| node.at(key).and_then(Node::text);
        let known = |name: &str| match text("kind") {
            Some("model") => named(name),
            Some("deployment") => deployments.iter().any(|deployment| *deployment.id == *name),
            _ => true,
        };
        if let Some(name) = text("name").filter(|name| !known(name)) {
            let reason = format!("nothing is called {}, so nothing is switched off", shown_key(name));
            report.warn(&node.place, &format!("blocks[{index}].name"), reason);
        }
        if let Some(name) = text("reroute_to").filter(|name| !named(name)) {
            let reason = format!("no deployment or alias is called {}: requests are refused", shown_key(name));
            report.warn(&node.place, &format!("blocks[{index}].reroute_to"), reason);
        }
    }
}

/// The texts within lists and the values of maps.
fn names_in<'n>(node: &'n Node, out: &mut Vec<(&'n str, &'n crate::config::yaml::Place)>) {
    out.extend(node.text().map(|text| (text, &node.place)));
    node.items().iter().for_each(|item| names_in(item, out));
    node.entries().iter().for_each(|entry| names_in(&entry.value, out));
}

fn alias_place<'a>(root: &'a Node, alias: &Alias) -> Option<&'a crate::config::yaml::Place> {
    let groups = root.at("router_settings").and_then(|router| router.at("model_group_alias"));
    let renames = root.at("litellm_settings").and_then(|litellm| litellm.at("model_alias_map"));
    groups.into_iter().chain(renames).find_map(|map| map.entry(&alias.alias)).map(|entry| &entry.place)
}

fn covered(deployments: &[Deployment], aliases: &[Alias], name: &str) -> bool {
    SPECIAL.contains(&name)
        || aliases.iter().any(|alias| alias.alias == name)
        || deployments.iter().any(|deployment| deployment.access_groups.iter().any(|group| group == name))
        || serves(deployments, name)
        || name.contains('*') && deployments.iter().any(|deployment| matches(name, &deployment.model_name))
}

fn serves(deployments: &[Deployment], name: &str) -> bool {
    deployments.iter().any(|deployment| matches(&deployment.model_name, name))
}

/// Whether a pattern, in which `*` stands for any text, covers a name.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return name.ends_with(part);
        }
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name) in
            [("*", "x"), ("openai/*", "openai/gpt-4o"), ("a*c*e", "abcde"), ("x", "x"), ("openai/*", "openai/*")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("openai/*", "azure/gpt"), ("x", "y"), ("a*c*e", "aec"), ("*x", "xy")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
