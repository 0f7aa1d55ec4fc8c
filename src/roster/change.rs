//! One change to the roster, and how it stands on file: a kind, an id and a JSON text.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::key::Key;
use super::model::{AccessGroup, Block, Credential, StoredModel, TagRecord};
use super::people::{Budget, Customer, Organization, OrganizationMember, Team, TeamMember, User};

/// Separates the two halves of a member's id; no id has it.
const BETWEEN: char = '\u{1f}';

/// What a change does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Adds a record, or puts it in the place of the one with its id.
    Put(Record),
    /// Takes one away.
    Remove(Kind, String),
}

macro_rules! kinds {
    ($($kind:ident($record:ty) = $name:literal, |$of:ident| $id:expr;)*) => {
        /// What a record is of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $kind,)*
        }

        /// A record of any kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record {
            $(#[doc = concat!("`", $name, "`")] $kind(Arc<$record>),)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name on file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The kind of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$kind),)* _ => None }
            }
        }

        impl Record {
            /// What it is of.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// What it is found by among its kind.
            pub fn id(&self) -> String {
                match self { $(Self::$kind($of) => $id,)* }
            }

            /// Reads a record as [`Record::to_json`] wrote it.
            ///
            /// # Errors
            /// It is not a record of that kind.
            pub fn from_json(kind: Kind, json: &str) -> Result<Self, BadRecord> {
                match kind { $(Kind::$kind => read(kind, json).map(Self::$kind),)* }
            }

            /// The record as it stands on file.
            ///
            /// # Errors
            /// Never for what was read or checked: a number that JSON cannot say.
            pub fn to_json(&self) -> Result<String, BadRecord> {
                match self {
                    $(Self::$kind(record) => serde_json::to_string(&**record),)*
                }
                .map_err(|error| BadRecord { kind: self.kind(), error: error.to_string() })
            }
        }

        $(impl From<$record> for Record {
            fn from(record: $record) -> Self {
                Self::$kind(Arc::new(record))
            }
        })*
    };
}

kinds! {
    Key(Key) = "key", |key| key.token.to_string();
    Team(Team) = "team", |team| team.team_id.clone();
    TeamMember(TeamMember) = "team_member", |member| pair(&member.team_id, &member.user_id);
    User(User) = "user", |user| user.user_id.clone();
    Customer(Customer) = "customer", |customer| customer.user_id.clone();
    Organization(Organization) = "organization", |organization| organization.organization_id.clone();
    OrganizationMember(OrganizationMember) = "organization_member", |member| pair(&member.organization_id, &member.user_id);
    Budget(Budget) = "budget", |budget| budget.budget_id.clone();
    Tag(TagRecord) = "tag", |tag| tag.name.clone();
    AccessGroup(AccessGroup) = "access_group", |group| group.access_group.clone();
    Credential(Credential) = "credential", |credential| credential.credential_name.clone();
    Model(StoredModel) = "model", |model| model.id.clone();
    Block(Block) = "block", |block| block.block_id.clone();
}

/// The id of a member on file.
pub(super) fn pair(of: &str, user_id: &str) -> String {
    format!("{of}{BETWEEN}{user_id}")
}

/// The other way.
pub(super) fn unpair(id: &str) -> Option<(&str, &str)> {
    id.split_once(BETWEEN)
}

fn read<T: DeserializeOwned>(kind: Kind, json: &str) -> Result<Arc<T>, BadRecord> {
    serde_json::from_str(json).map(Arc::new).map_err(|error| BadRecord { kind, error: error.to_string() })
}

/// A text that is not a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    kind: Kind,
    error: String,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "not a record of a {}: {}", self.kind.as_str(), self.error)
    }
}

impl std::error::Error for BadRecord {}
