//! Models on record: read in the words of the configuration, and put to work beside its own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::served::Served;
use super::world::Surroundings;
use crate::config::{self, Purpose};
use crate::roster::{Json, Seal, StoredModel, is_sealed, rewrite};
use crate::vocabulary::Secret;

/// The variables that hold the key which seals secrets, the first choice first.
pub const SALT_KEYS: [&str; 2] = ["TOLLGATE_SALT_KEY", "LITELLM_SALT_KEY"];
/// Variables whose names have one of these in them are not for models: whoever may add one could send them anywhere.
const OURS: [&str; 3] = ["SALT_KEY", "MASTER_KEY", "TOLLGATE_"];

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

impl Surroundings {
    /// What seals secrets of models on record.
    ///
    /// # Errors
    /// There is no key for it, or it is too short: what to do.
    pub fn seal(&self) -> Result<Seal, String> {
        let salt = SALT_KEYS.iter().find_map(|name| (self.env)(name)).map(Secret::new);
        let salt = salt.ok_or_else(|| {
            format!(
                "secrets are kept encrypted only: set {} (at least 16 characters, and keep it: without it they are lost), \
                 in the environment or as a systemd credential of that name, and start again",
                SALT_KEYS.join(" or ")
            )
        })?;
        Seal::of(&salt).ok_or_else(|| format!("{}: at least 16 characters are expected", SALT_KEYS.join(" or ")))
    }

    /// A model on record as an entry of `model_list`.
    ///
    /// # Errors
    /// Its secrets cannot be opened, its credential is not there, or it makes no sense: why.
    pub fn read_model(&self, model: &StoredModel) -> Result<config::Deployment, String> {
        let params = self.opened(&model.litellm_params)?;
        let params = self.with_credential(params)?;
        let name = serde_json::to_string(&model.model_name).map_err(|error| error.to_string())?;
        let info = if model.model_info.is_null() { "{}" } else { model.model_info.as_str() };
        let info = with_member(info, "id", &model.id)?;
        let text = Zeroizing::new(format!(
            r#"{{"model_list":[{{"model_name":{name},"litellm_params":{},"model_info":{info}}}]}}"#,
            params.as_str()
        ));
        let env = |name: &str| match OURS.iter().any(|ours| name.contains(ours)) {
            true => None,
            false => (self.env)(name),
        };
        let from = config::Surroundings { env: &env, providers: &Served, purpose: Purpose::Serve };
        config::load_deployment(&format!("model {}", model.id), &text, &from)
    }

    fn opened(&self, json: &Json) -> Result<Zeroizing<String>, String> {
        rewrite(json, &|text| self.open(text))
    }

    fn open(&self, text: &str) -> Result<Zeroizing<String>, String> {
        if !is_sealed(text) {
            return Ok(Zeroizing::new(text.to_owned()));
        }
        let opened = self.seal()?.open(text);
        opened.ok_or_else(|| format!("its secrets were encrypted with another {}", SALT_KEYS.join(" or ")))
    }

    /// The values of the credential that is named, where the model says nothing itself.
    fn with_credential(&self, params: Zeroizing<String>) -> Result<Zeroizing<String>, String> {
        let mut members: Members<'_> = serde_json::from_str(&params).map_err(|error| error.to_string())?;
        let named = members.get("litellm_credential_name").map(|name| name.get()).unwrap_or("null");
        let Some(name) = serde_json::from_str::<Option<String>>(named).map_err(|error| error.to_string())? else {
            return Ok(params);
        };
        let found = self.roster.credentials.find(name.as_str());
        let credential =
            found.ok_or_else(|| format!("there is no credential {name:?}: make it with POST /credentials"))?;
        let mut values = Vec::with_capacity(credential.credential_values.len());
        for (name, value) in &credential.credential_values {
            let value = self.open(value)?;
            let value = serde_json::value::to_raw_value(&*value).map_err(|error| error.to_string())?;
            values.push((name.as_str(), value));
        }
        for (name, value) in &values {
            members.entry(Cow::Borrowed(*name)).or_insert(value);
        }
        serde_json::to_string(&members).map(Zeroizing::new).map_err(|error| error.to_string())
    }

    /// All models on record, the oldest first.
    pub(super) fn stored_models(&self) -> Vec<Arc<StoredModel>> {
        let mut models = self.roster.models.all();
        models.sort_unstable_by(|a, b| (a.stamp.created_at, &a.id).cmp(&(b.stamp.created_at, &b.id)));
        models
    }
}

/// A JSON object with one member set to a text.
fn with_member(object: &str, name: &'static str, value: &str) -> Result<String, String> {
    let value = serde_json::value::to_raw_value(value).map_err(|error| error.to_string())?;
    let mut members: Members<'_> = serde_json::from_str(object).map_err(|error| error.to_string())?;
    members.insert(Cow::Borrowed(name), &value);
    serde_json::to_string(&members).map_err(|error| error.to_string())
}
