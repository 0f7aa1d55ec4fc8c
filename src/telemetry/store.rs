//! All counters that have labels from configuration, and the room there is for them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::vocabulary::{PicoUsd, Usage};

use super::atoms::{Histogram, LATENCY, OVERHEAD, PER_TOKEN, Slots};
use super::event::{Endpoint, Outcome};
use super::inventory;
use super::kinds;
use super::labels::{DeploymentName, KeyName, Served};

/// Statuses and outcomes one block tells apart; more share `other`.
pub(super) const REQUEST_SLOTS: usize = 16;
/// Outcomes of attempts one course tells apart; more share `other`.
pub(super) const ATTEMPT_SLOTS: usize = 12;
/// Statuses that a deployment can be set aside by: one for each failure.
pub(super) const COOLED_SLOTS: usize = 10;

/// Kinds of tokens, as labels. The first two are totals, the others parts of them.
pub(super) const TOKEN_KINDS: [&str; 7] =
    ["input", "output", "cache_read", "cache_write", "reasoning", "audio_in", "audio_out"];

/// Why spend was wasted, as labels: a hedge that another attempt was quicker than, a client that left, an answer that
/// broke off.
pub(super) const WASTES: [&str; 3] = ["hedge", "aborted", "broken"];

/// What names a block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) key: KeyName,
    pub(super) served: Served,
    pub(super) endpoint: Endpoint,
}

/// What one key did at one deployment (or group, or nowhere) over one endpoint.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) place: Place,
    pub(super) shown: ArcSwap<DeploymentName>,
    pub(super) requests: Slots<REQUEST_SLOTS>,
    pub(super) tokens: [AtomicU64; TOKEN_KINDS.len()],
    pub(super) spend_pico: AtomicU64,
    /// What of it was for nothing, by [`WASTES`].
    pub(super) wasted_pico: [AtomicU64; WASTES.len()],
}

impl Block {
    fn new(place: Place, shown: DeploymentName) -> Self {
        Self {
            place,
            shown: ArcSwap::from_pointee(shown),
            requests: Slots::default(),
            tokens: Default::default(),
            spend_pico: AtomicU64::new(0),
            wasted_pico: Default::default(),
        }
    }

    /// Counts one exchange. `lost` is the part of its cost for an attempt that another was quicker than.
    pub(super) fn count(&self, status: u16, outcome: Outcome, usage: Option<&Usage>, cost: PicoUsd, lost: PicoUsd) {
        self.requests.add(request_code(status, outcome));
        if let Some(usage) = usage {
            self.count_tokens(usage);
        }
        let aborted = outcome == Outcome::ClientGone;
        let broken = !aborted && outcome != Outcome::Complete;
        let answer = cost.minus(lost);
        let wasted = [Some(lost), aborted.then_some(answer), broken.then_some(answer)];
        let totals = self.wasted_pico.iter().zip(wasted);
        for (total, amount) in totals.chain([(&self.spend_pico, Some(cost))]) {
            if let Some(pico) = amount.and_then(|amount| u64::try_from(amount.0).ok()) {
                total.fetch_add(pico, Ordering::Relaxed);
            }
        }
    }

