//! The keys of one entry of `blocks`.

use crate::config::kind::Kind;
use crate::config::table::Key;
use crate::vocabulary::BlockKind;

pub(super) const KEYS: &[Key] = &[
    Key::new("blocks[].kind", Kind::Choice(&BlockKind::NAMES), "must be given", "What kind of thing.", "tag"),
    Key::new(
        "blocks[].name",
        Kind::Text,
        "must be given",
        "Which: a model group, model_info.id, key_alias or hash, team_id, tag, or a call, streaming or tools.",
        "example-tag",
    ),
    Key::new(
        "blocks[].message",
        Kind::Text,
        "that it is switched off",
        "What clients are told, with status 403.",
        "Back on Monday.",
    ),
    Key::new(
        "blocks[].reroute_to",
        Kind::Model,
        "none: requests are refused",
        "The model group that takes the requests meanwhile, whatever the key may use.",
        "example-chat",
    ),
    Key::new(
        "blocks[].until",
        Kind::Instant,
        "until it is taken out",
        "When it is switched on again by itself.",
        "2030-01-31T00:00:00Z",
    ),
];
