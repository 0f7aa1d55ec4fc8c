//! Whom a key spends for: teams, members, users, organizations, customers and tags bind its requests together, or not at all.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::exchange::{
    Ending, Entry, Head, Opened, Planned, Sent, Surroundings, Treatment, UpstreamHead, Whose, World,
};
use tollgate::ledger::{AccountId, Ledger, Memory, Part};
use tollgate::roster::{
    AccessGroup, Bounds, Budget, BudgetLimit, Change, Customer, Key, Kind as Of, ModelBudget, Organization, Record,
    TagRecord, Team, TeamMember, User,
};
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{Clock, Fault, KeyHash, Kind, PicoUsd, ScopeKind};

const KEY: &str = "sk-scopes-0123456789abcdef";
const YAML: &str = r#"
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_key: sk-up, input_cost_per_token: 0, output_cost_per_token: 0.001}
  - model_name: other
    litellm_params: {model: openai/up, api_key: sk-up, input_cost_per_token: 0, output_cost_per_token: 0.001}
general_settings:
  master_key: sk-master-0123456789abcdef
"#;
/// What a request asks for at most, and so what is held for it.
const ANSWER: &str = r#","max_tokens":10"#;
const CENT: PicoUsd = PicoUsd(10_000_000_000);

struct Scene {
    world: Arc<World>,
    clock: Clock,
}

impl Scene {
    /// The usual two models, and more of `general_settings` and beyond.
    fn new(more: &str) -> Self {
        Self::of(&format!("{YAML}{more}"))
    }

