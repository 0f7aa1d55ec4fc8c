//! Counters of one configuration, found by number: no label is hashed while an exchange closes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::event::Endpoint;
use super::inventory;
use super::labels::{DeploymentName, KeyLabel, KeyName, LabelBook, Served, Target};
use super::store::{Block, Course, LATE_KEYS_MAX, Place, Store};
use crate::vocabulary::KeyHash;

/// The labels and counters of one configuration. Cheap to clone; keep it beside the configuration it was made for.
#[derive(Clone, Debug)]
pub struct Handles(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    book: LabelBook,
    store: Arc<Store>,
    unknown: KeyName,
    master: KeyName,
    nothing: DeploymentName,
    /// Nothing, then the groups, then the deployments.
    targets: Vec<DeploymentName>,
    /// One row per key: nobody, the master key, then the virtual keys. Made when first used.
    rows: Box<[OnceLock<Row>]>,
    /// The same for keys that came later, by their place in [`Store::late_keys`].
    late: RwLock<Vec<Arc<OnceLock<Row>>>>,
    /// For keys that found no room: the same without the key's name.
    unkeyed: Row,
    /// One per target.
    courses: Box<[OnceLock<Arc<Course>>]>,
}

/// One block per target and endpoint, made when first used.
type Row = Box<[OnceLock<Arc<Block>>]>;

impl Handles {
    /// The names the numbers stand for.
    pub fn labels(&self) -> &LabelBook {
        &self.0.book
    }

    pub(super) fn new(book: LabelBook, store: Arc<Store>) -> Self {
        let targets = targets(&book);
        let inner = Inner {
            unknown: KeyName::of("none"),
            master: KeyName::of("master"),
            nothing: DeploymentName::other(),
            rows: empty(book.keys.len().saturating_add(2)),
            late: RwLock::default(),
            unkeyed: empty(targets.len().saturating_mul(Endpoint::ALL.len())),
            courses: empty(targets.len()),
            targets,
            book,
            store,
        };
        inner.adopt();
        Self(Arc::new(inner))
    }

    /// The most series of blocks and courses this configuration asks for, were there room without end.
    pub(super) fn series_wanted(&self) -> usize {
        let targets = self.0.targets.len();
        let blocks = self.0.rows.len().saturating_mul(targets).saturating_mul(Endpoint::ALL.len());
        let courses = targets.saturating_mul(inventory::per_course());
        blocks.saturating_mul(inventory::per_block()).saturating_add(courses)
    }

    pub(super) fn key(&self, key: KeyLabel) -> KeyName {
        self.0.key_name(key)
    }

    /// The label of a key that the configuration does not know; nobody's once there are too many.
    pub fn late_key(&self, alias: Option<&str>, hash: &KeyHash) -> KeyLabel {
        let name = KeyName { alias: alias.unwrap_or_default().into(), hash: hash.to_string().into() };
        self.0.store.late_key(name).map_or(KeyLabel::Other, KeyLabel::Late)
    }

    pub(super) fn target(&self, target: Target) -> &DeploymentName {
        self.0.target(self.0.target_index(target))
    }

    pub(super) fn block(&self, key: KeyLabel, target: Target, endpoint: Endpoint) -> Arc<Block> {
        let target = self.0.target_index(target);
        self.0.keyed(key, target, endpoint).unwrap_or_else(|| self.0.unkeyed(target, endpoint))
    }

    pub(super) fn course(&self, target: Target) -> Arc<Course> {
        let index = self.0.target_index(target);
        let name = self.0.target(index);
        let Some(cell) = self.0.courses.get(index) else { return self.0.store.course(name) };
        Arc::clone(cell.get_or_init(|| self.0.store.course(name)))
    }
}

impl Inner {
    /// The place of a target in `targets`; what is not configured is nothing.
    fn target_index(&self, target: Target) -> usize {
        let (first, len, index) = match target {
            Target::None => return 0,
            Target::Group(index) => (1, self.book.groups.len(), index),
            Target::Deployment(index) => (1 + self.book.groups.len(), self.book.deployments.len(), index),
        };
        usize::try_from(index).ok().filter(|index| *index < len).map_or(0, |index| first + index)
    }

