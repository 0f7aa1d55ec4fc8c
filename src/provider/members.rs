//! The members of a JSON object in their order, with values that are carried as they stand.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::chat::{Api, Chat, Raw, Str};

/// Reads and writes an object. Written flattened, it adds its members to another object.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(pub(super) Vec<(Str<'a>, Raw<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// What a chat carries for a provider beside what is translated: members of no other API than this one, each once and
/// not those that are written already.
pub(super) fn beside<'a>(chat: &'a Chat<'_>, api: Api, is_written: impl Fn(&str) -> bool) -> Vec<(Str<'a>, Raw<'a>)> {
    let native = chat.native.iter().filter(|(whose, ..)| *whose == api).map(|(_, name, value)| (name, *value));
    let others = chat.others.iter().chain(&chat.extra).map(|(name, value)| (name, *value));
    let mut out: Vec<(Str<'a>, Raw<'a>)> = Vec::new();
    for (name, value) in others.chain(native) {
        if !is_written(name) && out.iter().all(|(known, _)| known != name) {
            out.push((Str::from(&**name), value));
        }
    }
    out
}
