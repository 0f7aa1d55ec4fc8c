//! Who there is: keys, teams, users and everything else that is told to the management API and outlives the process.
//!
//! A record is what somebody wrote, checked; it decides nothing. The [`Roster`] holds them all in memory; `admin` changes
//! it, `store` keeps it, and `exchange` makes of a record what a request is held against. Fields are spelled as in LiteLLM's
//! management API, and a record on file is its JSON.

mod audit;
mod bounds;
mod change;
mod key;
mod model;
mod people;
mod permissions;
mod plain;
mod records;
mod seal;
mod shelf;

pub use audit::{AuditEntry, AuditPage, AuditQuery};
pub use bounds::{Bounds, BudgetLimit, ModelBudget};
pub use change::{BadRecord, Change, Kind, Record};
pub use key::{Key, KeyType, RouteGroup};
pub use model::{AccessGroup, Block, Credential, StoredModel, TagRecord};
pub use people::{
    Budget, Customer, MemberId, Organization, OrganizationMember, Role, Team, TeamMember, TeamRole, User,
};
pub use permissions::Permissions;
pub use plain::{Json, Moment, Stamp, default};
pub use records::{Batch, InMemory, Records, Writer};
pub use seal::{Seal, is_sealed, is_secret, rewrite};
pub use shelf::{Roster, Shelf};
