//! All records in memory, found by their ids.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use parking_lot::Mutex;

use super::change::{self, Change, Kind, Record};
use super::key::Key;
use super::model::{AccessGroup, Block, Credential, StoredModel, TagRecord};
use super::people::{Budget, Customer, MemberId, Organization, OrganizationMember, Team, TeamMember, User};
use super::records::{InMemory, Records, Writer};
use crate::vocabulary::{KeyHash, Now};

/// The records of one kind.
#[derive(Debug)]
pub struct Shelf<I: Eq + Hash, R>(DashMap<I, Arc<R>>);

impl<I: Eq + Hash, R> Default for Shelf<I, R> {
    fn default() -> Self {
        Self(DashMap::new())
    }
}

impl<I: Eq + Hash + Clone, R> Shelf<I, R> {
    /// The record with this id.
    pub fn find<Q>(&self, id: &Q) -> Option<Arc<R>>
    where
        I: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.get(id).map(|record| Arc::clone(&record))
    }

    /// Whether there is one.
    pub fn has<Q>(&self, id: &Q) -> bool
    where
        I: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.contains_key(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that `wanted` says yes to, in no order.
    pub fn filter(&self, mut wanted: impl FnMut(&R) -> bool) -> Vec<Arc<R>> {
        self.0.iter().filter(|record| wanted(record)).map(|record| Arc::clone(&record)).collect()
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<R>> {
        self.filter(|_| true)
    }

    fn put(&self, id: I, record: Arc<R>) {
        self.0.insert(id, record);
    }

    fn remove<Q>(&self, id: &Q)
    where
        I: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.remove(id);
    }
}

/// Everybody and everything on record. Read without waiting; changed by one writer at a time, after the change is on file.
#[derive(Debug, Default)]
pub struct Roster {
    /// Keys, by their hash.
    pub keys: Shelf<KeyHash, Key>,
    /// Teams.
    pub teams: Shelf<String, Team>,
    /// Users in teams.
    pub team_members: Shelf<MemberId, TeamMember>,
    /// Internal users.
    pub users: Shelf<String, User>,
    /// Customers.
    pub customers: Shelf<String, Customer>,
    /// Organizations.
    pub organizations: Shelf<String, Organization>,
    /// Users in organizations.
    pub organization_members: Shelf<MemberId, OrganizationMember>,
    /// Shared budgets.
    pub budgets: Shelf<String, Budget>,
    /// Tags.
    pub tags: Shelf<String, TagRecord>,
    /// Access groups.
    pub access_groups: Shelf<String, AccessGroup>,
    /// Credentials of providers.
    pub credentials: Shelf<String, Credential>,
    /// Deployments that were added.
    pub models: Shelf<String, StoredModel>,
    /// What is switched off.
    pub blocks: Shelf<String, Block>,
    /// Keys by alias.
    aliases: DashMap<String, KeyHash>,
    /// Keys by the hash they had before they were replaced.
    replaced: DashMap<KeyHash, KeyHash>,
    version: AtomicU64,
    groups_version: AtomicU64,
    blocks_version: AtomicU64,
    models_version: AtomicU64,
    writing: Mutex<()>,
    keeper: OnceLock<Arc<dyn Records>>,
}

