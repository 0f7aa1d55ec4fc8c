//! The exchange's core routes a hundred thousand requests of a virtual minute among ten deployments that fail at random,
//! and hedges them in every order of events. A failure names its seed.
//!
//! The laws: nobody is asked who rests while another is well; attempts are requests and a tenth; shares are those of the
//! weights; a session stays at home; traffic is back within two trials; and whatever becomes of two attempts, there is one
//! receipt, what it says is what was spent, and nothing is held after.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test an unwrap is an assertion")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::exchange::{
    Again, Ending, Entry, Head, Leg, Opened, Planned, Sent, Surroundings, Treatment, UpstreamHead, World,
};
use tollgate::ledger::{AccountId, Ledger, Memory};
use tollgate::routing::Standing;
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{Clock, Fault, Kind, PicoUsd};

const DEPLOYMENTS: usize = 10;
const REQUESTS: u64 = 100_000;
const COMPLETION: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}}"#;

struct Scene {
    world: Arc<World>,
    ledger: Arc<Memory>,
    clock: Clock,
    dice: fastrand::Rng,
}

impl Scene {
    fn new(seed: u64, deployments: usize, router: &str) -> Self {
        let entry = |at: usize| {
            format!(
                "  - {{model_name: m, litellm_params: {{model: openai/up, api_key: k, weight: {}, cooldown_time: 1, \
                 input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}}, model_info: {{id: d{at}, max_output_tokens: 100}}}}\n",
                1 + at % 4
            )
        };
        let list: String = (0..deployments).map(entry).collect();
        let text = format!(
            "model_list:\n{list}router_settings:\n{router}litellm_settings: {{max_budget: 1000000, num_retries: 2}}\n"
        );
        let nothing = |_: &str| None;
        let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::QuickStart };
        let (settings, report) = config::load_text("sim.yaml", &text, &from);
        let settings = settings.unwrap_or_else(|| panic!("{:?}", report.findings));
        let (clock, ledger) = (Clock::manual(1_795_226_400_000), Arc::new(Memory::new()));
        let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms: 0 });
        let around = Surroundings::new(clock.clone(), ledger.clone(), telemetry);
        let world = Arc::new(World::build(settings, around, None).unwrap());
        Self { world, ledger, clock, dice: fastrand::Rng::with_seed(seed) }
    }

    fn open(&self, session: Option<u8>) -> Box<Planned> {
        let session = session.map(|session| format!("session-{session}"));
        let header = |name: &str| match name {
            "x-litellm-session-id" => session.as_deref().map(str::as_bytes),
            _ => None,
        };
        let path = "/v1/chat/completions";
        let head = Head { method: "POST", path, query: None, header: &header, client_ip: None, content_length: None };
        let Ok(Entry::Call(opened)) = Opened::enter(&self.world, &head, String::from("sim"), self.clock.now()) else {
            panic!("the head was not let in");
        };
        let body =
            Bytes::from_static(br#"{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"Hello"}]}"#);
        let now = self.clock.now();
        opened.plan(body, now, now).unwrap_or_else(|refused| panic!("{:?}", refused.fault))
    }

    fn standing(&self, at: usize) -> Standing {
        self.world.deployments[at].health.standing(self.clock.now())
    }

    /// A whole answer of the current attempt.
    fn answer(&mut self, planned: &mut Planned) {
        let (now, jitter) = (self.clock.now(), self.dice.u64(..));
        let head = UpstreamHead { status: 200, content_type: Some("application/json"), retry_after: None };
        assert!(matches!(planned.reply(&head, now, jitter), Treatment::Hold));
        planned.push(Bytes::from_static(COMPLETION.as_bytes()), &mut Vec::new()).unwrap();
        assert!(planned.finish_held(now, jitter).is_ok());
    }

    fn close(&self, planned: Box<Planned>, ending: Ending, fault: Option<&Fault>) {
        planned.close(ending, fault, &Sent { status: 200, ..Sent::default() }, self.clock.now());
    }
}

fn fault(kind: Kind) -> Fault {
    Fault::upstream(kind, "it failed")
}

/// A request that is at a deployment.
struct Asked {
    planned: Box<Planned>,
    at: usize,
    /// What becomes of it there.
    fails: Option<Kind>,
}

struct Minute {
    scene: Scene,
    sick: [Option<Kind>; DEPLOYMENTS],
    /// Trials since a deployment is well again.
    trials: [u32; DEPLOYMENTS],
    served: [u64; DEPLOYMENTS],
    homes: HashMap<u8, usize>,
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    asked: Vec<Option<Asked>>,
    free: Vec<usize>,
    attempts: u64,
    failed: u64,
}

impl Minute {
    fn new(seed: u64, router: &str) -> Self {
        Self {
            scene: Scene::new(seed, DEPLOYMENTS, router),
            sick: [None; DEPLOYMENTS],
            trials: [0; DEPLOYMENTS],
            served: [0; DEPLOYMENTS],
            homes: HashMap::new(),
            queue: BinaryHeap::new(),
            asked: Vec::new(),
            free: Vec::new(),
            attempts: 0,
            failed: 0,
        }
    }