    fn target(&self, index: usize) -> &DeploymentName {
        self.targets.get(index).unwrap_or(&self.nothing)
    }

    fn keyed(&self, key: KeyLabel, target: usize, endpoint: Endpoint) -> Option<Arc<Block>> {
        let index = match key {
            KeyLabel::Unknown => 0,
            KeyLabel::Master => 1,
            KeyLabel::Virtual(index) => usize::try_from(index).map_or(0, |index| index.saturating_add(2)),
            KeyLabel::Late(index) => return self.keyed_in(&*self.late_row(index)?, key, target, endpoint),
            KeyLabel::Other => return None,
        };
        let row_cell = self.rows.get(index).or_else(|| self.rows.first())?;
        self.keyed_in(row_cell, key, target, endpoint)
    }

    /// The row of a key that came later, made when first asked for.
    fn late_row(&self, index: u32) -> Option<Arc<OnceLock<Row>>> {
        let index = usize::try_from(index).ok().filter(|index| *index < LATE_KEYS_MAX)?;
        if let Some(row) = self.late.read().get(index) {
            return Some(Arc::clone(row));
        }
        let mut rows = self.late.write();
        while rows.len() <= index {
            rows.push(Arc::default());
        }
        rows.get(index).cloned()
    }

    fn keyed_in(
        &self,
        row_cell: &OnceLock<Row>,
        key: KeyLabel,
        target: usize,
        endpoint: Endpoint,
    ) -> Option<Arc<Block>> {
        if row_cell.get().is_none() && !self.store.has_room_for_key() {
            return None;
        }
        let row = row_cell.get_or_init(|| empty(self.unkeyed.len()));
        let cell = row.get(cell_index(target, endpoint))?;
        if let Some(block) = cell.get() {
            return Some(Arc::clone(block));
        }
        if !self.store.has_room_for_key() {
            return None;
        }
        let name = self.target(target);
        let place = Place { key: self.key_name(key), served: Served::of(name), endpoint };
        let block = self.store.keyed_block(place, name)?;
        Some(Arc::clone(cell.get_or_init(|| block)))
    }

    fn unkeyed(&self, target: usize, endpoint: Endpoint) -> Arc<Block> {
        self.store.count_collapsed();
        let name = self.target(target);
        let make = || self.store.unkeyed_block(Served::of(name), endpoint, name);
        self.unkeyed.get(cell_index(target, endpoint)).map_or_else(make, |cell| Arc::clone(cell.get_or_init(make)))
    }

    fn key_name(&self, key: KeyLabel) -> KeyName {
        match key {
            KeyLabel::Unknown => self.unknown.clone(),
            KeyLabel::Master => self.master.clone(),
            KeyLabel::Virtual(index) => at(&self.book.keys, index).unwrap_or(&self.unknown).clone(),
            KeyLabel::Late(index) => self.store.late_name(index).unwrap_or_else(KeyName::other),
            KeyLabel::Other => KeyName::other(),
        }
    }

    /// Takes over the counters of an earlier configuration that have the same names.
    fn adopt(&self) {
        let targets: HashMap<Served, usize> =
            self.targets.iter().enumerate().rev().map(|(index, name)| (Served::of(name), index)).collect();
        let keys: HashMap<&KeyName, usize> = self.key_names().rev().collect();
        let late: HashMap<KeyName, u32> = self.store.late_names();
        for block in self.store.blocks() {
            let Some(&target) = targets.get(&block.place.served) else { continue };
            block.shown.store(Arc::new(self.target(target).clone()));
            let late_row = late.get(&block.place.key).and_then(|index| self.late_row(*index));
            let row = match keys.get(&block.place.key).and_then(|&key| self.rows.get(key)).or(late_row.as_deref()) {
                Some(row) => row.get_or_init(|| empty(self.unkeyed.len())),
                None if block.place.key == KeyName::other() => &self.unkeyed,
                None => continue,
            };
            if let Some(cell) = row.get(cell_index(target, block.place.endpoint)) {
                cell.get_or_init(|| block);
            }
        }
        for course in self.store.courses() {
            let Some(&target) = targets.get(&course.served) else { continue };
            course.shown.store(Arc::new(self.target(target).clone()));
            if let Some(cell) = self.courses.get(target) {
                cell.get_or_init(|| course);
            }
        }
    }

