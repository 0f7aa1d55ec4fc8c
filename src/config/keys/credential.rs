//! The keys of one entry of `credential_list`.

use crate::config::kind::Kind;
use crate::config::table::Key;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "credential_list[].credential_name",
        Kind::Text,
        "must be given",
        "What litellm_credential_name of a deployment names.",
        "example-credential",
    ),
    Key::new(
        "credential_list[].credential_values",
        Kind::Object,
        "none",
        "Members of litellm_params, for deployments that do not have them themselves.",
        "{}",
    ),
    Key::new("credential_list[].credential_info", Kind::Object, "none", "What is said of it.", "{}"),
];
