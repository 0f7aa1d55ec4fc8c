//! One seed's course: actions by weight, and the laws after each.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tollgate::exchange::{Again, Ending, Planned, Refused, Sent, Surroundings, Treatment, UpstreamHead, World};
use tollgate::ledger::{AccountId, Tally};
use tollgate::pricing::prompt;
use tollgate::vocabulary::{Fault, KeyHash, Kind, Now, PicoUsd};

use super::scene::{self, Sending};
use super::shadow::Shadow;
use super::upstream::{Answer, Asked, Billed, Seen};

const OPEN_MAX: usize = 10;
/// Keys that get in: those the shadows follow.
const LIVE_KEYS: usize = 4;

/// What a run over all seeds must have come to, or it proves less than it says.
pub(crate) const MUST_HAPPEN: [&str; 16] = [
    "planned",
    "capped",
    "retried",
    "whole json",
    "whole stream",
    "cut stream",
    "client gone",
    "dropped",
    "stalled",
    "RateLimited",
    "BudgetExceeded",
    "ModelNotAllowed",
    "UnknownModel",
    "ExpiredKey",
    "excess",
    "reloaded",
];

/// What became of a seed.
pub(crate) struct Course {
    pub(crate) trace: u64,
    pub(crate) told: BTreeMap<String, u64>,
}

enum Stage {
    Ready,
    Sent(Asked),
    Flowing { answer: Answer, bytes: Bytes, at: usize, is_stream: bool },
}

struct Live {
    planned: Box<Planned>,
    key: Option<usize>,
    seen: Seen,
    prompt: u64,
    embeds: bool,
    /// Its provider kept to what it was asked for.
    honest: bool,
    got: Vec<u8>,
    /// What was asked and what was billed, for failures.
    story: String,
    stage: Stage,
}

pub(crate) struct Sim {
    seed: u64,
    step: usize,
    dice: fastrand::Rng,
    around: Surroundings,
    world: Arc<World>,
    /// The global account, then the keys that get in.
    shadows: Vec<Shadow>,
    live: Vec<Live>,
    receipts: u64,
    cost: PicoUsd,
    ids: u64,
    trace: DefaultHasher,
    told: BTreeMap<String, u64>,
}