    /// Every key's name with its row, in order.
    fn key_names(&self) -> impl DoubleEndedIterator<Item = (&KeyName, usize)> {
        let virtual_keys = self.book.keys.iter().enumerate().map(|(index, name)| (name, index + 2));
        [(&self.unknown, 0), (&self.master, 1)].into_iter().chain(virtual_keys)
    }
}

fn targets(book: &LabelBook) -> Vec<DeploymentName> {
    let groups = book.groups.iter().map(DeploymentName::group);
    std::iter::once(DeploymentName::other()).chain(groups).chain(book.deployments.iter().cloned()).collect()
}

fn cell_index(target: usize, endpoint: Endpoint) -> usize {
    target * Endpoint::ALL.len() + endpoint.index()
}

fn at<T>(list: &[T], index: u32) -> Option<&T> {
    list.get(usize::try_from(index).ok()?)
}

fn empty<T>(len: usize) -> Box<[OnceLock<T>]> {
    (0..len).map(|_| OnceLock::new()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::event::Outcome;
    use crate::vocabulary::PicoUsd;

    fn book(keys: usize) -> LabelBook {
        LabelBook {
            keys: (0..keys)
                .map(|n| KeyName { alias: format!("key {n}").into(), hash: format!("{n:064}").into() })
                .collect(),
            groups: vec!["gpt-4o".into()],
            deployments: vec![DeploymentName { id: "one".into(), group: "gpt-4o".into(), ..DeploymentName::default() }],
        }
    }

    fn count(handles: &Handles, key: u32) -> Arc<Block> {
        let block = handles.block(KeyLabel::Virtual(key), Target::Deployment(0), Endpoint::Embeddings);
        block.count(200, Outcome::Complete, None, PicoUsd(3), PicoUsd::ZERO);
        block
    }

    #[test]
    fn the_same_numbers_find_the_same_block() {
        let handles = Handles::new(book(2), Arc::new(Store::new(10_000)));
        assert!(Arc::ptr_eq(&count(&handles, 0), &count(&handles, 0)));
        assert!(!Arc::ptr_eq(&count(&handles, 0), &count(&handles, 1)));
        assert_eq!(&*count(&handles, 1).place.key.alias, "key 1");
        assert_eq!(&*count(&handles, 99).place.key.alias, "none", "a number that is not in the book is nobody");
    }

    #[test]
    fn counters_go_on_over_a_reload_and_those_without_a_name_go() {
        let store = Arc::new(Store::new(10_000));
        let before = Handles::new(book(2), Arc::clone(&store));
        count(&before, 0);
        count(&before, 1);
        let after = Handles::new(book(1), Arc::clone(&store));
        store.retire();
        assert_eq!(store.blocks().len(), 3, "the old configuration is still in use");
        drop(before);
        store.retire();
        assert_eq!(store.blocks().len(), 2);
        assert_eq!(count(&after, 0).requests.total(), 2);
    }

    #[test]
    fn without_room_keys_lose_their_names_but_nothing_is_lost() {
        let store = Arc::new(Store::new(inventory::per_block() * 8));
        let handles = Handles::new(book(100), Arc::clone(&store));
        (0..100).for_each(|key| drop(count(&handles, key)));
        let blocks = store.blocks();
        assert!(blocks.len() <= 9, "{}", blocks.len());
        assert_eq!(blocks.iter().map(|block| block.requests.total()).sum::<u64>(), 100);
        assert!(blocks.iter().any(|block| &*block.place.key.alias == "other" && &*block.place.served.id == "one"));
    }
}