    fn count_tokens(&self, usage: &Usage) {
        let counts = [
            usage.prompt,
            usage.completion,
            usage.cache_read,
            usage.cache_write.saturating_add(usage.cache_write_1h),
            usage.reasoning,
            usage.audio_in,
            usage.audio_out,
        ];
        for (total, count) in self.tokens.iter().zip(counts) {
            if count > 0 {
                total.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

pub(super) fn request_code(status: u16, outcome: Outcome) -> u32 {
    let outcome = u32::try_from(outcome.index()).unwrap_or(0) + 1;
    u32::from(kinds::common_status(status)) << 8 | outcome
}

/// Status (zero: not a common one) and outcome of a code; None for the shared cell.
pub(super) fn request_of(code: u32) -> Option<(u16, Outcome)> {
    let outcome = Outcome::ALL.get(usize::try_from(code & 0xff).ok()?.checked_sub(1)?)?;
    Some((u16::try_from(code >> 8).ok()?, *outcome))
}

/// How one deployment fares.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) served: Served,
    pub(super) shown: ArcSwap<DeploymentName>,
    pub(super) total: Histogram,
    pub(super) upstream: Histogram,
    pub(super) first_token: Histogram,
    pub(super) per_token: Histogram,
    pub(super) overhead: Histogram,
    pub(super) attempts: Slots<ATTEMPT_SLOTS>,
    pub(super) retries: AtomicU64,
    /// How often it was set aside, by status.
    pub(super) cooled: Slots<COOLED_SLOTS>,
    /// Requests that came from another group, and how those ended.
    pub(super) fallbacks_answered: AtomicU64,
    pub(super) fallbacks_failed: AtomicU64,
    /// Requests that are kept at one deployment and came to theirs, and that came to another.
    pub(super) at_home: [AtomicU64; 2],
    /// Input tokens, and those of them that were read from the provider's cache.
    pub(super) prompt: AtomicU64,
    pub(super) cached: AtomicU64,
}

impl Course {
    fn new(served: Served, shown: DeploymentName) -> Self {
        Self {
            served,
            shown: ArcSwap::from_pointee(shown),
            total: Histogram::new(LATENCY),
            upstream: Histogram::new(LATENCY),
            first_token: Histogram::new(LATENCY),
            per_token: Histogram::new(PER_TOKEN),
            overhead: Histogram::new(OVERHEAD),
            attempts: Slots::default(),
            retries: AtomicU64::new(0),
            cooled: Slots::default(),
            fallbacks_answered: AtomicU64::new(0),
            fallbacks_failed: AtomicU64::new(0),
            at_home: Default::default(),
            prompt: AtomicU64::new(0),
            cached: AtomicU64::new(0),
        }
    }
}

/// How an attempt ended, as a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The deployment answered.
    Success,
    /// The client went away before it could.
    Abandoned,
    /// Another deployment answered sooner.
    Lost,
    /// It failed: number of the kind in [`kinds::WORDS`], and LiteLLM's status.
    Failed(usize, u16),
}

impl Attempt {
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Success => 1,
            Self::Abandoned => 2,
            Self::Lost => 3,
            Self::Failed(kind, status) => (u32::try_from(kind).unwrap_or(0) + 3) << 16 | u32::from(status),
        }
    }

    pub(super) fn of(code: u32) -> Self {
        match code {
            1 => Self::Success,
            2 => Self::Abandoned,
            3 => Self::Lost,
            _ => Self::Failed(
                usize::try_from(code >> 16).unwrap_or(0).saturating_sub(3),
                u16::try_from(code & 0xffff).unwrap_or(0),
            ),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Abandoned => "abandoned",
            Self::Lost => "lost",
            Self::Failed(kind, _) => kinds::WORDS.get(kind).copied().unwrap_or("other"),
        }
    }
}

/// Every block and course there is. Takes room for a new one from the number of series that may ever be shown.
#[derive(Debug)]
pub(super) struct Store {
    blocks: Mutex<HashMap<Place, Arc<Block>>>,
    courses: Mutex<HashMap<Served, Arc<Course>>>,
    /// Series that may still be handed out.
    left: AtomicUsize,
    /// Series that keyed blocks must leave to blocks without a key's name.
    spare: usize,
    rest_block: Arc<Block>,
    rest_course: Arc<Course>,
    /// Exchanges counted without their key's name.
    collapsed: AtomicU64,
    /// Keys that no configuration knows, by name.
    late: Mutex<LateKeys>,
}

/// So many keys that came later have labels of their own; all others are `other`.
pub(super) const LATE_KEYS_MAX: usize = 4_096;

#[derive(Debug, Default)]
struct LateKeys {
    numbers: HashMap<KeyName, u32>,
    names: Vec<KeyName>,
}

impl Store {
    /// Room for this many series besides the fixed ones.
    pub(super) fn new(series: usize) -> Self {
        let rest = DeploymentName::other();
        let served = Served::of(&rest);
        let place = Place { key: KeyName::other(), served: served.clone(), endpoint: Endpoint::Other };
        let rest_block = Arc::new(Block::new(place.clone(), rest.clone()));
        let rest_course = Arc::new(Course::new(served.clone(), rest));
        Self {
            blocks: Mutex::new(HashMap::from([(place, Arc::clone(&rest_block))])),
            courses: Mutex::new(HashMap::from([(served, Arc::clone(&rest_course))])),
            left: AtomicUsize::new(series),
            spare: series / 4,
            rest_block,
            rest_course,
            collapsed: AtomicU64::new(0),
            late: Mutex::default(),
        }
    }

