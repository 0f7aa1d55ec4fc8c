//! Models, credentials, access groups, tags and blocks on record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::plain::{Json, Moment, Stamp, default};

/// A deployment that was added while the gateway ran (`/model/new`). Secrets in `litellm_params` are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredModel {
    /// `model_info.id`.
    pub id: String,
    /// The model group.
    pub model_name: String,
    /// Provider, model, credentials and limits, as in `model_list`.
    pub litellm_params: Json,
    /// What is known of the model, as in `model_list`.
    #[serde(default, skip_serializing_if = "default")]
    pub model_info: Json,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// Credentials of a provider that several models name by `litellm_credential_name`; the values are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// Its name.
    pub credential_name: String,
    /// The values.
    pub credential_values: BTreeMap<String, String>,
    /// What is said of them.
    #[serde(default, skip_serializing_if = "default")]
    pub credential_info: Json,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// Models that lists of models may name together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccessGroup {
    /// Its name.
    pub access_group: String,
    /// The model groups in it.
    pub model_names: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "default")]
    pub description: Option<String>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// A word that spend is counted under, with a budget of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TagRecord {
    /// The tag.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "default")]
    pub description: Option<String>,
    /// The ids of the deployments it is for.
    #[serde(default, skip_serializing_if = "default")]
    pub models: Vec<String>,
    /// Budgets and limits.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// A shared budget.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_id: Option<String>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// Something that is switched off at once: a model group, a deployment, a key, a team, a tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Its id.
    pub block_id: String,
    /// What kind of thing.
    pub kind: String,
    /// Which.
    pub name: String,
    /// What clients are told.
    #[serde(default, skip_serializing_if = "default")]
    pub message: Option<String>,
    /// The group that takes its requests meanwhile.
    #[serde(default, skip_serializing_if = "default")]
    pub reroute_to: Option<String>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "default")]
    pub until: Option<Moment>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}