    fn attempt(&mut self, mut planned: Box<Planned>, session: Option<u8>) {
        let now = self.scene.clock.now();
        let before: [_; DEPLOYMENTS] = std::array::from_fn(|at| self.scene.standing(at));
        let random = self.scene.dice.u64(..);
        let outbound = match planned.attempt(now, random) {
            Ok(outbound) => outbound,
            Err(fault) => {
                self.failed += 1;
                return self.scene.close(planned, Ending::UpstreamFailed, Some(&fault));
            }
        };
        self.attempts += 1;
        let at = outbound.deployment;
        let rests = matches!(before[at], Standing::Resting(_) | Standing::Full(_));
        assert!(!rests, "d{at} rests, and was asked: {before:?}");
        if self.sick[at].is_none() && before[at] == Standing::Trial {
            self.trials[at] += 1;
            assert!(self.trials[at] <= 2, "d{at} came back late");
        }
        if let Some(session) = session {
            let home = *self.homes.entry(session).or_insert(at);
            assert_eq!(at, home, "a session left its home");
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.asked.push(None);
            self.asked.len() - 1
        });
        self.asked[place] = Some(Asked { planned, at, fails: self.sick[at] });
        let takes = self.scene.dice.u64(1_000_000..20_000_000);
        self.queue.push(Reverse((now.mono_ns + takes, place)));
    }

    fn finish_until(&mut self, until: u64) {
        while self.queue.peek().is_some_and(|Reverse((end, _))| *end <= until) {
            let Reverse((_, place)) = self.queue.pop().unwrap();
            let Asked { mut planned, at, fails } = self.asked[place].take().unwrap();
            self.free.push(place);
            let Some(kind) = fails else {
                self.scene.answer(&mut planned);
                self.served[at] += 1;
                self.scene.close(planned, Ending::Complete, None);
                continue;
            };
            let (now, jitter) = (self.scene.clock.now(), self.scene.dice.u64(..));
            match planned.failed(&fault(kind), now, jitter) {
                Again::After(_) => self.attempt(planned, None),
                Again::No => {
                    self.failed += 1;
                    self.scene.close(planned, Ending::UpstreamFailed, Some(&fault(kind)));
                }
            }
        }
    }

    fn step(&mut self, session: Option<u8>) {
        self.finish_until(self.scene.clock.now().mono_ns);
        let planned = self.scene.open(session);
        self.attempt(planned, session);
        self.scene.clock.advance(Duration::from_micros(600));
    }

    /// One deployment falls sick, or gets well.
    fn change(&mut self) {
        let at = self.scene.dice.usize(0..DEPLOYMENTS);
        let causes =
            [Kind::UpstreamStatus(500), Kind::UpstreamStatus(503), Kind::UpstreamStatus(404), Kind::UpstreamConnect];
        self.sick[at] = match self.sick[at] {
            Some(_) => None,
            None if self.sick.iter().flatten().count() < 4 => Some(causes[self.scene.dice.usize(0..causes.len())]),
            None => None,
        };
        self.trials[at] = 0;
    }

    fn end(&mut self) {
        self.finish_until(u64::MAX);
        let statement = self.scene.ledger.statement(AccountId::Global, self.scene.clock.now()).unwrap();
        assert_eq!((statement.open, statement.dropped, statement.reserved), (0, 0, PicoUsd::ZERO));
        let served: u64 = self.served.iter().sum();
        assert_eq!(statement.spent, PicoUsd(i128::from(served) * 12_000_000), "each answer once, no failure");
        assert!(self.scene.world.deployments.iter().all(|known| known.health.open() == 0));
    }
}

#[test]
fn shares_are_those_of_the_weights_and_failures_change_neither_rests_nor_books() {
    let mut minute = Minute::new(1, "  retry_budget_percent: 10\n  retry_budget_floor: 10\n");
    (0..REQUESTS / 2).for_each(|_| minute.step(None));
    let (served, all) = (minute.served, minute.served.iter().sum::<u64>() as f64);
    let weights: usize = (0..DEPLOYMENTS).map(|at| 1 + at % 4).sum();
    for (at, served) in served.iter().enumerate() {
        let (expected, found) = ((1 + at % 4) as f64 / weights as f64, *served as f64 / all);
        assert!((expected - found).abs() < 0.01, "d{at}: {expected} {found}");
    }
    assert_eq!((minute.attempts, minute.failed), (REQUESTS / 2, 0));
    for step in 0..REQUESTS / 2 {
        if step % 2_000 == 0 {
            minute.change();
        }
        minute.step(None);
    }
    minute.end();
    let extra = minute.attempts - REQUESTS;
    assert!(extra > 100, "something failed and was tried again: {extra}");
    assert!(extra * 10 <= REQUESTS, "{extra} retries of {REQUESTS} requests");
    assert!(minute.failed * 100 < REQUESTS, "{} requests failed", minute.failed);
}

