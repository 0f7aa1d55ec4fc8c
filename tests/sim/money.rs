//! Courses played out on purpose: money to the last pico-dollar.

use std::sync::Arc;

use bytes::Bytes;
use tollgate::config::Settings;
use tollgate::exchange::{Again, Ending, Planned, Refused, Sent, Surroundings, Treatment, UpstreamHead, World};
use tollgate::ledger::{AccountId, Ledger, Statement};
use tollgate::pricing::prompt;
use tollgate::vocabulary::{Fault, KeyHash, Kind, PicoUsd};

use super::scene::{self, Sending};
use super::upstream::{Answer, Asked, Billed, Seen};

const KEY: usize = 1;
const CHAT: &str = r#""model":"small","messages":[{"role":"user","content":"say something about tolls and gates"}]"#;

struct Stage {
    around: Surroundings,
    world: Arc<World>,
}

impl Stage {
    fn with_budget(budget: PicoUsd) -> Self {
        Self::with(|settings| scene::with_budget(settings, KEY, Some(budget), None))
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let around = scene::around();
        let mut settings = scene::settings();
        change(&mut settings);
        let world = Arc::new(World::build(settings, around.clone(), None).unwrap());
        Self { around, world }
    }

    fn plan(&self, body: &str) -> Result<Box<Planned>, Box<Refused>> {
        let now = self.around.clock.now();
        let sending = Sending { path: "/v1/chat/completions", key: Some(scene::KEYS[KEY]) };
        let opened = scene::enter(&self.world, "money".to_owned(), &sending, now)?;
        opened.plan(Bytes::copy_from_slice(body.as_bytes()), now, now)
    }

    fn statement(&self) -> Statement {
        let account = AccountId::Key(KeyHash::of(scene::KEYS[KEY]));
        self.around.ledger.statement(account, self.around.clock.now()).unwrap()
    }

    /// Plays an exchange to its end with a provider that bills all it may.
    fn bill_all(&self, mut planned: Box<Planned>, body: &str, mut tries: u32) -> String {
        let now = self.around.clock.now();
        loop {
            let outbound = planned.attempt(now, 0).unwrap();
            let asked = Asked::read(&outbound.body.to_bytes());
            if tries > 0 {
                tries -= 1;
                let again = planned.failed(&Fault::upstream(Kind::UpstreamConnect, "down"), now, 0);
                assert!(matches!(again, Again::After(_)));
                continue;
            }
            let prompt = prompt::estimate_prompt("small", body.as_bytes());
            let billed = Billed { prompt, completion: asked.completion_max() };
            let seen = Seen { model: "small".to_owned(), usage: false };
            let answer = Answer::json(&asked, &seen, 1, Some(billed));
            let head = UpstreamHead { status: 200, content_type: Some("application/json"), retry_after: None };
            assert!(matches!(planned.reply(&head, now, 0), Treatment::Hold));
            planned.push(answer.sent(), &mut Vec::new()).unwrap();
            assert!(planned.finish_held(now, 0).is_ok());
            planned.close(Ending::Complete, None, &Sent::default(), now);
            return asked.model;
        }
    }
}

/// The smallest budget with which a body is let through.
fn threshold(body: &str) -> PicoUsd {
    let fits = |budget: i128| Stage::with_budget(PicoUsd(budget)).plan(body).is_ok();
    let (mut low, mut high) = (0, PicoUsd::dollars(1).0);
    assert!(fits(high) && !fits(low));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { high = middle } else { low = middle }
    }
    PicoUsd(high)
}

pub(crate) fn exactly_affordable(bound: &str) {
    let body = format!("{{{CHAT},{bound}}}");
    let budget = threshold(&body);
    let stage = Stage::with_budget(budget);
    let first = stage.plan(&body).unwrap();
    assert_eq!(stage.statement().reserved, budget, "all of it is held");
    let second = stage.plan(&body).err().unwrap();
    assert_eq!(second.fault.kind, Kind::BudgetExceeded);
    stage.bill_all(first, &body, 0);
    let Statement { spent, reserved, excess, .. } = stage.statement();
    assert!(spent > PicoUsd::ZERO && spent <= budget && reserved == PicoUsd::ZERO && excess == PicoUsd::ZERO);
    let poorer = Stage::with_budget(budget.minus(PicoUsd(1))).plan(&body).err().unwrap();
    assert_eq!(poorer.fault.kind, Kind::BudgetExceeded);
}

pub(crate) fn capped_to_what_can_be_paid() {
    let body = format!("{{{CHAT}}}");
    let least = threshold(&body);
    for budget in [least, least.times(2), least.times(5)] {
        let stage = Stage::with_budget(budget);
        let mut planned = stage.plan(&body).unwrap();
        let now = stage.around.clock.now();
        let asked = Asked::read(&planned.attempt(now, 0).unwrap().body.to_bytes());
        assert!(
            asked.max_tokens.or(asked.max_completion_tokens).is_some_and(|most| (1..300).contains(&most)),
            "{asked:?}"
        );
        let again = planned.failed(&Fault::upstream(Kind::UpstreamConnect, "down"), now, 0);
        assert!(matches!(again, Again::After(_)));
        stage.bill_all(planned, &body, 0);
        let Statement { spent, excess, .. } = stage.statement();
        assert!(spent > PicoUsd::ZERO && spent <= budget && excess == PicoUsd::ZERO, "{spent} of {budget}");
    }
}

pub(crate) fn retried_on_the_dearer() {
    let body = format!(r#"{{{CHAT},"max_tokens":64}}"#);
    let budget = threshold(&body);
    let answered: Vec<String> = (0..3)
        .map(|tries| {
            let stage = Stage::with_budget(budget);
            let model = stage.bill_all(stage.plan(&body).unwrap(), &body, tries.min(2));
            let Statement { spent, excess, .. } = stage.statement();
            assert!(spent <= budget && excess == PicoUsd::ZERO, "{spent} of {budget}");
            model
        })
        .collect();
    assert!(answered.iter().any(|model| model == "small-b"), "{answered:?}");
}

pub(crate) fn a_null_bound() {
    for bound in ["max_tokens", "max_completion_tokens"] {
        let body = format!(r#"{{{CHAT},"{bound}":null}}"#);
        let budget = threshold(&body);
        let stage = Stage::with_budget(budget);
        let planned = stage.plan(&body).unwrap();
        stage.bill_all(planned, &body, 0);
        assert!(stage.statement().spent <= budget && stage.statement().excess == PicoUsd::ZERO);
    }
}

pub(crate) fn a_bad_reload() {
    let stage = Stage::with_budget(PicoUsd(1_000));
    let mut settings = stage.world.settings.clone();
    scene::with_budget(&mut settings, KEY, Some(PicoUsd(7)), None);
    scene::with_budget(&mut settings, 5, Some(PicoUsd(7)), Some("a fortnight"));
    assert!(World::build(settings, stage.around.clone(), Some(&stage.world)).is_err());
    assert_eq!(stage.statement().limit, Some(PicoUsd(1_000)));
}