    /// The number of a key that no configuration knows; None once there are too many.
    pub(super) fn late_key(&self, name: KeyName) -> Option<u32> {
        let mut late = locked(&self.late);
        if let Some(number) = late.numbers.get(&name) {
            return Some(*number);
        }
        let number = u32::try_from(late.names.len()).ok().filter(|_| late.names.len() < LATE_KEYS_MAX)?;
        late.names.push(name.clone());
        late.numbers.insert(name, number);
        Some(number)
    }

    /// What the key with this number is called.
    pub(super) fn late_name(&self, number: u32) -> Option<KeyName> {
        locked(&self.late).names.get(usize::try_from(number).ok()?).cloned()
    }

    /// All of them with their numbers.
    pub(super) fn late_names(&self) -> HashMap<KeyName, u32> {
        locked(&self.late).numbers.clone()
    }

    pub(super) fn count_collapsed(&self) {
        self.collapsed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn collapsed(&self) -> u64 {
        self.collapsed.load(Ordering::Relaxed)
    }

    /// Whether another block with a key's name has room.
    pub(super) fn has_room_for_key(&self) -> bool {
        self.left.load(Ordering::Relaxed) >= self.spare + inventory::per_block()
    }

    /// The block of this place; None if there is none and no room for it. With a key's name the spare stays untouched.
    pub(super) fn keyed_block(&self, place: Place, shown: &DeploymentName) -> Option<Arc<Block>> {
        self.block(place, shown, self.spare)
    }

    /// The block of this place under no key's name, or, without room, of no place at all.
    pub(super) fn unkeyed_block(&self, served: Served, endpoint: Endpoint, shown: &DeploymentName) -> Arc<Block> {
        let place = Place { key: KeyName::other(), served, endpoint };
        self.block(place, shown, 0).unwrap_or_else(|| Arc::clone(&self.rest_block))
    }

    fn block(&self, place: Place, shown: &DeploymentName, keep: usize) -> Option<Arc<Block>> {
        let mut blocks = locked(&self.blocks);
        if let Some(block) = blocks.get(&place) {
            return Some(Arc::clone(block));
        }
        self.take(inventory::per_block(), keep)?;
        let block = Arc::new(Block::new(place.clone(), shown.clone()));
        blocks.insert(place, Arc::clone(&block));
        Some(block)
    }

    /// The course of a deployment, or, without room, that of all others.
    pub(super) fn course(&self, shown: &DeploymentName) -> Arc<Course> {
        let served = Served::of(shown);
        let mut courses = locked(&self.courses);
        if let Some(course) = courses.get(&served) {
            return Arc::clone(course);
        }
        if self.take(inventory::per_course(), 0).is_none() {
            return Arc::clone(&self.rest_course);
        }
        let course = Arc::new(Course::new(served.clone(), shown.clone()));
        courses.insert(served, Arc::clone(&course));
        course
    }

    fn take(&self, series: usize, keep: usize) -> Option<usize> {
        let enough = |left: usize| left.checked_sub(series).filter(|rest| *rest >= keep);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enough).ok()
    }

    /// Every block, that of the rest included.
    pub(super) fn blocks(&self) -> Vec<Arc<Block>> {
        locked(&self.blocks).values().cloned().collect()
    }

    /// Every course, that of the rest included.
    pub(super) fn courses(&self) -> Vec<Arc<Course>> {
        locked(&self.courses).values().cloned().collect()
    }

    /// Lets go of what no configuration in use has a name for, and takes its room back.
    pub(super) fn retire(&self) {
        let blocks = retire(&mut locked(&self.blocks)) * inventory::per_block();
        let courses = retire(&mut locked(&self.courses)) * inventory::per_course();
        self.left.fetch_add(blocks + courses, Ordering::Relaxed);
    }
}

/// Drops what nobody else holds; says how many that were.
fn retire<K: Eq + Hash, V>(held: &mut HashMap<K, Arc<V>>) -> usize {
    let before = held.len();
    held.retain(|_, value| Arc::strong_count(value) > 1);
    before - held.len()
}

/// The data is counters: whole whatever panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_requests_and_attempts_read_back() {
        for &outcome in Outcome::ALL {
            assert_eq!(request_of(request_code(429, outcome)), Some((429, outcome)));
            assert_eq!(request_of(request_code(777, outcome)), Some((0, outcome)));
        }
        assert_eq!(request_of(super::super::atoms::CODE_OTHER), None);
        for attempt in [Attempt::Success, Attempt::Abandoned, Attempt::Failed(1, 0), Attempt::Failed(24, 504)] {
            assert_eq!(Attempt::of(attempt.code()), attempt);
        }
        assert_eq!(Attempt::of(0).word(), "other");
    }
}