/// Says where a failure happened, whatever failed.
struct Place(u64, usize);

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("SIM_SEED={} SIM_STEP={}", self.0, self.1);
        }
    }
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        let around = scene::around();
        let settings = scene::settings();
        let world = Arc::new(World::build(settings, around.clone(), None).unwrap());
        let ids = scene::KEYS[..LIVE_KEYS].iter().map(|key| AccountId::Key(KeyHash::of(key)));
        let shadows = [AccountId::Global].into_iter().chain(ids).map(Shadow::new).collect();
        let mut sim = Self {
            seed,
            step: 0,
            dice: fastrand::Rng::with_seed(seed),
            around,
            world,
            shadows,
            live: Vec::new(),
            receipts: 0,
            cost: PicoUsd::ZERO,
            ids: 0,
            trace: DefaultHasher::new(),
            told: BTreeMap::new(),
        };
        sim.amend_shadows();
        sim
    }

    pub(crate) fn run(mut self, steps: usize) -> Course {
        for step in 0..steps {
            let place = Place(self.seed, step);
            self.step = step;
            self.act();
            self.check();
            drop(place);
        }
        let place = Place(self.seed, steps);
        while !self.live.is_empty() {
            self.leave();
            self.check();
        }
        assert!(self.world.deployments.iter().all(|deployment| deployment.limits.has_room(0, self.much_later())), "L3");
        drop(place);
        Course { trace: self.trace.finish(), told: self.told }
    }

    fn now(&self) -> Now {
        self.around.clock.now()
    }

    /// When every bucket is full again, so that only places could be taken.
    fn much_later(&self) -> Now {
        let now = self.now();
        Now { mono_ns: now.mono_ns + 90_000_000_000_000, ..now }
    }

    fn tell(&mut self, what: impl Into<String>) {
        let what = what.into();
        what.hash(&mut self.trace);
        *self.told.entry(what).or_insert(0) += 1;
    }

    fn act(&mut self) {
        match self.dice.u32(0..100) {
            0..24 => self.arrive(),
            24..82 => self.progress(),
            82..86 => self.leave(),
            86..95 => self.around.clock.advance(Duration::from_millis(self.dice.u64(0..8_000))),
            95 => self.around.clock.advance(Duration::from_secs(self.dice.u64(0..5_000))),
            96 => self.around.clock.step_wall(self.dice.i64(-5_400_000..5_400_000)),
            97 if self.dice.u8(0..4) == 0 => self.bad_reload(),
            97 => self.reload(),
            _ => self.arrive(),
        }
        let now = self.now();
        self.shadows.iter_mut().for_each(|shadow| shadow.roll(now));
    }

    // ---- arriving ----

    fn arrive(&mut self) {
        if self.live.len() >= OPEN_MAX {
            return self.progress();
        }
        self.ids += 1;
        let id = format!("{:08x}-{}", self.seed, self.ids);
        let any = self.dice.usize(0..scene::KEYS.len() + 3);
        let key = if self.dice.u8(0..5) > 0 { any % LIVE_KEYS } else { any };
        let presented = match key.checked_sub(scene::KEYS.len()) {
            None => Some(scene::KEYS[key]),
            Some(0) => Some(scene::MASTER),
            Some(1) => Some("sk-nobody-knows-this-key"),
            Some(_) => None,
        };
        let path = ["/v1/chat/completions", "/chat/completions", "/v1/completions", "/v1/embeddings"]
            [self.dice.usize(0..8).saturating_sub(4)];
        let now = self.now();
        let opened = match scene::enter(&self.world, id, &Sending { path, key: presented }, now) {
            Ok(opened) => opened,
            Err(refused) => return self.refused(refused),
        };
        if self.dice.u8(0..40) == 0 {
            let refused = opened.refuse(Fault::client(Kind::ClientGone, "the client left"), 7);
            return self.refused(refused);
        }
        let (body, seen) = self.body(path);
        self.around.clock.advance(Duration::from_millis(self.dice.u64(0..40)));
        let planned = match opened.plan(body.clone(), now, self.now()) {
            Ok(planned) => planned,
            Err(refused) => return self.refused(refused),
        };
        let key = Some(key).filter(|key| *key < LIVE_KEYS);
        self.count_open(key);
        let prompt = prompt::estimate_prompt(&seen.model, &body);
        self.tell("planned");
        let (got, story, stage) = (Vec::new(), String::from_utf8(body.to_vec()).unwrap(), Stage::Ready);
        self.live.push(Live {
            planned,
            key,
            seen,
            prompt,
            embeds: path.ends_with("embeddings"),
            honest: true,
            got,
            story,
            stage,
        });
    }

    fn count_open(&mut self, key: Option<usize>) {
        self.shadows[0].open += 1;
        if let Some(key) = key {
            self.shadows[key + 1].open += 1;
        }
    }

    fn refused(&mut self, refused: Box<Refused>) {
        self.tell(format!("{:?}", refused.fault.kind));
        self.receipts += 1;
        if self.dice.u8(0..8) == 0 {
            return drop(refused);
        }
        let now = self.now();
        refused.close(400, 10, Ending::Refused, now);
    }

    fn body(&mut self, path: &str) -> (Bytes, Seen) {
        let model = *self.dice.choice(&scene::MODELS).unwrap();
        let words = "word ".repeat(self.dice.usize(1..60));
        let mut members = vec![format!(r#""model":"{model}""#)];
        match path.rsplit('/').next() {
            Some("embeddings") => members.push(format!(r#""input":["{words}","b"]"#)),
            Some("completions") if !path.contains("chat") => members.push(format!(r#""prompt":"{words}""#)),
            _ => members.push(format!(r#""messages":[{{"role":"user","content":"{words}"}}]"#)),
        }
        let most = self.dice.u64(0..120);
        match self.dice.u8(0..9) {
            0..3 => members.push(format!(r#""max_tokens":{most}"#)),
            3..5 => members.push(format!(r#""max_completion_tokens":{most}"#)),
            5 => members.push(r#""max_tokens":null"#.to_owned()),
            6 => members.push(r#""max_completion_tokens":null"#.to_owned()),
            _ => {}
        }
        let stream = self.dice.bool() && !path.ends_with("embeddings");
        let usage = stream && self.dice.u8(0..3) == 0;
        if stream {
            members.push(r#""stream":true"#.to_owned());
        }
        match (usage, self.dice.u8(0..6)) {
            (true, _) => members.push(r#""stream_options":{"include_usage":true}"#.to_owned()),
            (false, 0) if stream => members.push(r#""stream_options":{"include_usage":false}"#.to_owned()),
            (false, 1) if stream => members.push(r#""stream_options":null"#.to_owned()),
            _ => {}
        }
        match self.dice.u8(0..30) {
            0..3 => members.push(format!(r#""n":{}"#, self.dice.u8(1..4))),
            3 => members.push(r#""n":null"#.to_owned()),
            4..7 => members.push(r#""user":"ada","unknown":[1,{"x":null}]"#.to_owned()),
            7 => members.push(r#""api_base":"http://evil""#.to_owned()),
            _ => {}
        }
        self.dice.shuffle(&mut members);
        let mut body = format!("{{{}}}", members.join(","));
        if self.dice.u8(0..40) == 0 {
            body.truncate(self.dice.usize(0..body.len()));
        }
        (Bytes::from(body), Seen { model: model.to_owned(), usage })
    }

    // ---- on the way ----

    fn progress(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let at = self.dice.usize(0..self.live.len());
        let mut live = self.live.swap_remove(at);
        let stays = match std::mem::replace(&mut live.stage, Stage::Ready) {
            Stage::Ready => self.attempt(live),
            Stage::Sent(asked) => self.head(live, asked),
            Stage::Flowing { answer, bytes, at, is_stream } => self.flow(live, answer, bytes, at, is_stream),
        };
        self.live.extend(stays);
    }

    fn attempt(&mut self, mut live: Live) -> Option<Live> {
        let (now, random) = (self.now(), self.dice.u64(..));
        let outbound = match live.planned.attempt(now, random) {
            Ok(outbound) => outbound,
            Err(fault) => {
                self.tell(format!("no room {:?}", fault.kind));
                self.end(live, Ending::Refused, Some(&fault));
                return None;
            }
        };
        // L5: what goes out is held on every account it falls under, and has its place.
        let open = live.key.map_or(0, |key| key + 1);
        assert!(self.shadows[0].open > 0 && self.shadows[open].open > 0, "L5");
        (outbound.deployment, &outbound.path, outbound.body.len).hash(&mut self.trace);
        let body = outbound.body.to_bytes();
        if live.planned.attempts() > 1 {
            self.tell("retried");
        }
        let asked = Asked::read(&body);
        if asked.is_bounded()
            && matches!(asked.model.as_str(), "small-a" | "small-b")
            && !live.story.contains("_tokens\":")
        {
            self.tell("capped");
        }
        assert_eq!(asked.stream, live.planned.wants_stream());
        live.story.push_str(&format!(" > {}", String::from_utf8(body.to_vec()).unwrap()));
        live.stage = Stage::Sent(asked);
        Some(live)
    }

    fn head(&mut self, live: Live, asked: Asked) -> Option<Live> {
        match self.dice.u8(0..20) {
            0 => self.below(live, Fault::upstream(Kind::UpstreamConnect, "no connection")),
            1 => self.below(live, Fault::upstream(Kind::UpstreamTimeout, "too slow")),
            2 => {
                self.tell("stalled");
                self.end(live, Ending::Stalled, Some(&Fault::upstream(Kind::UpstreamTimeout, "stalled")));
                None
            }
            3 => {
                let wait = Duration::from_secs(self.dice.u64(0..9));
                self.status(live, 429, "application/json", Some(wait))
            }
            4 => {
                let status = *self.dice.choice(&[400, 401, 403, 404, 408, 500, 502, 503, 529]).unwrap();
                self.status(live, status, "application/json", None)
            }
            5 => self.status(live, 302, "text/plain", None),
            6 => self.status(live, 200, "text/html; charset=utf-8", None),
            7 => {
                let answer = Answer::error(429);
                self.answer(live, answer, "application/json")
            }
            other => self.good(live, &asked, other),
        }
    }

    /// A failure below HTTP.
    fn below(&mut self, mut live: Live, fault: Fault) -> Option<Live> {
        let (now, jitter) = (self.now(), self.dice.u64(..));
        let again = live.planned.failed(&fault, now, jitter);
        self.again(live, again, fault)
    }

    fn again(&mut self, mut live: Live, again: Again, fault: Fault) -> Option<Live> {
        format!("{again:?}").hash(&mut self.trace);
        match again {
            Again::After(wait) => {
                self.around.clock.advance(wait);
                live.stage = Stage::Ready;
                live.got.clear();
                Some(live)
            }
            Again::No => {
                self.tell("failed");
                self.end(live, Ending::UpstreamFailed, Some(&fault));
                None
            }
        }
    }

    fn status(&mut self, mut live: Live, status: u16, kind: &str, retry_after: Option<Duration>) -> Option<Live> {
        let (now, jitter) = (self.now(), self.dice.u64(..));
        let head = UpstreamHead { status, content_type: Some(kind), retry_after };
        match live.planned.reply(&head, now, jitter) {
            Treatment::Failed(again, fault) => self.again(live, again, fault),
            Treatment::Hold => {
                let answer = Answer::error(status);
                let bytes = answer.sent();
                live.stage = Stage::Flowing { answer, bytes, at: 0, is_stream: false };
                Some(live)
            }
            Treatment::Stream => panic!("an error is no stream"),
        }
    }

    fn good(&mut self, mut live: Live, asked: &Asked, how: u8) -> Option<Live> {
        let most = if live.embeds { 0 } else { asked.completion_max() };
        let words = self.dice.u64(0..6).min(most);
        let greedy = how == 8;
        let completion = if greedy { most * 3 + 50_000 } else { self.dice.u64(words..=most) };
        live.honest &= !greedy;
        // A provider counts the prompt as we do, or finds less in it.
        let prompt = self.dice.u64(live.prompt / 2..=live.prompt);
        let billed = (self.dice.u8(0..5) > 0).then_some(Billed { prompt, completion });
        live.story.push_str(&format!(" < {billed:?}, {words} words of at most {most}"));
        if asked.stream && how != 9 {
            let answer = Answer::stream(asked, &live.seen, words, billed);
            return self.answer(live, answer, "text/event-stream");
        }
        let answer = Answer::json(asked, &live.seen, words, billed);
        self.answer(live, answer, "application/json; charset=utf-8")
    }

    fn answer(&mut self, mut live: Live, answer: Answer, kind: &str) -> Option<Live> {
        let (now, jitter) = (self.now(), self.dice.u64(..));
        let head = UpstreamHead { status: 200, content_type: Some(kind), retry_after: None };
        let is_stream = match live.planned.reply(&head, now, jitter) {
            Treatment::Stream => true,
            Treatment::Hold => false,
            Treatment::Failed(..) => panic!("a good head was not accepted"),
        };
        let bytes = answer.sent();
        live.stage = Stage::Flowing { answer, bytes, at: 0, is_stream };
        Some(live)
    }

    fn flow(&mut self, mut live: Live, answer: Answer, bytes: Bytes, at: usize, is_stream: bool) -> Option<Live> {
        let is_cut = at < bytes.len() && self.dice.u8(0..24) == 0;
        if at == bytes.len() || is_cut {
            return match is_stream {
                true => self.finish_stream(live, &answer, at, is_cut),
                false => self.finish_held(live, &answer, is_cut),
            };
        }
        let end = if self.dice.u8(0..4) == 0 { bytes.len() } else { self.dice.usize(at + 1..=bytes.len()) };
        let mut out = Vec::new();
        live.planned.push(bytes.slice(at..end), &mut out).unwrap();
        out.iter().for_each(|part| live.got.extend_from_slice(part));
        if is_stream {
            assert_eq!(text(&live.got), answer.shown_after(end), "L7");
        } else {
            assert!(live.got.is_empty(), "L7: a held answer is held");
        }
        live.stage = Stage::Flowing { answer, bytes, at: end, is_stream };
        Some(live)
    }

    fn finish_stream(&mut self, mut live: Live, answer: &Answer, at: usize, is_cut: bool) -> Option<Live> {
        let (mut out, now) = (Vec::new(), self.now());
        let fault = live.planned.finish_stream(&mut out, now);
        let before = text(&live.got).to_owned();
        out.iter().for_each(|part| live.got.extend_from_slice(part));
        let (got, whole) = (text(&live.got), answer.shown());
        assert!(got.starts_with(&before) && before == answer.shown_after(at), "L7");
        match &fault {
            None => {
                // Cut after the finish reason: nothing is missing but what nobody must have.
                assert!(whole.starts_with(got) && (is_cut || got == whole), "L7 {got}");
                self.tell(if is_cut { "cut late" } else { "whole stream" });
            }
            Some(fault) => {
                assert!(is_cut && fault.kind == Kind::UpstreamCut, "{fault}");
                let (shown, error) = got.rsplit_once("data: {\"error\"").unwrap();
                assert!(whole.starts_with(shown) && !got.contains("[DONE]") && error.ends_with("}\n\n"), "L7 {got}");
                self.tell("cut stream");
            }
        }
        let ending = if fault.is_some() { Ending::UpstreamCut } else { Ending::Complete };
        self.end(live, ending, fault.as_ref());
        None
    }

    fn finish_held(&mut self, mut live: Live, answer: &Answer, is_cut: bool) -> Option<Live> {
        let (now, jitter) = (self.now(), self.dice.u64(..));
        match live.planned.finish_held(now, jitter) {
            Ok(finished) => {
                let shown: Vec<u8> = finished.parts.iter().flat_map(|part| part.iter().copied()).collect();
                match &finished.fault {
                    None => {
                        assert_eq!(text(&shown), answer.shown(), "L7");
                        assert!(!is_cut);
                        self.tell("whole json");
                        self.end(live, Ending::Complete, None);
                    }
                    Some(fault) => {
                        assert!(text(&shown).starts_with("{\"error\":"), "{}", text(&shown));
                        self.tell("told error");
                        self.end(live, Ending::UpstreamFailed, Some(fault));
                    }
                }
                None
            }
            Err((again, fault)) => self.again(live, again, fault),
        }
    }

    // ---- the end ----

    /// The client leaves, or the task that carries the exchange is dropped.
    fn leave(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let at = self.dice.usize(0..self.live.len());
        let live = self.live.swap_remove(at);
        if self.dice.bool() {
            self.tell("client gone");
            self.end(live, Ending::ClientGone, None);
        } else {
            self.tell("dropped");
            self.settle(live, |planned, _| drop(planned));
        }
    }

    fn end(&mut self, live: Live, ending: Ending, fault: Option<&Fault>) {
        let sent = Sent { status: 200, bytes: live.got.len() as u64, first_byte: None };
        self.settle(live, |planned, now| planned.close(ending, fault, &sent, now));
    }

    fn settle(&mut self, live: Live, close: impl FnOnce(Box<Planned>, Now)) {
        let now = self.now();
        let (bill, before, story) = (live.planned.bill(), self.around.ledger.tally(), live.story);
        self.shadows.iter_mut().for_each(|shadow| shadow.roll(now));
        close(live.planned, now);
        let excess = self.around.ledger.tally().excess.minus(before.excess);
        assert!(excess == PicoUsd::ZERO || !live.honest, "L1: {excess} beyond the reservation: {bill:?} {story}");
        if excess > PicoUsd::ZERO {
            self.tell("excess");
        }
        self.receipts += 1;
        self.cost = self.cost.plus(bill.cost);
        bill.cost.hash(&mut self.trace);
        self.shadows[0].charge(bill.cost, excess);
        if let Some(key) = live.key {
            self.shadows[key + 1].charge(bill.cost, excess);
        }
    }

    // ---- configurations ----

    fn reload(&mut self) {
        let mut settings = self.world.settings.clone();
        if self.dice.u8(0..4) > 0 {
            let key = self.dice.usize(0..LIVE_KEYS);
            let max = (self.dice.u8(0..5) > 0).then(|| PicoUsd(i128::from(self.dice.u64(0..30_000_000_000))));
            let duration = *self.dice.choice(&[None, Some("1h"), Some("90s"), Some("1d")]).unwrap();
            scene::with_budget(&mut settings, key, max, duration);
            let keys = &mut settings.virtual_keys;
            keys[key].rpm_limit = self.dice.bool().then(|| self.dice.u64(1..30));
            keys[key].max_parallel_requests = self.dice.bool().then(|| self.dice.u64(1..4));
        }
        self.world = Arc::new(World::build(settings, self.around.clone(), Some(&self.world)).unwrap());
        self.amend_shadows();
        self.tell("reloaded");
    }

    fn bad_reload(&mut self) {
        let mut settings = self.world.settings.clone();
        scene::with_budget(&mut settings, 0, Some(PicoUsd(1)), None);
        scene::with_budget(&mut settings, 5, Some(PicoUsd(1)), Some("a fortnight"));
        assert!(World::build(settings, self.around.clone(), Some(&self.world)).is_err());
        self.tell("reload refused");
    }

    fn amend_shadows(&mut self) {
        let now = self.now();
        let settings = &self.world.settings;
        let budgets = [&settings.budget].into_iter().chain(settings.virtual_keys.iter().map(|key| &key.budget));
        for (shadow, budget) in self.shadows.iter_mut().zip(budgets) {
            let duration = budget.as_ref().and_then(|budget| budget.duration.as_deref());
            shadow.amend(budget.as_ref().map(|budget| budget.max), duration, now);
        }
    }

    // ---- the laws ----

    fn check(&mut self) {
        let (now, place) = (self.now(), format!("SIM_SEED={} SIM_STEP={}", self.seed, self.step));
        for shadow in &mut self.shadows {
            shadow.check(&self.around.ledger, now, &place);
        }
        let Tally { receipts, cost, .. } = self.around.ledger.tally();
        assert_eq!((receipts, cost), (self.receipts, self.cost), "L2 {place}");
        for (index, key) in scene::KEYS[..LIVE_KEYS].iter().enumerate() {
            let places = self.world.keys.find(key).unwrap().limits.open();
            // A limit that is new with a reload counts from then on; one that stayed counts all.
            let live = self.live.iter().filter(|live| live.key == Some(index)).count() as u64;
            assert!(places.is_none_or(|(places, _)| places <= live), "L3 {place}");
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