impl Roster {
    /// Makes changes. Whoever asks afterwards sees them.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            if let Change::Put(Record::AccessGroup(_)) | Change::Remove(Kind::AccessGroup, _) = change {
                self.groups_version.fetch_add(1, Ordering::AcqRel);
            }
            let kind = match &change {
                Change::Put(record) => record.kind(),
                Change::Remove(kind, _) => *kind,
            };
            match change {
                Change::Put(record) => self.put(record),
                Change::Remove(kind, id) => self.remove(kind, &id),
            }
            // Afterwards: whoever sees the new number sees the change.
            match kind {
                Kind::Block => self.blocks_version.fetch_add(1, Ordering::AcqRel),
                Kind::Model | Kind::Credential => self.models_version.fetch_add(1, Ordering::AcqRel),
                _ => continue,
            };
        }
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts changes of access groups: what was compiled from them holds while it stands.
    pub fn groups_version(&self) -> u64 {
        self.groups_version.load(Ordering::Acquire)
    }

    /// Counts changes of what is switched off.
    pub fn blocks_version(&self) -> u64 {
        self.blocks_version.load(Ordering::Acquire)
    }

    /// Counts changes of models and credentials: a routing table that was made of them holds while it stands.
    pub fn models_version(&self) -> u64 {
        self.models_version.load(Ordering::Acquire)
    }

    /// Kind and id of every record, in no order.
    pub fn ids(&self) -> Vec<(Kind, String)> {
        let mut ids = Vec::new();
        let mut add = |record: Record| ids.push((record.kind(), record.id()));
        self.keys.all().into_iter().map(Record::Key).for_each(&mut add);
        self.teams.all().into_iter().map(Record::Team).for_each(&mut add);
        self.team_members.all().into_iter().map(Record::TeamMember).for_each(&mut add);
        self.users.all().into_iter().map(Record::User).for_each(&mut add);
        self.customers.all().into_iter().map(Record::Customer).for_each(&mut add);
        self.organizations.all().into_iter().map(Record::Organization).for_each(&mut add);
        self.organization_members.all().into_iter().map(Record::OrganizationMember).for_each(&mut add);
        self.budgets.all().into_iter().map(Record::Budget).for_each(&mut add);
        self.tags.all().into_iter().map(Record::Tag).for_each(&mut add);
        self.access_groups.all().into_iter().map(Record::AccessGroup).for_each(&mut add);
        self.credentials.all().into_iter().map(Record::Credential).for_each(&mut add);
        self.models.all().into_iter().map(Record::Model).for_each(&mut add);
        self.blocks.all().into_iter().map(Record::Block).for_each(&mut add);
        ids
    }

    /// Keeps every change from now on. The first keeper stays.
    pub fn keep_with(&self, keeper: Arc<dyn Records>) {
        // A second keeper would be a second file.
        let _first_stays = self.keeper.set(keeper);
    }

    /// Who keeps records; this process alone, if nobody was named.
    pub fn keeper(&self) -> Arc<dyn Records> {
        Arc::clone(self.keeper.get_or_init(|| Arc::new(InMemory::default())))
    }

    /// The right to change records, once nobody else has it.
    pub fn write(&self) -> Writer<'_> {
        Writer::new(self, self.writing.lock())
    }

    /// Counts changes: what was derived from the roster holds while it stands.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The key with this hash, or the one that replaced it while the old hash is let in.
    pub fn key(&self, hash: &KeyHash, now: Now) -> Option<Arc<Key>> {
        if let Some(key) = self.keys.find(hash) {
            return Some(key);
        }
        if self.replaced.is_empty() {
            return None;
        }
        let current = *self.replaced.get(hash)?;
        let key = self.keys.find(&current)?;
        let until = key.previous.as_ref().filter(|(old, _)| old == hash).map(|(_, until)| until.0)?;
        (now.wall_ms < until).then_some(key)
    }

    /// The key with this alias.
    pub fn key_by_alias(&self, alias: &str) -> Option<Arc<Key>> {
        let hash = *self.aliases.get(alias)?;
        self.keys.find(&hash)
    }

    /// A user in a team.
    pub fn team_member(&self, team_id: &str, user_id: &str) -> Option<Arc<TeamMember>> {
        self.team_members.find(&MemberId { of: team_id.to_owned(), user_id: user_id.to_owned() })
    }

    /// A user in an organization.
    pub fn organization_member(&self, organization_id: &str, user_id: &str) -> Option<Arc<OrganizationMember>> {
        self.organization_members.find(&MemberId { of: organization_id.to_owned(), user_id: user_id.to_owned() })
    }

    /// A record of any kind by its id on file.
    pub fn find(&self, kind: Kind, id: &str) -> Option<Record> {
        let member = || change::unpair(id).map(|(of, user)| member_id(of, user));
        Some(match kind {
            Kind::Key => Record::Key(self.keys.find(&KeyHash::parse(id)?)?),
            Kind::Team => Record::Team(self.teams.find(id)?),
            Kind::TeamMember => Record::TeamMember(self.team_members.find(&member()?)?),
            Kind::User => Record::User(self.users.find(id)?),
            Kind::Customer => Record::Customer(self.customers.find(id)?),
            Kind::Organization => Record::Organization(self.organizations.find(id)?),
            Kind::OrganizationMember => Record::OrganizationMember(self.organization_members.find(&member()?)?),
            Kind::Budget => Record::Budget(self.budgets.find(id)?),
            Kind::Tag => Record::Tag(self.tags.find(id)?),
            Kind::AccessGroup => Record::AccessGroup(self.access_groups.find(id)?),
            Kind::Credential => Record::Credential(self.credentials.find(id)?),
            Kind::Model => Record::Model(self.models.find(id)?),
            Kind::Block => Record::Block(self.blocks.find(id)?),
        })
    }

    fn put(&self, record: Record) {
        match record {
            Record::Key(key) => self.put_key(key),
            Record::Team(team) => self.teams.put(team.team_id.clone(), team),
            Record::TeamMember(member) => self.team_members.put(member_id(&member.team_id, &member.user_id), member),
            Record::User(user) => self.users.put(user.user_id.clone(), user),
            Record::Customer(customer) => self.customers.put(customer.user_id.clone(), customer),
            Record::Organization(organization) => {
                self.organizations.put(organization.organization_id.clone(), organization);
            }
            Record::OrganizationMember(member) => {
                self.organization_members.put(member_id(&member.organization_id, &member.user_id), member);
            }
            Record::Budget(budget) => self.budgets.put(budget.budget_id.clone(), budget),
            Record::Tag(tag) => self.tags.put(tag.name.clone(), tag),
            Record::AccessGroup(group) => self.access_groups.put(group.access_group.clone(), group),
            Record::Credential(credential) => self.credentials.put(credential.credential_name.clone(), credential),
            Record::Model(model) => self.models.put(model.id.clone(), model),
            Record::Block(block) => self.blocks.put(block.block_id.clone(), block),
        }
    }

    fn put_key(&self, key: Arc<Key>) {
        self.forget_names(&key.token);
        if let Some(alias) = &key.key_alias {
            self.aliases.insert(alias.clone(), key.token);
        }
        if let Some((before, _)) = key.previous {
            self.replaced.insert(before, key.token);
        }
        self.keys.put(key.token, key);
    }

    /// Takes away what leads to a key beside its hash.
    fn forget_names(&self, hash: &KeyHash) {
        let Some(key) = self.keys.find(hash) else { return };
        if let Some(alias) = &key.key_alias {
            self.aliases.remove_if(alias, |_, of| of == hash);
        }
        if let Some((before, _)) = &key.previous {
            self.replaced.remove_if(before, |_, by| by == hash);
        }
    }

    fn remove(&self, kind: Kind, id: &str) {
        match kind {
            Kind::Key => {
                let Some(hash) = KeyHash::parse(id) else { return };
                self.forget_names(&hash);
                self.keys.remove(&hash);
            }
            Kind::Team => self.teams.remove(id),
            Kind::TeamMember => {
                if let Some((of, user)) = change::unpair(id) {
                    self.team_members.remove(&member_id(of, user));
                }
            }
            Kind::User => self.users.remove(id),
            Kind::Customer => self.customers.remove(id),
            Kind::Organization => self.organizations.remove(id),
            Kind::OrganizationMember => {
                if let Some((of, user)) = change::unpair(id) {
                    self.organization_members.remove(&member_id(of, user));
                }
            }
            Kind::Budget => self.budgets.remove(id),
            Kind::Tag => self.tags.remove(id),
            Kind::AccessGroup => self.access_groups.remove(id),
            Kind::Credential => self.credentials.remove(id),
            Kind::Model => self.models.remove(id),
            Kind::Block => self.blocks.remove(id),
        }
    }
}

