//! `credential_list`: values that several deployments share, each named by `litellm_params.litellm_credential_name`.

use super::finding::{Report, shown_key};
use super::yaml::{Entry, Node, Value};

/// Puts the values of the credential that a deployment names among its parameters, where it says nothing itself.
pub(super) fn merge(root: &mut Node, report: &mut Report) {
    let list = root.at("credential_list").map_or(&[] as &[Node], Node::items);
    let named = list.iter().filter_map(|item| Some((item.at("credential_name")?.text()?.to_owned(), values(item))));
    let credentials: Vec<_> = named.collect();
    let Value::Map(sections) = &mut root.value else { return };
    let Some(models) = sections.iter_mut().find(|entry| entry.key == "model_list") else { return };
    let Value::List(models) = &mut models.value.value else { return };
    for (index, model) in models.iter_mut().enumerate() {
        let Value::Map(members) = &mut model.value else { continue };
        let Some(params) = members.iter_mut().find(|entry| entry.key == "litellm_params") else { continue };
        let Some(name) = params.value.at("litellm_credential_name").and_then(Node::text) else { continue };
        let Some((_, values)) = credentials.iter().find(|(known, _)| known == name) else {
            let reason = format!("there is no {} in credential_list; requests go without it", shown_key(name));
            let path = format!("model_list[{index}].litellm_params.litellm_credential_name");
            report.warn(&params.place, &path, reason);
            continue;
        };
        let Value::Map(params) = &mut params.value.value else { continue };
        let missing: Vec<_> = values.iter().filter(|value| !params.iter().any(|own| own.key == value.key)).collect();
        params.extend(missing.into_iter().cloned());
    }
}

fn values(credential: &Node) -> Vec<Entry> {
    credential.at("credential_values").map(|values| values.entries().to_vec()).unwrap_or_default()
}