#[test]
fn in_steady_failure_attempts_are_requests_and_a_tenth() {
    let mut minute =
        Minute::new(2, "  retry_budget_percent: 10\n  retry_budget_floor: 10\n  disable_cooldowns: true\n");
    minute.sick = [Some(Kind::UpstreamStatus(500)); DEPLOYMENTS];
    const ROUNDS: u64 = 20_000;
    (0..ROUNDS).for_each(|_| minute.step(None));
    minute.end();
    assert_eq!(minute.failed, ROUNDS);
    // Of the first ten seconds a floor of ten, and a request that has just come.
    assert!(minute.attempts <= ROUNDS + ROUNDS / 10 + 20, "{}", minute.attempts);
    assert!(minute.attempts >= ROUNDS + ROUNDS / 20, "{}", minute.attempts);
}

#[test]
fn a_session_stays_at_its_home_while_all_are_well() {
    let mut minute = Minute::new(3, "  optional_pre_call_checks: [session_affinity]\n");
    for _ in 0..20_000 {
        // One at a time: nobody has more than a share of what is open.
        minute.finish_until(u64::MAX);
        let session = minute.scene.dice.u8(..200);
        minute.step(Some(session));
    }
    minute.end();
    let mut homes: Vec<_> = minute.homes.values().copied().collect();
    homes.sort_unstable();
    homes.dedup();
    assert_eq!(homes.len(), DEPLOYMENTS, "two hundred sessions are spread over all");
}

#[test]
fn whatever_becomes_of_two_attempts_there_is_one_receipt_and_nothing_is_held() {
    let router = "  hedge: {percentile: 0.5, min_ms: 10, max_percent: 100}\n  retry_budget_percent: 100\n";
    let mut scene = Scene::new(4, 3, router);
    let receipts = |scene: &Scene| scene.ledger.tally();
    let mut told = HashMap::<&str, u32>::new();
    for round in 0..3_000_u64 {
        let spent = |scene: &Scene| scene.ledger.statement(AccountId::Global, scene.clock.now()).unwrap();
        let (before, records) = (spent(&scene).spent, receipts(&scene));
        let mut planned = scene.open(None);
        let first = planned.attempt(scene.clock.now(), scene.dice.u64(..)).unwrap().deployment;
        let after = planned.hedge_after(scene.clock.now());
        scene.clock.advance(Duration::from_millis(scene.dice.u64(5..40)));
        let held = spent(&scene).reserved;
        let second = after.and_then(|_| planned.begin_hedge(scene.clock.now(), scene.dice.u64(..)));
        let what = match &second {
            None => "alone",
            Some(second) => {
                assert_ne!(second.deployment, first, "round {round}");
                assert_eq!(spent(&scene).reserved, held.plus(held), "round {round}: both are reserved");
                assert!(planned.begin_hedge(scene.clock.now(), 0).is_none(), "round {round}: once");
                ["first answers", "second answers", "first fails", "second fails", "left", "dropped"]
                    [scene.dice.usize(..6)]
            }
        };
        *told.entry(what).or_default() += 1;
        let now = scene.clock.now();
        match what {
            "second answers" => planned.leg_answers(Leg::Second, now),
            "first answers" => planned.leg_answers(Leg::First, now),
            "first fails" => planned.leg_failed(Leg::First, &fault(Kind::UpstreamTimeout), now),
            "second fails" => planned.leg_failed(Leg::Second, &fault(Kind::UpstreamStatus(503)), now),
            _ => {}
        }
        let served_by = planned.deployment().unwrap().settings.id.to_string();
        let stays = matches!(what, "alone" | "first answers" | "second fails" | "left" | "dropped");
        assert_eq!(served_by == format!("d{first}"), stays, "round {round}: {what}");
        match what {
            "left" => scene.close(planned, Ending::ClientGone, None),
            "dropped" => drop(planned),
            _ => {
                scene.answer(&mut planned);
                assert_eq!(planned.attempts(), 1, "round {round}: {what}");
                scene.close(planned, Ending::Complete, None);
            }
        }
        let statement = spent(&scene);
        assert_eq!((statement.open, statement.reserved), (0, PicoUsd::ZERO), "round {round}: {what}");
        let cost = statement.spent.minus(before);
        // An answer is twelve millionths; a prompt that was sent for nothing costs something, and less.
        let (answer, prompts) = match what {
            "alone" | "first fails" | "second fails" => (12_000_000, 0),
            "first answers" | "second answers" => (12_000_000, 1),
            _ => (0, 2),
        };
        let wasted = cost.0 - answer;
        assert!(wasted >= prompts * 1_000_000 && wasted <= prompts * 40_000_000, "round {round}: {what}: {wasted}");
        assert_eq!(wasted == 0, prompts == 0, "round {round}: {what}: {wasted}");
        let now_recorded = receipts(&scene);
        assert_eq!(now_recorded.receipts, records.receipts + 1, "round {round}: {what}: one receipt");
    }
    assert!(scene.world.deployments.iter().all(|known| known.health.open() == 0));
    for what in ["alone", "first answers", "second answers", "first fails", "second fails", "left", "dropped"] {
        assert!(told.get(what).is_some_and(|times| *times > 10), "{what}: {told:?}");
    }
}