fn member_id(of: &str, user_id: &str) -> MemberId {
    MemberId { of: of.to_owned(), user_id: user_id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::Moment;
    use crate::vocabulary::Clock;

    fn key(key: &str, alias: &str) -> Key {
        Key { key_alias: Some(alias.to_owned()), ..Key::new(KeyHash::of(key), "sk-...") }
    }

    #[test]
    fn every_record_is_read_as_it_was_written_and_taken_away_by_its_id() {
        let roster = Roster::default();
        let member = TeamMember { team_id: "t".to_owned(), user_id: "u".to_owned(), ..TeamMember::default() };
        for record in [Record::from(key("sk-a", "a")), member.into(), Team::default().into(), Block::default().into()] {
            let again = Record::from_json(record.kind(), &record.to_json().unwrap()).unwrap();
            assert_eq!(again, record);
            roster.apply([Change::Put(again)]);
        }
        assert_eq!((roster.keys.len(), roster.team_members.len(), roster.teams.len()), (1, 1, 1));
        assert!(roster.team_member("t", "u").is_some());
        roster.apply([
            Change::Remove(Kind::Key, KeyHash::of("sk-a").to_string()),
            Change::Remove(Kind::TeamMember, change::pair("t", "u")),
        ]);
        assert!(roster.keys.is_empty() && roster.team_members.is_empty());
        assert!(roster.key_by_alias("a").is_none());
        assert_eq!(roster.version(), 5);
    }

    #[test]
    fn an_alias_follows_its_key() {
        let roster = Roster::default();
        roster.apply([Change::Put(key("sk-a", "one").into())]);
        roster.apply([Change::Put(key("sk-a", "two").into())]);
        assert!(roster.key_by_alias("one").is_none());
        assert_eq!(roster.key_by_alias("two").unwrap().token, KeyHash::of("sk-a"));
    }

    #[test]
    fn a_replaced_key_is_let_in_until_its_grace_ends() {
        let (roster, clock) = (Roster::default(), Clock::manual(1_000));
        let new = Key { previous: Some((KeyHash::of("sk-old"), Moment(2_000))), ..key("sk-new", "k") };
        roster.apply([Change::Put(new.into())]);
        let found = |hash: &str| roster.key(&KeyHash::of(hash), clock.now()).map(|key| key.token);
        assert_eq!((found("sk-old"), found("sk-new")), (Some(KeyHash::of("sk-new")), Some(KeyHash::of("sk-new"))));
        clock.advance(std::time::Duration::from_secs(1));
        assert_eq!((found("sk-old"), found("sk-new")), (None, Some(KeyHash::of("sk-new"))));
    }
}
