//! Names that configuration gave, by number. The only source of label values besides the enums of this module.

use std::sync::Arc;

/// Says that a label is not one of ours.
pub(super) const OTHER: &str = "other";

/// All label values of one configuration. Build one per [`crate::config`] and hand it to [`super::Telemetry::handles`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelBook {
    /// Virtual keys, in the order of the settings; [`KeyLabel::Virtual`] counts into it.
    pub keys: Vec<KeyName>,
    /// Model groups (wildcards as written); [`Target::Group`] counts into it.
    pub groups: Vec<Arc<str>>,
    /// Deployments, in the order of the settings; [`Target::Deployment`] counts into it.
    pub deployments: Vec<DeploymentName>,
}

/// What may be shown of a virtual key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyName {
    /// `key_alias`; empty where there is none.
    pub alias: Arc<str>,
    /// The key's SHA-256, or a prefix of it, in hexadecimal.
    pub hash: Arc<str>,
}

/// What may be shown of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeploymentName {
    /// `model_info.id`, or the one that was made up.
    pub id: Arc<str>,
    /// The model group, as configured.
    pub group: Arc<str>,
    /// The provider's name.
    pub provider: Arc<str>,
    /// What the provider calls the model, as configured.
    pub model: Arc<str>,
    /// Scheme and host of the upstream. No path, no query.
    pub api_base: Arc<str>,
}

/// Who asked, as labels know them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyLabel {
    /// Nobody we know: no key, or a wrong one.
    #[default]
    Unknown,
    /// The master key.
    Master,
    /// A virtual key: its place in [`LabelBook::keys`].
    Virtual(u32),
    /// A virtual key that the configuration does not know: see [`super::Handles::late_key`].
    Late(u32),
    /// One of too many of them.
    Other,
}

/// How far routing came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// No model that is configured.
    #[default]
    None,
    /// A model group, by its place in [`LabelBook::groups`], but no deployment was tried.
    Group(u32),
    /// A deployment, by its place in [`LabelBook::deployments`].
    Deployment(u32),
}

impl KeyName {
    pub(super) fn of(word: &str) -> Self {
        Self { alias: word.into(), hash: word.into() }
    }

    pub(super) fn other() -> Self {
        Self::of(OTHER)
    }

    /// The alias, or the first digits of the hash where there is none.
    pub(super) fn shown(&self) -> &str {
        if self.alias.is_empty() { self.hash.get(..12).unwrap_or(&self.hash) } else { &self.alias }
    }
}

impl DeploymentName {
    pub(super) fn group(group: &Arc<str>) -> Self {
        Self { group: Arc::clone(group), model: Arc::clone(group), ..Self::default() }
    }

    pub(super) fn other() -> Self {
        Self { group: OTHER.into(), ..Self::default() }
    }
}

/// What makes a deployment (or a group, or nothing) the same one after a reload: the names that every family shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Served {
    pub(super) id: Arc<str>,
    pub(super) group: Arc<str>,
    pub(super) provider: Arc<str>,
}

impl Served {
    pub(super) fn of(name: &DeploymentName) -> Self {
        Self { id: Arc::clone(&name.id), group: Arc::clone(&name.group), provider: Arc::clone(&name.provider) }
    }
}
