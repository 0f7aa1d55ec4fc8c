//! The keys at the top of the file.

use crate::config::kind::Kind;
use crate::config::table::Key;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "include",
        Kind::Names,
        "none",
        "Other files, relative to this one: their lists are appended, their other keys replace.",
        "[]",
    ),
    Key::new(
        "environment_variables",
        Kind::Object,
        "none",
        "Values that os.environ/NAME finds before the environment; they are not set in the process.",
        "{EXAMPLE_REGION: eu}",
    ),
    Key::new("model_list", Kind::Sections, "none", "The deployments; equal names share the load.", "[]"),
    Key::new(
        "credential_list",
        Kind::Sections,
        "none",
        "Credentials that several deployments name by litellm_credential_name.",
        "[]",
    ),
    Key::new("litellm_settings", Kind::Section, "empty", "How requests are handled.", "{}"),
    Key::new("router_settings", Kind::Section, "empty", "How a deployment is chosen, and tried again.", "{}"),
    Key::new("general_settings", Kind::Section, "empty", "The gateway itself: access, sizes, deadlines.", "{}"),
    Key::new(
        "virtual_keys",
        Kind::Sections,
        "none",
        "Keys for callers, declared here; fields as in /key/generate.",
        "[]",
    ),
    Key::new(
        "blocks",
        Kind::Sections,
        "none",
        "What is switched off at once: models, deployments, keys, teams, tags, features. Send SIGHUP.",
        "[]",
    ),
];
