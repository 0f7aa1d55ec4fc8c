//! The nodes of one gateway: what they tell each other through Redis, so that a limit is one limit however many nodes hold it,
//! and a deployment that one of them sets aside rests at all.
//!
//! A bucket of requests or tokens stands at Redis as the share of it that is in use. Ten times a second a node tells what it
//! took of each bucket that is in use, and learns where all nodes together stand. In between it counts alone: no request waits
//! for Redis, and beyond a limit no more passes than the other nodes took in since they last told, at most the limit once more
//! for each of them. `strict` asks for each request before it is sent: nothing passes beyond a limit.
//!
//! Without Redis each node goes on counting alone, from where all of them stood; or, with
//! `fail_closed_rate_limit_enforcement`, nothing passes that falls under a limit. When Redis is back it is told what it missed;
//! a Redis that forgot takes over where the first node that asks stands.

mod link;
mod scripts;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use redis::{RedisResult, Script};
use tokio::task::JoinSet;

use self::link::Link;
use crate::config::Sharing;
use crate::policy::{Bucket, Counted, Denied, Permit, Places};
use crate::vocabulary::{Fault, Kind, Now};

/// How often nodes tell each other.
pub const TELL: Duration = Duration::from_millis(100);
/// Questions to Redis that are on their way at once.
const ASKED_MAX: usize = 64;

/// Whether Redis can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It can, from now on.
    Reached,
    /// It cannot, from now on, and why.
    Lost(String),
}

/// One node among others.
pub struct Fleet {
    sharing: Arc<Sharing>,
    /// What the others know this one by.
    node: String,
    scripts: Scripts,
    link: ArcSwapOption<Link>,
    /// Limits that are in use here.
    buckets: Mutex<Vec<Arc<Bucket>>>,
    places: Mutex<Vec<Arc<Places>>>,
    /// How long deployments rest by what other nodes said last.
    rests: Mutex<HashMap<String, Duration>>,
}

struct Scripts {
    bucket: Script,
    places: Script,
    resting: Script,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Fleet").field("node", &self.node).field("redis", &self.sharing.redis.to_string()).finish()
    }
}

impl Fleet {
    /// A node that has not told anything yet. `node` must be another one for each.
    pub fn new(sharing: Arc<Sharing>, node: String) -> Self {
        let scripts = Scripts {
            bucket: Script::new(scripts::BUCKET),
            places: Script::new(scripts::PLACES),
            resting: Script::new(scripts::RESTING),
        };
        Self {
            sharing,
            node,
            scripts,
            link: ArcSwapOption::empty(),
            buckets: Mutex::default(),
            places: Mutex::default(),
            rests: Mutex::default(),
        }
    }

    /// Whether Redis answered when it was last asked.
    pub fn is_up(&self) -> bool {
        self.link.load().is_some()
    }

    /// Where Redis is.
    pub fn redis(&self) -> String {
        self.sharing.redis.to_string()
    }

    /// From now on the others are told of what this permit took.
    pub fn join(&self, permit: &Permit) {
        for (bucket, _) in permit.buckets() {
            if bucket.counted().is_some() && bucket.join() {
                self.buckets.lock().push(Arc::clone(bucket));
            }
        }
        for slot in permit.slots() {
            if slot.places().counted().is_some() && slot.places().join() {
                self.places.lock().push(Arc::clone(slot.places()));
            }
        }
    }

    /// Asks all nodes whether what a request took here is there for all of them; unless `strict`, nobody is asked. In any case
    /// they are told of it from now on.
    ///
    /// # Errors
    /// It is not, or nobody knows and that is reason enough.
    pub async fn confirm(&self, permit: &Permit, now: impl Fn() -> Now) -> Result<(), Fault> {
        if self.sharing.strict {
            permit.buckets().for_each(|(bucket, _)| bucket.ask());
        }
        self.join(permit);
        if permit.buckets().next().is_none() && permit.slots().is_empty() {
            return Ok(());
        }
        let Some(link) = self.link.load_full() else { return self.alone(permit.buckets()) };
        if !self.sharing.strict {
            return Ok(());
        }
        for slot in permit.slots() {
            let Some(counted) = slot.places().counted() else { continue };
            match self.tell_places(&link, slot.places(), counted).await {
                Ok(elsewhere) if elsewhere.saturating_add(slot.places().here()) > slot.limit() => {
                    return Err(counted.denied(slot.limit(), Duration::from_secs(1), now()).into());
                }
                Ok(_) => {}
                Err(_) => return self.left_alone(permit.buckets()),
            }
        }
        for (at, (bucket, tokens)) in permit.buckets().enumerate() {
            let Some(counted) = bucket.counted() else { continue };
            match self.ask_bucket(&link, bucket, counted, tokens, &now).await {
                Ok(asked) => asked?,
                Err(_) => return self.left_alone(permit.buckets().skip(at)),
            }
        }
        Ok(())
    }