    fn of(yaml: &str) -> Self {
        let nothing = |_: &str| None;
        let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
        let (settings, report) = config::load_text("scopes.yaml", yaml, &from);
        assert!(settings.is_some(), "{:?}", report.findings);
        let settings = settings.unwrap();
        let started_ms = 1_795_226_400_000;
        let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms });
        let clock = Clock::manual(started_ms);
        let around = Surroundings::new(clock.clone(), Arc::new(Memory::new()), telemetry);
        Self { world: Arc::new(World::build(settings, around, None).unwrap()), clock }
    }

    fn put<R: Into<Record>>(&self, record: R) -> &Self {
        self.world.around.roster.apply([Change::Put(record.into())]);
        self
    }

    fn ask(&self, body: &str, headers: &[(&str, &str)]) -> Result<Box<Planned>, Fault> {
        let now = self.clock.now();
        let bearer = format!("Bearer {KEY}");
        let header = |name: &str| match name {
            "authorization" => Some(bearer.as_bytes()),
            _ => headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes()),
        };
        let (method, path) = ("POST", "/v1/chat/completions");
        let head = Head { method, path, header: &header, client_ip: None, query: None, content_length: None };
        let refused = |refused: Box<tollgate::exchange::Refused>| {
            let fault = refused.fault.clone();
            refused.close(400, 0, Ending::Refused, now);
            fault
        };
        let entry = Opened::enter(&self.world, &head, "x1".to_owned(), now).map_err(refused)?;
        let Entry::Call(opened) = entry else { unreachable!() };
        opened.plan(body.to_owned().into(), now, now).map_err(refused)
    }

    fn chat(&self, model: &str, more: &str) -> Result<Box<Planned>, Fault> {
        self.ask(&format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Hi"}}]{ANSWER}{more}}}"#), &[])
    }

    /// Answers with so many tokens, a tenth of a cent each.
    fn answer(&self, mut planned: Box<Planned>, tokens: u64) {
        let now = self.clock.now();
        planned.attempt(now, 0).unwrap();
        let head = UpstreamHead { status: 200, content_type: Some("application/json"), retry_after: None };
        assert!(matches!(planned.reply(&head, now, 0), Treatment::Hold));
        let usage = format!(r#"{{"prompt_tokens":1,"completion_tokens":{tokens},"total_tokens":{}}}"#, tokens + 1);
        let choice = r#"[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]"#;
        let body =
            format!(r#"{{"id":"c","object":"chat.completion","model":"up","choices":{choice},"usage":{usage}}}"#);
        planned.push(body.into(), &mut Vec::new()).unwrap();
        planned.finish_held(now, 0).unwrap();
        planned.close(Ending::Complete, None, &Sent { status: 200, ..Sent::default() }, now);
    }

    /// What was spent at a deployment or a provider, and what is held there.
    fn spent_at(&self, kind: ScopeKind, id: &str) -> (PicoUsd, PicoUsd) {
        let account = AccountId::of(kind, id, &Part::Whole);
        let statement = self.world.around.ledger.statement(account, self.clock.now()).unwrap();
        (statement.spent, statement.reserved)
    }

    fn spent(&self, whose: Whose<'_>) -> PicoUsd {
        let now = self.clock.now();
        let party = self.world.party(whose, now).unwrap();
        let statement = party.statement(&self.world.around.ledger, now).unwrap();
        assert_eq!(statement.reserved, PicoUsd::ZERO, "{whose:?}");
        statement.spent
    }
}

fn key() -> Key {
    Key::new(KeyHash::of(KEY), "sk-...cdef")
}

fn cents(cents: u64) -> Option<PicoUsd> {
    Some(CENT.times(cents))
}

fn budget(of: u64) -> Bounds {
    Bounds { max_budget: cents(of), ..Bounds::default() }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn of_team() -> Key {
    Key { team_id: some("blue"), user_id: some("ada"), organization_id: some("acme"), ..key() }
}

/// A key in a team, of a member, in an organization, none of them bounded.
fn everybody(scene: &Scene) {
    scene
        .put(Team { team_id: "blue".to_owned(), ..Team::default() })
        .put(TeamMember { team_id: "blue".to_owned(), user_id: "ada".to_owned(), ..TeamMember::default() })
        .put(User { user_id: "ada".to_owned(), ..User::default() })
        .put(Organization { organization_id: "acme".to_owned(), ..Organization::default() })
        .put(Customer { user_id: "eve".to_owned(), ..Customer::default() })
        .put(TagRecord { name: "nightly".to_owned(), ..TagRecord::default() })
        .put(of_team());
}

const NAMING: &str = r#","user":"eve","metadata":{"tags":["nightly"]}"#;

#[test]
fn a_key_on_record_is_let_in_at_once_and_out_at_once() {
    let scene = Scene::new("");
    assert_eq!(scene.chat("chat", "").err().unwrap().kind, Kind::UnknownKey);
    scene.put(key());
    scene.answer(scene.chat("chat", "").unwrap(), 5);
    scene.put(Key { blocked: true, ..key() });
    assert_eq!(scene.chat("chat", "").err().unwrap().kind, Kind::BlockedKey);
    scene.world.around.roster.apply([Change::Remove(Of::Key, KeyHash::of(KEY).to_string())]);
    assert_eq!(scene.chat("chat", "").err().unwrap().kind, Kind::UnknownKey);
}

#[test]
fn every_scope_counts_what_is_spent_and_the_tightest_budget_binds() {
    let scene = Scene::new("");
    everybody(&scene);
    scene.answer(scene.chat("chat", NAMING).unwrap(), 5);
    let scopes = [
        Whose::Team("blue"),
        Whose::TeamMember("blue", "ada"),
        Whose::Organization("acme"),
        Whose::Customer("eve"),
        Whose::Tag("nightly"),
    ];
    for whose in scopes {
        assert_eq!(scene.spent(whose), PicoUsd(CENT.0 / 2), "{whose:?}");
    }
    assert_eq!(scene.spent(Whose::User("ada")), PicoUsd::ZERO, "a user's own budget is for the user's own keys");
    // One cent is held for each request: half a cent is spent, so that one of two fits into two cents.
    let bounded: [(&str, Record); 5] = [
        ("Team=blue", Team { team_id: "blue".to_owned(), bounds: budget(2), ..Team::default() }.into()),
        (
            "TeamMember=blue:ada",
            TeamMember {
                team_id: "blue".to_owned(),
                user_id: "ada".to_owned(),
                bounds: budget(2),
                ..TeamMember::default()
            }
            .into(),
        ),
        (
            "Organization=acme",
            Organization { organization_id: "acme".to_owned(), bounds: budget(2), ..Organization::default() }.into(),
        ),
        ("End User=eve", Customer { user_id: "eve".to_owned(), bounds: budget(2), ..Customer::default() }.into()),
        ("Tag=nightly", TagRecord { name: "nightly".to_owned(), bounds: budget(2), ..TagRecord::default() }.into()),
    ];
    for (scope, record) in bounded {
        scene.put(record);
        let first = scene.chat("chat", NAMING).unwrap();
        let fault = scene.chat("chat", NAMING).err().unwrap();
        assert_eq!(fault.kind, Kind::BudgetExceeded);
        assert!(fault.public.contains(scope) && fault.public.contains("0.005"), "{scope}: {}", fault.public);
        drop(first);
        everybody(&scene);
    }
    for whose in scopes {
        assert_eq!(scene.spent(whose), PicoUsd(CENT.0 / 2), "nothing stays held: {whose:?}");
    }
}

#[test]
fn a_users_budget_binds_the_users_own_keys_and_those_of_teams_where_it_is_said() {
    let poor = User { user_id: "ada".to_owned(), bounds: budget(0), ..User::default() };
    let scene = Scene::new("");
    everybody(&scene);
    scene.put(poor.clone());
    assert!(scene.chat("chat", "").is_ok());
    scene.put(Key { user_id: some("ada"), ..key() });
    assert!(scene.chat("chat", "").err().unwrap().public.contains("ExceededBudget: User=ada over budget."));
    let scene = Scene::new("  apply_user_budget_to_team_keys: true\n");
    everybody(&scene);
    scene.put(poor);
    assert_eq!(scene.chat("chat", "").err().unwrap().kind, Kind::BudgetExceeded);
}

#[test]
fn several_windows_and_budgets_of_single_models_hold_at_once() {
    let scene = Scene::new("");
    let daily = BudgetLimit { budget_duration: "1d".to_owned(), max_budget: CENT.times(1) };
    let of_model = ModelBudget { max_budget: CENT.times(1), budget_duration: None };
    let bounds = Bounds {
        max_budget: cents(100),
        budget_limits: vec![daily],
        model_max_budget: BTreeMap::from([("other".to_owned(), of_model)]),
        ..Bounds::default()
    };
    scene.put(Key { bounds, ..key() });
    scene.answer(scene.chat("chat", "").unwrap(), 10);
    let fault = scene.chat("chat", "").err().unwrap();
    assert!(fault.public.contains("Key=sk-...cdef over 1d budget. Spend=$0.01, Limit=$0.01"), "{}", fault.public);
    scene.clock.advance(Duration::from_secs(86_400));
    scene.answer(scene.chat("other", "").unwrap(), 10);
    scene.clock.advance(Duration::from_secs(86_400));
    let fault = scene.chat("other", "").err().unwrap();
    assert!(fault.public.contains("over budget for model=other. Spend=0.01, Budget=0.01"), "{}", fault.public);
    assert!(scene.chat("chat", "").is_ok());
}

#[test]
fn a_shared_budget_is_each_ones_own() {
    let scene = Scene::new("");
    scene.put(Budget { budget_id: "small".to_owned(), bounds: budget(1), ..Budget::default() });
    scene.put(Key { budget_id: some("small"), ..key() });
    scene.answer(scene.chat("chat", "").unwrap(), 10);
    assert_eq!(scene.chat("chat", "").err().unwrap().kind, Kind::BudgetExceeded);
    scene.put(Budget { budget_id: "small".to_owned(), bounds: budget(2), ..Budget::default() });
    scene.answer(scene.chat("chat", "").unwrap(), 10);
    assert_eq!(scene.chat("chat", "").err().unwrap().kind, Kind::BudgetExceeded);
}

#[test]
fn a_temporary_increase_ends() {
    let scene = Scene::new("");
    let until = tollgate::roster::Moment(scene.clock.now().wall_ms + 60_000);
    let increased = Key { temp_budget_increase: cents(1), temp_budget_expiry: Some(until), bounds: budget(1), ..key() };
    scene.put(increased);
    let two = [scene.chat("chat", "").unwrap(), scene.chat("chat", "").unwrap()];
    assert!(scene.chat("chat", "").is_err());
    drop(two);
    scene.clock.advance(Duration::from_secs(60));
    let _one = scene.chat("chat", "").unwrap();
    assert!(scene.chat("chat", "").is_err());
}

#[test]
fn limits_of_every_scope_hold_and_none_is_taken_from_where_another_denies() {
    let scene = Scene::new("");
    everybody(&scene);
    let bounds = Bounds { rpm_limit: Some(2), ..Bounds::default() };
    scene.put(Team { team_id: "blue".to_owned(), bounds, ..Team::default() });
    let bounds = Bounds { max_parallel_requests: Some(1), ..Bounds::default() };
    scene.put(Customer { user_id: "eve".to_owned(), bounds, ..Customer::default() });
    let open = scene.chat("chat", NAMING).unwrap();
    let mut headers = Vec::new();
    open.limits(scene.clock.now(), &mut |name, value| headers.push(format!("{name}: {value}")));
    assert!(headers.contains(&"x-ratelimit-team-remaining-requests: 1".to_owned()), "{headers:?}");
    let fault = scene.chat("chat", NAMING).err().unwrap();
    assert_eq!(fault.kind, Kind::RateLimited);
    assert!(
        fault.public.contains("Rate limit exceeded for end_user: eve. Limit type: max_parallel"),
        "{}",
        fault.public
    );
    scene.answer(open, 1);
    scene.answer(scene.chat("chat", NAMING).expect("the denied one took nothing from the team"), 1);
    let fault = scene.chat("chat", "").err().unwrap();
    assert!(fault.public.contains("Rate limit exceeded for team: blue. Limit type: requests"), "{}", fault.public);
}

#[test]
fn a_limit_goes_on_where_it_stands_when_its_record_changes() {
    let scene = Scene::new("");
    let limited = |rpm| Key { bounds: Bounds { rpm_limit: Some(rpm), ..Bounds::default() }, ..key() };
    scene.put(limited(2));
    scene.answer(scene.chat("chat", "").unwrap(), 1);
    scene.answer(scene.chat("chat", "").unwrap(), 1);
    scene.put(limited(2)).put(User { user_id: "someone else".to_owned(), ..User::default() });
    assert_eq!(scene.chat("chat", "").err().unwrap().kind, Kind::RateLimited);
    scene.put(limited(20));
    assert_eq!(
        scene.chat("chat", "").err().unwrap().kind,
        Kind::RateLimited,
        "all of it was used: so it is of the new one"
    );
}

#[test]
fn a_model_must_be_allowed_by_everybody() {
    let scene = Scene::new("");
    everybody(&scene);
    let only_chat = || vec!["chat".to_owned()];
    let narrowed: [(ScopeKind, Record); 4] = [
        (ScopeKind::Team, Team { team_id: "blue".to_owned(), models: only_chat(), ..Team::default() }.into()),
        (
            ScopeKind::TeamMember,
            TeamMember {
                team_id: "blue".to_owned(),
                user_id: "ada".to_owned(),
                allowed_models: only_chat(),
                ..TeamMember::default()
            }
            .into(),
        ),
        (
            ScopeKind::Organization,
            Organization { organization_id: "acme".to_owned(), models: only_chat(), ..Organization::default() }.into(),
        ),
        (
            ScopeKind::Customer,
            Customer { user_id: "eve".to_owned(), models: only_chat(), ..Customer::default() }.into(),
        ),
    ];
    for (kind, record) in narrowed {
        scene.put(record);
        assert!(scene.chat("chat", NAMING).is_ok(), "{kind}");
        assert_eq!(scene.chat("other", NAMING).err().unwrap().kind, Kind::ScopeModelNotAllowed(kind));
        everybody(&scene);
    }
}

#[test]
fn a_teams_alias_and_an_access_group_on_record_open_what_they_name() {
    let scene = Scene::new("");
    everybody(&scene);
    let model_aliases = BTreeMap::from([("fast".to_owned(), "chat".to_owned())]);
    scene.put(Team { team_id: "blue".to_owned(), model_aliases, models: vec!["beta".to_owned()], ..Team::default() });
    assert!(scene.chat("fast", "").is_ok());
    assert!(scene.chat("other", "").is_err());
    scene.put(AccessGroup {
        access_group: "beta".to_owned(),
        model_names: vec!["other".to_owned()],
        ..AccessGroup::default()
    });
    assert!(scene.chat("other", "").is_ok(), "the group was compiled anew");
}

#[test]
fn whoever_is_blocked_stays_outside_with_all_keys() {
    let scene = Scene::new("");
    everybody(&scene);
    let blocked: [Record; 3] = [
        Team { team_id: "blue".to_owned(), blocked: true, ..Team::default() }.into(),
        Organization { organization_id: "acme".to_owned(), blocked: true, ..Organization::default() }.into(),
        Customer { user_id: "eve".to_owned(), blocked: true, ..Customer::default() }.into(),
    ];
    for record in blocked {
        let id = record.id();
        scene.put(record);
        let fault = scene.chat("chat", NAMING).err().unwrap();
        assert_eq!(fault.kind, Kind::BlockedKey);
        assert!(fault.public.contains(&format!("={id} is blocked")), "{}", fault.public);
        everybody(&scene);
    }
    scene.world.around.roster.apply([Change::Remove(Of::Team, "blue".to_owned())]);
    assert!(scene.chat("chat", "").err().unwrap().public.contains("Team=blue of this key does not exist any more"));
}

#[test]
fn customers_without_a_record_have_the_usual_budget() {
    let scene = Scene::new("litellm_settings: {max_end_user_budget: 0.01}\n");
    scene.put(key());
    let headers = [("x-litellm-customer-id", "mallory")];
    let body = format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"Hi"}}]{ANSWER}}}"#);
    scene.answer(scene.ask(&body, &headers).unwrap(), 10);
    let fault = scene.ask(&body, &headers).err().unwrap();
    assert!(fault.public.contains("ExceededBudget: End User=mallory over budget."), "{}", fault.public);
    assert!(scene.chat("chat", r#","user":"someone else""#).is_ok());
}

#[test]
fn nested_budgets_are_never_exceeded_whatever_runs_in_parallel() {
    for round in 0..20_u64 {
        let scene = Scene::new("");
        everybody(&scene);
        scene.put(Team { team_id: "blue".to_owned(), bounds: budget(30), ..Team::default() });
        scene.put(Customer { user_id: "eve".to_owned(), bounds: budget(20 + round), ..Customer::default() });
        let mut key = of_team();
        key.bounds = budget(25);
        scene.put(key);
        let done: u64 = std::thread::scope(|scope| {
            let runner = |_| {
                scope.spawn(|| {
                    let mut done = 0;
                    for _ in 0..25 {
                        if let Ok(planned) = scene.chat("chat", NAMING) {
                            scene.answer(planned, 10);
                            done += 1;
                        }
                    }
                    done
                })
            };
            let runners: Vec<_> = (0..8).map(runner).collect();
            runners.into_iter().map(|runner| runner.join().unwrap()).sum()
        });
        let most = (20 + round).min(25);
        assert_eq!(done, most, "exactly what can be paid is served");
        assert_eq!(scene.spent(Whose::Customer("eve")), CENT.times(most));
        assert_eq!(scene.spent(Whose::Team("blue")), CENT.times(most));
    }
}

/// Two deployments with budgets of a cent and of two, at a provider with a budget of three, and one elsewhere.
const BOUNDED: &str = r#"
model_list:
  - model_name: chat
    litellm_params: {model: openai/a, api_key: sk-a, output_cost_per_token: 0.001, order: 1, max_budget: 0.01, budget_duration: 1d}
    model_info: {id: a}
  - model_name: chat
    litellm_params: {model: openai/b, api_key: sk-b, output_cost_per_token: 0.001, order: 2, max_budget: 0.05}
    model_info: {id: b}
  - model_name: spare
    litellm_params: {model: groq/c, api_key: sk-c, output_cost_per_token: 0.001}
    model_info: {id: c}
router_settings: {provider_budget_config: {openai: {budget_limit: 0.03, time_period: 1d}}}
litellm_settings:
  tag_budget_config: {nightly: {max_budget: 0.02, budget_duration: 1d}}
virtual_keys:
  - {key: sk-scopes-0123456789abcdef, models: [chat, spare], model_max_budget: {spare: {max_budget: 0.01}}}
general_settings:
  master_key: sk-master-0123456789abcdef
"#;

fn asked(scene: &Scene, planned: &mut Planned) -> Result<String, Fault> {
    let outbound = planned.attempt(scene.clock.now(), 0)?;
    Ok(scene.world.deployments[outbound.deployment].settings.id.to_string())
}

#[test]
fn what_a_deployment_or_its_provider_may_not_spend_any_more_goes_elsewhere() {
    let scene = Scene::of(BOUNDED);
    let mut first = scene.chat("chat", "").unwrap();
    assert_eq!(asked(&scene, &mut first).unwrap(), "a");
    assert_eq!(scene.spent_at(ScopeKind::Deployment, "a"), (PicoUsd::ZERO, CENT), "held while it runs");
    // Nothing is left of the first one's budget while that runs; then nothing is left of the provider's.
    let mut second = scene.chat("chat", "").unwrap();
    assert_eq!(asked(&scene, &mut second).unwrap(), "b");
    let mut third = scene.chat("chat", "").unwrap();
    assert_eq!(asked(&scene, &mut third).unwrap(), "b");
    assert_eq!(scene.spent_at(ScopeKind::Provider, "openai"), (PicoUsd::ZERO, CENT.times(3)));
    let mut fourth = scene.chat("chat", "").unwrap();
    let fault = asked(&scene, &mut fourth).unwrap_err();
    assert_eq!(fault.kind, Kind::RateLimited);
    let words = "No deployments available - crossed budget: Budget has been exceeded! Provider=openai";
    assert!(fault.public.starts_with(words), "{}", fault.public);
    // An attempt that failed costs its provider nothing, and gives back what it held.
    let now = scene.clock.now();
    first.failed(&Fault::upstream(Kind::UpstreamStatus(500), "no"), now, 0);
    first.close(Ending::UpstreamFailed, None, &Sent::default(), now);
    assert_eq!(scene.spent_at(ScopeKind::Deployment, "a"), (PicoUsd::ZERO, PicoUsd::ZERO));
    drop((second, third, fourth));
    // What was sent and dropped is charged as far as it is known, on every account the same.
    let (provider, deployment) =
        (scene.spent_at(ScopeKind::Provider, "openai"), scene.spent_at(ScopeKind::Deployment, "b"));
    assert_eq!((provider, provider.1), (deployment, PicoUsd::ZERO));
}

#[test]
fn spend_at_a_deployment_is_counted_until_its_window_ends() {
    let scene = Scene::of(BOUNDED);
    scene.answer(scene.chat("chat", "").unwrap(), 10);
    assert_eq!(scene.spent_at(ScopeKind::Deployment, "a"), (CENT, PicoUsd::ZERO));
    assert_eq!(scene.spent_at(ScopeKind::Provider, "openai"), (CENT, PicoUsd::ZERO));
    assert_eq!(asked(&scene, &mut scene.chat("chat", "").unwrap()).unwrap(), "b");
    scene.clock.advance(Duration::from_secs(86_400));
    assert_eq!(asked(&scene, &mut scene.chat("chat", "").unwrap()).unwrap(), "a");
}

#[test]
fn budgets_of_the_configuration_for_tags_and_for_single_models_of_a_key_hold() {
    let scene = Scene::of(BOUNDED);
    scene.answer(scene.chat("spare", "").unwrap(), 10);
    let fault = scene.chat("spare", "").err().unwrap();
    assert!(fault.public.contains("over budget for model=spare"), "{}", fault.public);
    let tagged = r#","metadata":{"tags":["nightly"]}"#;
    scene.answer(scene.chat("chat", tagged).unwrap(), 10);
    scene.answer(scene.chat("chat", tagged).unwrap(), 10);
    let fault = scene.chat("chat", tagged).err().unwrap();
    assert!(fault.public.contains("Tag=nightly"), "{}", fault.public);
    assert!(scene.chat("chat", "").is_ok());
}
