//! How LiteLLM routes, by its own examples, and what is answered here: the same, or the difference and its reason.
//!
//! | LiteLLM | here |
//! |---|---|
//! | `simple-shuffle` by `weight` if any is above zero, else by `rpm`, else by `tpm`, else evenly | the same |
//! | a deployment without the number that others have is never picked | the same |
//! | an exact name before an alias before wildcards, the most specific first, before `*` | the same, but an alias before a group of its name |
//! | fallbacks under the exact name, then without or with the provider, then `*`; `default_fallbacks` are `*` | the same |
//! | `context_window_fallbacks` and `content_policy_fallbacks`, else `fallbacks` | the same |
//! | a higher `order` is an implicit first fallback | the same |
//! | 429 sets aside at once, if the group has more than one | the same |
//! | 401 and 404 set aside at once, the only one of a group too | at once; the only one never: it would be an outage of our own |
//! | 408 sets aside at once | by error rate: one slow answer is no outage |
//! | more than half of at least five failures in a minute set aside | the same, of the last twenty |
//! | `allowed_fails`: set aside when failures in a minute are more than that | the same |
//! | other 4xx never set aside | the same |
//! | for `cooldown_time`, 5 s by default, or as long as the provider says | the same; a refused credential for five minutes |

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::Arc;
use std::time::Duration;

use tollgate::cli::Served;
use tollgate::config::{self, Cooling, Purpose};
use tollgate::exchange::{self, Explained, Surroundings, World};
use tollgate::ledger::Memory;
use tollgate::routing::{Failure, Health, Rest, Standing};
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{Clock, Fault, Kind};

fn world(text: &str) -> (Arc<World>, Clock) {
    let nothing = |_: &str| None;
    let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
    let (settings, report) = config::load_text("reference.yaml", text, &from);
    let settings = settings.unwrap_or_else(|| unreachable!("{:?}", report.findings));
    let clock = Clock::manual(1_795_226_400_000);
    let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms: 0 });
    let around = Surroundings::new(clock.clone(), Arc::new(Memory::new()), telemetry);
    (Arc::new(World::build(settings, around, None).unwrap()), clock)
}

fn explained(world: &Arc<World>, clock: &Clock, model: &str) -> Explained {
    exchange::explain(world, None, model, &[], clock.now()).unwrap()
}

/// The shares of a group's deployments in thousandths, in the order of the list.
fn shares(params: &[&str]) -> Vec<u64> {
    let entry = |(at, more): (usize, &&str)| {
        format!(
            "  - {{model_name: m, litellm_params: {{model: openai/up, api_key: k{more}}}, model_info: {{id: d{at}}}}}\n"
        )
    };
    let list: String = params.iter().enumerate().map(entry).collect();
    let (world, clock) = world(&format!("model_list:\n{list}general_settings: {{master_key: sk-reference-0001}}\n"));
    let mut deployments = explained(&world, &clock, "m").deployments;
    deployments.sort_by(|one, other| one.id.cmp(&other.id));
    deployments.iter().map(|considered| considered.share_milli).collect()
}

#[test]
fn simple_shuffle_weighs_by_weight_else_rpm_else_tpm_else_evenly() {
    assert_eq!(shares(&["", ""]), [500, 500]);
    assert_eq!(shares(&[", weight: 1", ", weight: 9"]), [100, 900]);
    assert_eq!(shares(&[", weight: 2, rpm: 900", ", weight: 1, rpm: 6"]), [666, 333]);
    assert_eq!(shares(&[", rpm: 900", ", rpm: 100"]), [900, 100]);
    assert_eq!(shares(&[", rpm: 6, tpm: 1", ", rpm: 2, tpm: 100000"]), [750, 250]);
    assert_eq!(shares(&[", tpm: 100000", ", tpm: 300000"]), [250, 750]);
    assert_eq!(shares(&[", weight: 1", ", rpm: 900"]), [1000, 0]);
    assert_eq!(shares(&[", rpm: 5", ""]), [1000, 0]);
    // One alone in its order has all of it.
    assert_eq!(shares(&[", weight: 1, order: 1", ", weight: 9, order: 2"]), [1000, 1000]);
}

