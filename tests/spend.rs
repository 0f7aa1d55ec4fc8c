//! What was spent is shown by whom it is for, to those who may see it, in LiteLLM's words.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use support::Scratch;
use support::admin::Admin;
use support::client::Answer;
use support::rig::{self, Rig, eventually};
use tollgate::vocabulary::KeyHash;

mod support;

const MASTER: &str = "sk-spend-master-00000001";
/// Of the file, of nobody.
const FILED: &str = "sk-spend-of-the-file-0002";
/// 11 tokens in and 3 out: what every exchange with the fake provider costs.
const COST: f64 = 0.017;

struct Scene {
    rig: Rig,
    _data: Scratch,
    ann: String,
    bob: String,
}

impl Scene {
    /// Ann asked three times, once for a customer, once under a tag and in a session, and failed once; Bob, the file's key and the master key
    /// once each.
    fn new(name: &str) -> Self {
        let data = Scratch::new(name);
        let flags = ["--data-dir", data.path().to_str().unwrap()];
        let prices = "      input_cost_per_token: 0.001\n      output_cost_per_token: 0.002\n";
        let rig = Rig::start_with(name, &flags, |base| {
            format!(
                "model_list:\n{}{}general_settings: {{master_key: {MASTER}}}\nrouter_settings: {{num_retries: 0}}\nvirtual_keys:\n{}",
                rig::deployment("chat", base, prices),
                rig::deployment("other", base, prices),
                rig::key(FILED, "filed", "")
            )
        });
        let admin = Admin::new(rig.gateway.address(), MASTER);
        let ann = admin.key(r#"{"key_alias":"anns","user_id":"ann","tags":["blue"]}"#);
        let bob = admin.key(r#"{"key_alias":"bobs","user_id":"bob"}"#);
        let scene = Self { rig, _data: data, ann: ann.clone(), bob: bob.clone() };
        scene.chat(&ann, "chat", r#","user":"customer'1""#);
        scene.chat(&ann, "chat", r#","metadata":{"tags":["red"],"session_id":"s1"}"#);
        scene.chat(&ann, "other", "");
        scene.chat(&bob, "chat", "");
        scene.chat(FILED, "other", "");
        scene.chat(MASTER, "chat", "");
        let failed = rig::body("chat", r#","mock":{"status":500}"#);
        assert_eq!(scene.with(&ann).post("/v1/chat/completions", &failed).status, 500);
        // What no provider was asked for is no receipt.
        assert_eq!(scene.with(&ann).post("/v1/chat/completions", &rig::body("nothing", "")).status, 400);
        eventually("all receipts are on file", || scene.get("/spend/logs/v2").at("total") == "7");
        scene
    }

    fn with(&self, key: &str) -> Admin {
        Admin::new(self.rig.gateway.address(), key)
    }

    fn chat(&self, key: &str, model: &str, more: &str) {
        let used = r#","mock":{"prompt_tokens":11,"completion_tokens":3}"#;
        self.with(key).done("/v1/chat/completions", &rig::body(model, &format!("{more}{used}")));
    }

    /// Asks as the master; must succeed.
    fn get(&self, path: &str) -> Answer {
        let answer = self.with(MASTER).get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    }

    /// The same, where a sum must be that of so many exchanges.
    fn sums_to(&self, path: &str, way: &str, exchanges: u32) {
        let answer = self.get(path);
        assert!(is_of(&answer.at(way), exchanges), "{path} {way}: {}", answer.text());
    }
}

fn is_of(dollars: &str, exchanges: u32) -> bool {
    dollars.parse::<f64>().is_ok_and(|dollars| (dollars - COST * f64::from(exchanges)).abs() < 1e-12)
}

/// So many rows of a list of receipts.
fn rows(answer: &Answer) -> usize {
    answer.text().matches("\"request_id\":").count()
}

const DAYS: &str = "start_date=2020-01-01&end_date=2099-01-01";

#[test]
fn receipts_are_found_by_whom_they_are_for_and_listed_by_page() {
    let scene = Scene::new("spend-logs");
    let ann = KeyHash::of(&scene.ann).to_string();
    for (query, expected) in [
        ("", 7),
        ("user_id=ann", 4),
        ("user_id=carl", 0),
        (&format!("api_key={ann}"), 4),
        (&format!("api_key={}", scene.ann), 4),
        ("key_alias=bobs", 1),
        ("end_user=customer%271", 1),
        ("tag=blue", 4),
        ("tag=red", 1),
        ("model=chat", 5),
        ("model=up-other", 2),
        ("model_id=other-1", 2),
        ("custom_llm_provider=openai", 7),
        ("session_id=s1", 1),
        ("status_filter=failure", 1),
        ("status_filter=success", 6),
        ("min_spend=0.018", 0),
        ("min_spend=0.017", 6),
        ("max_spend=0.017", 7),
        (DAYS, 7),
        ("start_date=2099-01-01", 0),
        ("end_date=2020-01-01%2000:00:00", 0),
        ("user_id=ann&model=other&tag=blue", 1),
    ] {
        for path in ["/spend/logs/v2", "/spend/logs/ui"] {
            let answer = scene.get(&format!("{path}?{query}"));
            assert_eq!((rows(&answer), answer.at("total")), (expected, expected.to_string()), "{query}");
        }
    }
    let pages: Vec<_> = (1..=3)
        .map(|page| scene.get(&format!("/spend/logs/v2?page={page}&page_size=4&sort_by=startTime&sort_order=asc")))
        .collect();
    assert_eq!(pages.iter().map(rows).collect::<Vec<_>>(), [4, 3, 0]);
    assert_eq!((pages[1].at("total_pages"), pages[1].at("page")), ("2".into(), "2".into()));
    let first = &pages[0];
    for (way, expected) in [
        ("data.0.api_key", ann.as_str()),
        ("data.0.call_type", "acompletion"),
        ("data.0.user", "ann"),
        ("data.0.end_user", "customer'1"),
        ("data.0.request_tags", "[\"blue\"]"),
        ("data.0.model", "up-chat"),
        ("data.0.model_group", "chat"),
        ("data.0.model_id", "chat-1"),
        ("data.0.custom_llm_provider", "openai"),
        ("data.0.prompt_tokens", "11"),
        ("data.0.completion_tokens", "3"),
        ("data.0.total_tokens", "14"),
        ("data.0.status", "success"),
        ("data.0.metadata.user_api_key_alias", "anns"),
        ("data.0.metadata.cost_breakdown.input_cost", "0.011"),
        ("data.1.session_id", "s1"),
    ] {
        assert_eq!(first.at(way), expected, "{way}: {}", first.text());
    }
    let id = first.at("data.2.request_id");
    let one = scene.get(&format!("/spend/logs?request_id={id}"));
    assert_eq!((rows(&one), one.at("0.request_id")), (1, id));
    let all = scene.get(&format!("/spend/logs?{DAYS}&summarize=false"));
    assert_eq!((rows(&all), all.at("1.api_key")), (7, "litellm_proxy_master_key".into()), "the newest first");
    assert_eq!((all.at("0.status"), all.at("0.spend")), ("failure".into(), "0.0".into()));
    let days = scene.get(&format!("/spend/logs?{DAYS}"));
    assert!(is_of(&days.at("0.spend"), 6) && is_of(&days.at("0.users.ann"), 3), "{}", days.text());
    assert!(is_of(&days.at(&format!("0.{ann}")), 3) && is_of(&days.at("0.models.other"), 2), "{}", days.text());
    assert!(is_of(&days.at("0.users.default_user_id"), 2), "{}", days.text());
}

#[test]
fn everybody_sees_what_is_the_own_and_administrators_everything() {
    let scene = Scene::new("spend-own");
    let (ann, filed) = (scene.with(&scene.ann), scene.with(FILED));
    let bobs = KeyHash::of(&scene.bob);
    assert_eq!((rows(&ann.get("/spend/logs")), rows(&filed.get("/spend/logs"))), (4, 1));
    for path in ["/spend/logs?", "/spend/logs/v2?", &format!("/spend/logs?{DAYS}&")] {
        assert_eq!(ann.get(&format!("{path}user_id=bob")).status, 403, "{path}");
        let (named, own) = (ann.get(&format!("{path}user_id=ann")), ann.get(path));
        assert_eq!((named.status, named.text()), (200, own.text()), "{path}");
    }
    let days = ann.get(&format!("/spend/logs?{DAYS}"));
    assert!(is_of(&days.at("0.spend"), 3) && !days.text().contains("bob"), "{}", days.text());
    let of_bobs_key = ann.get(&format!("/spend/logs?{DAYS}&api_key={bobs}"));
    assert_eq!(of_bobs_key.text(), "[]");
    assert!(is_of(&filed.get(&format!("/spend/logs?{DAYS}")).at("0.spend"), 1));
    assert_eq!(rows(&ann.get(&format!("/spend/logs?api_key={bobs}"))), 0);
    assert_eq!(filed.get(&format!("/spend/logs?api_key={bobs}")).status, 403);
    assert!(is_of(&ann.get(&format!("/user/daily/activity?{DAYS}")).at("metadata.total_spend"), 3));
    assert!(is_of(&filed.get(&format!("/user/daily/activity?{DAYS}")).at("metadata.total_spend"), 1));
    assert_eq!(ann.get(&format!("/user/daily/activity?{DAYS}&user_id=bob")).status, 403);
    assert_eq!(ann.get(&format!("/team/daily/activity?{DAYS}&team_ids=t")).status, 403);
    for path in ["/global/spend", "/global/spend/keys", "/spend/tags", "/spend/keys", "/tag/daily/activity"] {
        assert_eq!(ann.get(path).status, 401, "{path}");
    }
    assert_eq!(scene.with("").get("/spend/logs").status, 401);
}

#[test]
fn sums_are_by_key_model_tag_customer_and_day() {
    let scene = Scene::new("spend-sums");
    scene.sums_to("/global/spend", "spend", 6);
    scene.sums_to("/global/spend/logs", "0.spend", 6);
    scene.sums_to(&format!("/global/spend/logs?api_key={}", scene.bob), "0.spend", 1);
    let keys = scene.get("/global/spend/keys");
    assert_eq!((keys.at("0.key_alias"), keys.at("0.key_name").len()), ("anns".into(), 10), "{}", keys.text());
    assert!(is_of(&keys.at("0.total_spend"), 3), "{}", keys.text());
    let models = scene.get("/global/spend/models?limit=1");
    assert_eq!((models.at("0.model"), models.at("1.model")), ("chat".into(), String::new()));
    scene.sums_to("/global/spend/provider", "0.spend", 6);
    scene.sums_to("/global/spend/tags?tags=red,green", "spend_per_tag.0.spend", 1);
    let tags = scene.get("/spend/tags");
    assert_eq!((tags.at("0.individual_request_tag"), tags.at("0.log_count")), ("blue".into(), "4".into()));
    let customers = scene.with(MASTER).done("/global/spend/end_users", "{}");
    assert_eq!((customers.at("0.end_user"), customers.at("0.total_count")), ("customer'1".into(), "1".into()));
    let activity = scene.get("/global/activity");
    assert_eq!((activity.at("sum_api_requests"), activity.at("sum_total_tokens")), ("7".into(), "84".into()));
    let by_model = scene.get("/global/activity/model");
    assert_eq!((by_model.at("0.model"), by_model.at("0.sum_api_requests")), ("chat".into(), "5".into()));
    let report = scene.get(&format!("/global/spend/report?{DAYS}&group_by=customer"));
    assert_eq!(report.at("0.customers.0.metadata.0.model"), "chat", "{}", report.text());
    let report = scene.get(&format!("/global/spend/report?{DAYS}&group_by=api_key"));
    assert!(
        is_of(&report.at("0.total_cost"), 3) && report.at("0.model_details.1.model") == "other",
        "{}",
        report.text()
    );
    let report = scene.get(&format!("/global/spend/report?{DAYS}&internal_user_id=bob"));
    assert!(is_of(&report.at("0.total_cost"), 1) && report.at("1").is_empty(), "{}", report.text());
    assert_eq!(scene.with(MASTER).get("/global/spend/report").status, 400);
    let keys = scene.get("/spend/keys");
    assert!(keys.at("0.key_alias") == "anns" && is_of(&keys.at("0.spend"), 3), "{}", keys.text());
}

#[test]
fn a_day_shows_what_it_is_made_of() {
    let scene = Scene::new("spend-activity");
    let ann = KeyHash::of(&scene.ann).to_string();
    let day = scene.get(&format!("/user/daily/activity?{DAYS}"));
    let part = |way: &str| day.at(&format!("results.0.breakdown.{way}"));
    assert!(is_of(&day.at("results.0.metrics.spend"), 6), "{}", day.text());
    assert!(is_of(&part("models.up-chat.metrics.spend"), 4) && is_of(&part("model_groups.other.metrics.spend"), 2));
    assert!(is_of(&part(&format!("api_keys.{ann}.metrics.spend")), 3));
    assert_eq!(part(&format!("models.up-chat.api_key_breakdown.{ann}.metrics.failed_requests")), "1");
    assert_eq!(part(&format!("api_keys.{ann}.metadata.key_alias")), "anns");
    assert_eq!(part("providers.openai.metrics.total_tokens"), "84");
    let tags = scene.get(&format!("/tag/daily/activity?{DAYS}&exclude_tags=red"));
    assert_eq!(tags.at("results.0.breakdown.entities.blue.metrics.api_requests"), "4", "{}", tags.text());
    assert_eq!(tags.at("results.0.breakdown.entities.red"), "");
    let of = |query: &str| scene.get(&format!("/user/daily/activity?{DAYS}&{query}")).at("metadata.total_api_requests");
    assert_eq!(
        (of("user_id=ann"), of("model=other"), of(&format!("api_key={ann}"))),
        ("4".into(), "2".into(), "4".into())
    );
    let pages: Vec<_> =
        (1..=5).map(|page| scene.get(&format!("/user/daily/activity?{DAYS}&page={page}&page_size=1"))).collect();
    let requests: i64 = pages.iter().map(|page| page.at("metadata.total_api_requests").parse::<i64>().unwrap()).sum();
    assert_eq!((requests, pages[0].at("metadata.total_pages")), (7, "5".into()), "pages cover everything once");
    assert_eq!((pages[0].at("metadata.has_more"), pages[4].at("metadata.has_more")), ("true".into(), "false".into()));
    scene.sums_to(&format!("/user/daily/activity/aggregated?{DAYS}"), "metadata.total_spend", 6);
    for kind in ["customer", "end_user"] {
        scene.sums_to(&format!("/{kind}/daily/activity?{DAYS}"), "metadata.total_spend", 1);
    }
    for kind in ["team", "organization"] {
        scene.sums_to(&format!("/{kind}/daily/activity?{DAYS}"), "metadata.total_spend", 0);
    }
    assert_eq!(scene.with(MASTER).get("/user/daily/activity").status, 422, "the days must be named");
}

#[test]
fn a_cost_and_a_length_are_told_without_asking_anybody() {
    let scene = Scene::new("spend-calculate");
    let ann = scene.with(&scene.ann);
    let usage = r#"{"completion_response":{"model":"chat","usage":{"prompt_tokens":11,"completion_tokens":3}}}"#;
    assert!(is_of(&ann.done("/spend/calculate", usage).at("cost"), 1));
    let messages = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hey, how's it going?"}]}"#;
    assert_eq!(ann.done("/spend/calculate", messages).at("cost"), "0.000035");
    for (body, status) in
        [("{}", 400), (r#"{"model":"chat"}"#, 400), (r#"{"model":"who/knows","messages":[]}"#, 400), ("[]", 422)]
    {
        assert_eq!(ann.post("/spend/calculate", body).status, status, "{body}");
    }
    let counted =
        ann.done("/utils/token_counter", r#"{"model":"chat","messages":[{"role":"user","content":"Hello, world!"}]}"#);
    assert_eq!(
        (counted.at("total_tokens"), counted.at("model_used")),
        ("11".into(), "up-chat".into()),
        "{}",
        counted.text()
    );
    assert_eq!(ann.post("/utils/token_counter", r#"{"model":"chat"}"#).status, 400);
    let takes = |model: &str| ann.get(&format!("/utils/supported_openai_params?model={model}"));
    assert!(
        takes("chat").text().contains("\"temperature\"")
            && takes("anthropic/claude-sonnet-4").text().contains("\"tools\"")
    );
    assert_eq!(takes("nobody/knows").status, 400);
}

#[test]
fn models_are_listed_with_their_prices_and_without_secrets() {
    let scene = Scene::new("spend-models");
    let narrow = scene.with(MASTER).key(r#"{"models":["other"]}"#);
    for path in ["/model/info", "/v1/model/info", "/v2/model/info"] {
        let all = scene.get(path);
        assert_eq!(
            (all.at("data.0.model_name"), all.at("data.1.model_name")),
            ("chat".into(), "other".into()),
            "{path}"
        );
        assert_eq!(all.at("data.0.model_info.input_cost_per_token"), "0.001");
        assert_eq!(
            (all.at("data.0.model_info.id"), all.at("data.0.litellm_params.model")),
            ("chat-1".into(), "openai/up-chat".into())
        );
        assert!(!all.text().contains(rig::PROVIDER_KEY), "{path}");
        let own = scene.with(&narrow).get(path);
        assert_eq!((own.at("data.0.model_name"), own.at("data.1")), ("other".into(), String::new()), "{path}");
    }
    assert_eq!(scene.get("/model/info?litellm_model_id=other-1").at("data.0.model_name"), "other");
    assert_eq!(scene.with(MASTER).get("/model/info?litellm_model_id=none").status, 400);
    let groups = scene.get("/model_group/info");
    assert_eq!(
        (groups.at("data.0.model_group"), groups.at("data.0.providers")),
        ("chat".into(), "[\"openai\"]".into())
    );
    assert_eq!(groups.at("data.0.output_cost_per_token"), "0.002");
    assert_eq!(scene.get("/v2/model/info?size=1&page=2").at("data.0.model_name"), "other");
}