    /// Nobody else shall wait for the same answer in vain.
    fn left_alone<'p>(&self, unasked: impl Iterator<Item = (&'p Arc<Bucket>, u64)>) -> Result<(), Fault> {
        self.link.store(None);
        self.alone(unasked)
    }

    fn alone<'p>(&self, unasked: impl Iterator<Item = (&'p Arc<Bucket>, u64)>) -> Result<(), Fault> {
        unasked.for_each(|(bucket, tokens)| bucket.ungiven(tokens));
        if !self.sharing.fail_closed {
            return Ok(());
        }
        let text =
            "Redis, through which limits are shared, cannot be reached, and fail_closed_rate_limit_enforcement is set";
        Err(Fault::ours(Kind::Overloaded, text))
    }

    /// Takes tokens at Redis that were taken here already: this question tells of them, and nothing else does.
    async fn ask_bucket(
        &self,
        link: &Link,
        bucket: &Bucket,
        counted: &Counted,
        tokens: u64,
        now: &impl Fn() -> Now,
    ) -> RedisResult<Result<(), Denied>> {
        let limit = bucket.limit();
        let needed = share(tokens.min(limit), limit);
        let known = bucket.share_told(now());
        let arguments =
            [tokens.to_string(), limit.to_string(), known.to_string(), needed.max(f64::MIN_POSITIVE).to_string()];
        let (given, used) = link.run::<(u8, String)>(&self.scripts.bucket, &key("limit", counted), &arguments).await?;
        let used = used.parse::<f64>().ok();
        let given = given == 1;
        if given {
            bucket.given(tokens);
        }
        used.into_iter().for_each(|used| bucket.agree(used, now()));
        if given {
            return Ok(Ok(()));
        }
        let short = (used.unwrap_or(1.0) + needed - 1.0).clamp(0.0, 1440.0);
        Ok(Err(counted.denied(limit, Duration::from_secs_f64(short * 60.0), now())))
    }

    async fn tell_bucket(&self, link: &Link, bucket: &Bucket, counted: &Counted, now: Now) -> RedisResult<()> {
        let untold = bucket.tell();
        let limit = bucket.limit().max(1);
        let told = share(untold.unsigned_abs(), limit).copysign(if untold < 0 { -1.0 } else { 1.0 });
        let known = (bucket.share_used(now) - told).max(0.0);
        let arguments = [untold.to_string(), limit.to_string(), known.to_string(), "0".to_owned()];
        match link.run::<(u8, String)>(&self.scripts.bucket, &key("limit", counted), &arguments).await {
            Ok((_, used)) => {
                used.parse().into_iter().for_each(|used| bucket.agree(used, now));
                Ok(())
            }
            Err(error) => {
                bucket.untell(untold);
                Err(error)
            }
        }
    }

    async fn tell_places(&self, link: &Link, places: &Places, counted: &Counted) -> RedisResult<u64> {
        let arguments = [self.node.clone(), places.here().to_string()];
        let elsewhere = link.run::<u64>(&self.scripts.places, &key("open", counted), &arguments).await?;
        places.note_elsewhere(elsewhere);
        Ok(elsewhere)
    }

    /// Tells the others what is in use here, and learns of them. Connects first where there is no connection. Says so when
    /// Redis is lost, or reached again.
    pub async fn tell(self: &Arc<Self>, now: Now) -> Option<Word> {
        let Some(link) = self.link.load_full() else {
            return match Link::open(&self.sharing.redis).await {
                Ok(link) => {
                    self.link.store(Some(Arc::new(link)));
                    Some(Word::Reached)
                }
                Err(error) => Some(Word::Lost(error.to_string())),
            };
        };
        let buckets = self.buckets.lock().clone();
        let told = each(buckets, |bucket| {
            let (fleet, link) = (Arc::clone(self), Arc::clone(&link));
            async move {
                let Some(counted) = bucket.counted() else { return Ok(()) };
                fleet.tell_bucket(&link, &bucket, counted, now).await
            }
        });
        let told = match told.await {
            Ok(()) => {
                let places = self.places.lock().clone();
                let told = each(places, |places| {
                    let (fleet, link) = (Arc::clone(self), Arc::clone(&link));
                    async move {
                        let Some(counted) = places.counted() else { return Ok(()) };
                        fleet.tell_places(&link, &places, counted).await.map(drop)
                    }
                });
                told.await
            }
            Err(error) => Err(error),
        };
        self.forget_idle(now);
        told.err().map(|error| self.lost(&error))
    }

    /// Exchanges with the others which deployments rest and for how long. `mine` is what is known here; answers those of which
    /// the others know of a longer rest.
    ///
    /// # Errors
    /// Redis is lost.
    pub async fn tell_rests(&self, mine: &[(&str, Duration)]) -> Result<Vec<(String, Duration)>, Word> {
        let Some(link) = self.link.load_full() else { return Ok(Vec::new()) };
        let news = {
            let known = self.rests.lock();
            let is_news = |(id, time): &&(&str, Duration)| known.get(*id).is_none_or(|said| *time > *said + SAME);
            let pair = |(id, time): &(&str, Duration)| [(*id).to_owned(), time.as_millis().to_string()];
            mine.iter().filter(is_news).flat_map(pair).collect::<Vec<_>>()
        };
        let all = link.run::<Vec<(String, u64)>>(&self.scripts.resting, "tollgate:resting", &news).await;
        let all = all.map_err(|error| self.lost(&error))?;
        let all = all.into_iter().map(|(id, left)| (id, Duration::from_millis(left)));
        let all: HashMap<String, Duration> = all.collect();
        let here = |id: &str| mine.iter().find(|(mine, _)| *mine == id).map_or(Duration::ZERO, |(_, time)| *time);
        let longer = all.iter().filter(|(id, time)| **time > here(id) + SAME);
        let longer = longer.map(|(id, time)| (id.clone(), *time)).collect();
        *self.rests.lock() = all;
        Ok(longer)
    }

    fn lost(&self, error: &redis::RedisError) -> Word {
        self.link.store(None);
        Word::Lost(error.to_string())
    }

    /// Lets go of what nobody uses any more: what is full, told, and held by no request.
    fn forget_idle(&self, now: Now) {
        self.buckets.lock().retain(|bucket| {
            // The list's own, and the limits': more belong to requests.
            let is_idle = || Arc::strong_count(bucket) <= 2 && bucket.share_used(now) <= 0.0 && bucket.is_told();
            if !is_idle() {
                return true;
            }
            bucket.leave();
            // Somebody may have taken of it just now, and thought that it was looked after.
            !is_idle() && bucket.join()
        });
        self.places.lock().retain(|places| {
            let idle = places.here() == 0 && Arc::strong_count(places) <= 2;
            if idle {
                places.note_elsewhere(0);
                places.leave();
            }
            !idle
        });
    }
}

/// Rests that differ by less are the same one, told on a slow line.
const SAME: Duration = Duration::from_millis(500);

fn key(what: &str, counted: &Counted) -> String {
    format!("tollgate:{what}:{counted}")
}

#[expect(clippy::cast_precision_loss, reason = "the last bits of 2^53 do not matter")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Does something with each, many at once; the first failure of any.
async fn each<T, F>(all: Vec<T>, does: impl Fn(T) -> F) -> RedisResult<()>
where
    F: Future<Output = RedisResult<()>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut outcome = Ok(());
    for one in all {
        if running.len() >= ASKED_MAX
            && let Some(Ok(Err(error))) = running.join_next().await
        {
            outcome = Err(error);
        }
        running.spawn(does(one));
    }
    while let Some(ended) = running.join_next().await {
        if let Ok(Err(error)) = ended {
            outcome = Err(error);
        }
    }
    outcome
}
