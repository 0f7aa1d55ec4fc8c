//! Parameters of a carried call that its provider has under another name, or not at all.

use super::Deployment;
use super::plan::Planned;
use crate::chat;
use crate::json;
use crate::provider::Quirks;
use crate::vocabulary::Fault;

/// What becomes of a carried call's parameters.
#[derive(Debug, Default)]
pub(super) struct Fitted {
    /// Members that must not arrive.
    pub(super) cut: smallvec::SmallVec<[usize; 8]>,
    /// Members that arrive under another name.
    pub(super) renamed: smallvec::SmallVec<[(usize, &'static str); 2]>,
    /// What is left out and has to be told, by name.
    pub(super) dropped: Vec<String>,
}

/// What clients and configuration say of parameters that a provider does not take.
pub(super) struct Say<'a> {
    /// They are left out.
    pub(super) drop: bool,
    /// These are passed on all the same.
    pub(super) allowed: Vec<&'a str>,
}

impl Planned {
    /// What is said of parameters for a deployment: by the client, else by its entry, else for all.
    pub(super) fn say<'a>(&'a self, deployment: &'a Deployment) -> Say<'a> {
        let (own, settings) = (&self.request.wishes, &deployment.settings);
        let drop = own.drop_params.or(settings.drop_params).unwrap_or(self.common.world.settings.drop_params);
        let allowed = settings.allowed_openai_params.iter().chain(&own.allowed_params).map(String::as_str).collect();
        Say { drop, allowed }
    }
}

/// Fits a carried call's parameters to the provider.
///
/// # Errors
/// One is not supported and shall be refused: a 400 that names it.
pub(super) fn fit(
    planned: &Planned,
    deployment: &Deployment,
    model: &str,
    quirks: &'static Quirks,
) -> Result<Fitted, Fault> {
    let (request, say) = (&planned.request, planned.say(deployment));
    let body = &request.body[..];
    let mut fitted = Fitted::default();
    let found = |name: &str| request.document.find(body, name);
    let value = |member: usize| request.document.members[member].value.of(body);
    for (name, theirs) in quirks.renamed {
        match found(name) {
            Some(member) if found(theirs).is_some() || json::is_null(value(member)) => fitted.cut.push(member),
            Some(member) => fitted.renamed.push((member, theirs)),
            None => {}
        }
    }
    fitted.cut.extend(quirks.silent.iter().filter(|name| !say.allowed.contains(*name)).filter_map(|name| found(name)));
    let mut refused = Vec::new();
    for (names, for_certain) in [(quirks.refused, true), (quirks.unwanted, false)] {
        for (name, member) in names.iter().filter_map(|name| Some((*name, found(name)?))) {
            let usual = name == "temperature" && matches!(value(member), b"1" | b"1.0");
            if usual || say.allowed.contains(&name) {
                continue;
            }
            match (json::is_null(value(member)), say.drop, for_certain) {
                (false, false, true) => refused.push(name.to_owned()),
                (false, false, false) => {}
                (is_null, ..) => {
                    fitted.cut.push(member);
                    fitted.dropped.extend((!is_null).then(|| name.to_owned()));
                }
            }
        }
    }
    match refused.is_empty() {
        true => Ok(fitted),
        false => Err(chat::unsupported_params(refused, deployment.provider.name(), model)),
    }
}
