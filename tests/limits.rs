//! Limits and budgets under many hands at once, and over time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tollgate::config::{Budget, VirtualKey};
use tollgate::ledger::{AccountId, Ledger, Memory, Part, Refusal, Scope, Terms, Window};
use tollgate::policy::{Ask, Bucket, Denied, DeploymentLimits, KeyRing, LimitType, ScopeLimits};
use tollgate::vocabulary::{Clock, Fault, KeyHash, Kind, PicoUsd};

const THREADS: usize = 16;
const TRIES: usize = 2_000;
const MORNING: i64 = 1_795_226_400_000;

fn virtual_key() -> VirtualKey {
    VirtualKey {
        hash: KeyHash::of("sk-limits-0123456789"),
        account: None,
        shown: Some("sk-...6789".to_owned()),
        alias: Some("ada".to_owned()),
        models: Vec::new(),
        aliases: Vec::new(),
        rpm_limit: None,
        tpm_limit: None,
        max_parallel_requests: None,
        model_rpm_limit: Vec::new(),
        model_tpm_limit: Vec::new(),
        budget: None::<Budget>,
        model_budgets: Vec::new(),
        soft_budget: None,
        expires_ms: None,
        blocked: false,
        allowed_ips: Vec::new(),
        region: None,
        may_explain: true,
        tags: Vec::new(),
        metadata: None,
        place: "keys.yaml:1".to_owned(),
    }
}

fn ask(tokens: u64) -> Ask<'static> {
    Ask { requested: "fast", group: "gpt-4o", tokens }
}

fn in_parallel(work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for hand in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(hand));
        }
    });
}

#[test]
fn a_budget_for_ten_lets_ten_through_however_many_ask_at_once() {
    let clock = Clock::manual(MORNING);
    let price = PicoUsd::parse("0.0037").unwrap();
    let id = AccountId::Key(KeyHash::of("sk-x"));
    for _ in 0..20 {
        let ledger = Memory::new();
        let (limit, window) = (Some(price.times(10)), Window::forever());
        ledger.account(
            id,
            Terms { scope: Scope::Global, part: Part::Whole, limit, window: window.clone() },
            clock.now(),
        );
        ledger.account(
            AccountId::Global,
            Terms { scope: Scope::Global, part: Part::Whole, limit: None, window },
            clock.now(),
        );
        let admitted = AtomicU64::new(0);
        in_parallel(|hand| {
            // Both orders of asking: the ledger locks in its own.
            let mut asks = [(id, price), (AccountId::Global, price)];
            asks.rotate_left(hand % 2);
            for _ in 0..TRIES / 20 {
                let Ok(mut hold) = ledger.reserve(&asks, clock.now()) else { continue };
                admitted.fetch_add(1, Ordering::Relaxed);
                hold.dispatched();
                hold.settle(price, clock.now());
            }
        });
        assert_eq!(admitted.load(Ordering::Relaxed), 10);
        assert_eq!(ledger.affordable(&[id, AccountId::Global], clock.now()), PicoUsd::ZERO);
        assert_eq!(ledger.statement(AccountId::Global, clock.now()).unwrap().spent, price.times(10));
    }
}

#[test]
fn voided_and_dropped_reservations_leave_nothing_behind() {
    let (ledger, clock) = (Memory::new(), Clock::manual(MORNING));
    let terms = Terms { scope: Scope::Global, part: Part::Whole, limit: Some(PicoUsd(5)), window: Window::forever() };
    ledger.account(AccountId::Global, terms, clock.now());
    in_parallel(|hand| {
        for turn in 0..TRIES {
            match ledger.reserve(&[(AccountId::Global, PicoUsd(1))], clock.now()) {
                Ok(hold) if (hand + turn) % 2 == 0 => hold.void(),
                other => drop(other),
            }
        }
    });
    let statement = ledger.statement(AccountId::Global, clock.now()).unwrap();
    assert_eq!((statement.spent, statement.reserved, statement.open), (PicoUsd::ZERO, PicoUsd::ZERO, 0));
}