const NAMES: &str = "
model_list:
  - {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o, api_key: k}}
  - {model_name: openai/*, litellm_params: {model: openai/*, api_key: k}}
  - {model_name: openai/gpt-4o-*, litellm_params: {model: openai/gpt-4o-*, api_key: k}}
  - {model_name: '*', litellm_params: {model: openai/*, api_key: k}}
router_settings:
  model_group_alias: {gpt-4: gpt-4o, latest: {model: openai/o3, hidden: true}}
general_settings: {master_key: sk-reference-0001}
";

#[test]
fn names_are_found_exactly_then_by_alias_then_by_the_most_specific_star() {
    let (world, clock) = world(NAMES);
    for (asked, group) in [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4", "gpt-4o"),
        ("latest", "openai/*"),
        ("openai/gpt-4o-mini", "openai/gpt-4o-*"),
        ("openai/o3", "openai/*"),
        ("anything-else", "*"),
    ] {
        assert_eq!(explained(&world, &clock, asked).group, group, "{asked}");
    }
}

const FALLBACKS: &str = "
model_list:
  - {model_name: gpt-4, litellm_params: {model: azure/a, api_key: k, api_base: 'https://a.example', order: 1}, model_info: {id: first}}
  - {model_name: gpt-4, litellm_params: {model: azure/b, api_key: k, api_base: 'https://b.example', order: 2}, model_info: {id: second}}
  - {model_name: openai/small, litellm_params: {model: openai/small, api_key: k}}
  - {model_name: large, litellm_params: {model: openai/large, api_key: k}}
  - {model_name: other, litellm_params: {model: openai/other, api_key: k}}
  - {model_name: last, litellm_params: {model: openai/last, api_key: k}}
router_settings:
  fallbacks: [{gpt-4: [other, large]}, {small: [other]}]
  context_window_fallbacks: [{gpt-4: [large]}]
  content_policy_fallbacks: [{other: [large]}]
  default_fallbacks: [last]
general_settings: {master_key: sk-reference-0001}
";

#[test]
fn fallbacks_are_those_of_the_name_then_of_all_and_special_ones_come_first() {
    let (world, clock) = world(FALLBACKS);
    let of = |model: &str| explained(&world, &clock, model).fallbacks;
    let [usual, too_long, refused] = of("gpt-4");
    assert_eq!((usual, too_long, refused), (names(&["other", "large"]), names(&["large"]), names(&["other", "large"])));
    assert_eq!(of("openai/small"), [names(&["other"]), names(&["other"]), names(&["other"])], "without its provider");
    assert_eq!(of("other"), [names(&["last"]), names(&["last"]), names(&["large"])]);
    assert_eq!(of("large"), [names(&["last"]), names(&["last"]), names(&["last"])], "default_fallbacks");
    let order: Vec<_> = explained(&world, &clock, "gpt-4").deployments.into_iter().map(|known| known.id).collect();
    assert_eq!(order, ["first", "second"]);
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// What one deployment is, after so many failures of a kind.
fn after(failures: usize, failure: Failure, wait: Option<u64>, cooling: &Cooling, spare: bool) -> Option<Rest> {
    let (health, clock) = (Health::default(), Clock::manual(0));
    let wait = wait.map(Duration::from_secs);
    let rests = (0..failures).map(|_| health.failed(failure, wait, cooling, spare, clock.now()));
    let rest = rests.last().flatten();
    assert_eq!(rest.is_some(), matches!(health.standing(clock.now()), Standing::Resting(_)));
    rest
}

fn of_status(status: u16) -> Failure {
    Failure::of(&Fault::upstream(Kind::UpstreamStatus(status), ""))
}

#[test]
fn what_sets_a_deployment_aside_and_for_how_long() {
    let usual = Cooling::default();
    let seconds = |rest: Option<Rest>| rest.map(|rest| rest.time.as_secs());
    // At once, where there is another.
    assert_eq!(seconds(after(1, of_status(429), None, &usual, true)), Some(5));
    assert_eq!(seconds(after(1, of_status(429), Some(30), &usual, true)), Some(30));
    assert_eq!(seconds(after(1, of_status(404), None, &usual, true)), Some(5));
    assert_eq!(seconds(after(1, of_status(401), None, &usual, true)), Some(300));
    // Never the only one.
    for status in [401, 404, 408, 429, 500, 503] {
        assert_eq!(after(1000, of_status(status), Some(30), &usual, false), None, "{status}");
    }
    // By rate, from the fifth on.
    for status in [408, 500, 502, 503, 529] {
        assert_eq!(after(4, of_status(status), None, &usual, true), None, "{status}");
        assert_eq!(seconds(after(5, of_status(status), None, &usual, true)), Some(5), "{status}");
    }
    // The request's own fault.
    for status in [400, 409, 413, 422] {
        assert_eq!(after(1000, of_status(status), None, &usual, true), None, "{status}");
    }
    // `allowed_fails: 3`: the fourth in a minute, whatever the kind.
    let allowed = Cooling { allowed_fails: Some(3), time: Duration::from_secs(60), ..usual };
    for status in [401, 408, 429, 500] {
        assert_eq!(after(3, of_status(status), None, &allowed, true), None, "{status}");
        assert_eq!(seconds(after(4, of_status(status), None, &allowed, true)), Some(60), "{status}");
    }
    let never = Cooling { disabled: true, ..usual };
    assert_eq!(after(1000, of_status(429), None, &never, true), None);
}