#[test]
fn a_bucket_gives_out_exactly_its_tokens_however_many_hands_reach_in() {
    let bucket = Bucket::per_minute(10_007);
    let clock = Clock::manual(MORNING);
    let taken = AtomicU64::new(0);
    in_parallel(|hand| {
        for turn in 0..TRIES {
            let n = ((hand + turn) % 3 + 1) as u64;
            if bucket.try_take(n, clock.now()).is_ok() {
                taken.fetch_add(n, Ordering::Relaxed);
            }
        }
    });
    assert_eq!(taken.load(Ordering::Relaxed), 10_007);
    clock.advance(Duration::from_secs(6));
    let more = (0..5_000).filter(|_| bucket.try_take(1, clock.now()).is_ok()).count();
    assert_eq!(more, 1_000, "a tenth of a minute brings a tenth of the limit, rounded down");
}

#[test]
fn parallel_places_are_never_oversold_and_all_come_back() {
    let clock = Clock::manual(MORNING);
    let limits =
        ScopeLimits::of_key(&VirtualKey { max_parallel_requests: Some(3), ..virtual_key() }, None, clock.now());
    let (open, most) = (AtomicU64::new(0), AtomicU64::new(0));
    in_parallel(|_| {
        for _ in 0..TRIES {
            let Ok(permit) = limits.admit(&ask(1), clock.now()) else { continue };
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            open.fetch_sub(1, Ordering::SeqCst);
            drop(permit);
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 3);
    assert_eq!(limits.open(), Some((0, 3)));
}

#[test]
fn one_request_a_minute_sends_the_second_away_for_the_rest_of_it() {
    let clock = Clock::manual(MORNING);
    let limits = ScopeLimits::of_key(&VirtualKey { rpm_limit: Some(1), ..virtual_key() }, None, clock.now());
    let mut permit = limits.admit(&ask(10), clock.now()).unwrap();
    permit.sent();
    permit.settle(Some(10), clock.now());
    clock.advance(Duration::from_millis(500));
    let denied = limits.admit(&ask(10), clock.now()).unwrap_err();
    assert_eq!((denied.limit_type, denied.after), (LimitType::Requests, Duration::from_millis(59_500)));
    let fault = Fault::from(denied);
    assert_eq!((fault.kind, fault.retry_after), (Kind::RateLimited, Some(Duration::from_millis(59_500))));
    assert_eq!(
        fault.public,
        format!(
            "Rate limit exceeded for api_key: {}. Limit type: requests. Current limit: 1, Remaining: 0. \
             Limit resets at: 2026-11-21 02:01:00 UTC",
            KeyHash::of("sk-limits-0123456789")
        )
    );
    clock.advance(Duration::from_millis(59_500));
    assert!(limits.admit(&ask(10), clock.now()).is_ok());
}

#[test]
fn a_debt_of_tokens_is_paid_back_before_anything_passes() {
    let clock = Clock::manual(MORNING);
    let limits = ScopeLimits::of_key(&VirtualKey { tpm_limit: Some(60), ..virtual_key() }, None, clock.now());
    let mut permit = limits.admit(&ask(10), clock.now()).unwrap();
    permit.sent();
    permit.settle(Some(150), clock.now());
    let denied = limits.admit(&ask(1), clock.now()).unwrap_err();
    assert_eq!((denied.limit_type, denied.remaining, denied.after.as_secs()), (LimitType::Tokens, 0, 91));
    clock.advance(Duration::from_secs(90));
    assert!(limits.admit(&ask(1), clock.now()).is_err());
    clock.advance(Duration::from_secs(1));
    assert!(limits.admit(&ask(1), clock.now()).is_ok());
}

#[test]
fn what_never_went_upstream_costs_nothing_and_what_did_costs_its_estimate() {
    let clock = Clock::manual(MORNING);
    let key = VirtualKey { rpm_limit: Some(10), tpm_limit: Some(100), ..virtual_key() };
    let limits = ScopeLimits::of_key(&key, None, clock.now());
    let left = || limits.snapshot("fast", "gpt-4o", clock.now()).whole.map(|level| level.unwrap().remaining());
    drop(limits.admit(&ask(40), clock.now()).unwrap());
    assert_eq!(left(), [10, 100]);
    let mut sent = limits.admit(&ask(40), clock.now()).unwrap();
    sent.sent();
    drop(sent);
    assert_eq!(left(), [9, 60]);
    let mut failed = limits.admit(&ask(40), clock.now()).unwrap();
    failed.sent();
    failed.settle(Some(0), clock.now());
    assert_eq!(left(), [8, 60]);
    assert!(limits.admit(&ask(61), clock.now()).is_err());
    assert_eq!(left(), [8, 60], "a denial gives back what it had taken before");
}

#[test]
fn a_limit_on_a_model_binds_its_aliases_too() {
    let clock = Clock::manual(MORNING);
    let key = VirtualKey { model_rpm_limit: vec![("gpt-4o".to_owned(), 1)], ..virtual_key() };
    let limits = ScopeLimits::of_key(&key, None, clock.now());
    limits.admit(&ask(1), clock.now()).unwrap().sent();
    let denied: Denied = limits.admit(&ask(1), clock.now()).unwrap_err();
    assert_eq!(denied.model.as_deref(), Some("gpt-4o"));
    let subject = format!("model_per_key: {}:gpt-4o.", key.hash);
    assert!(denied.fault().public.contains(&subject));
    assert!(limits.admit(&Ask { requested: "o3", group: "o3", tokens: 1 }, clock.now()).is_ok());
}

#[test]
fn a_reload_forgives_nothing() {
    let clock = Clock::manual(MORNING);
    let key = VirtualKey { rpm_limit: Some(10), max_parallel_requests: Some(1), ..virtual_key() };
    let build = |key: &VirtualKey, before: Option<&KeyRing>| {
        KeyRing::build(None, std::slice::from_ref(key), &|_| None, before, clock.now())
    };
    let before = build(&key, None);
    let held = before.find("sk-limits-0123456789").unwrap().limits.admit(&ask(1), clock.now()).unwrap();
    let after = build(&VirtualKey { rpm_limit: Some(100), ..key }, Some(&before));
    let limits = &after.find("sk-limits-0123456789").unwrap().limits;
    assert_eq!(limits.admit(&ask(1), clock.now()).unwrap_err().limit_type, LimitType::Parallel);
    assert_eq!(limits.snapshot("fast", "gpt-4o", clock.now()).whole[0].unwrap().remaining(), 90);
    drop(held);
    assert!(limits.admit(&ask(1), clock.now()).is_ok());
}

#[test]
fn a_deployment_without_room_says_when_it_may_have_some() {
    let clock = Clock::manual(MORNING);
    let limits = DeploymentLimits::of("d", (Some(2), Some(100)), Some(2), None, clock.now());
    let mut first = limits.try_take(100, clock.now()).unwrap();
    first.sent();
    assert!(!limits.has_room(1, clock.now()));
    assert_eq!(limits.try_take(50, clock.now()).unwrap_err().after, Duration::from_secs(30));
    first.settle(Some(20), clock.now());
    assert!(limits.has_room(50, clock.now()));
    assert!(DeploymentLimits::default().has_room(u64::MAX, clock.now()));
}

#[test]
fn a_denied_budget_says_which_how_much_and_until_when() {
    let (ledger, clock) = (Arc::new(Memory::new()), Clock::manual(MORNING));
    let id = AccountId::Key(virtual_key().hash);
    let scope = Scope::Key { alias: Some("ada".to_owned()), shown: Some("sk-...6789".to_owned()) };
    let window = Window::parse(Some("1mo"), &jiff::tz::TimeZone::UTC).unwrap();
    ledger.account(id, Terms { scope, part: Part::Whole, limit: Some(PicoUsd::dollars(1)), window }, clock.now());
    let half = PicoUsd::parse("0.5").unwrap();
    ledger.reserve(&[(id, half)], clock.now()).unwrap().settle(half, clock.now());
    let _open = ledger.reserve(&[(id, PicoUsd::parse("0.4").unwrap())], clock.now()).unwrap();
    let fault = Fault::from(ledger.reserve(&[(id, half)], clock.now()).unwrap_err());
    assert_eq!(fault.kind, Kind::BudgetExceeded);
    assert_eq!(
        fault.public,
        "Budget has been exceeded! Key=ada (sk-...6789) Current cost: 0.5, Max budget: 1 \
         (reserved 0.4; resets at 2026-12-01T00:00:00Z)"
    );
    assert!(ledger.reserve(&[(id, PicoUsd::ZERO)], clock.now()).is_ok(), "what costs nothing passes");
    let stranger = AccountId::Key(KeyHash::of("sk-stranger"));
    assert_eq!(ledger.reserve(&[(stranger, half)], clock.now()).unwrap_err(), Refusal::Unknown(stranger));
}
