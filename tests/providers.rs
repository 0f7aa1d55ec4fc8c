//! What is left of a provider's budget is shown and is a metric.

use support::admin::Admin;
use support::rig::{self, Rig, body};

mod support;

const MASTER: &str = "sk-providers-master-00001";
const PRICES: &str = "      input_cost_per_token: 0\n      output_cost_per_token: 0.001\n";

#[test]
fn budgets_of_providers_are_shown_with_what_is_left_and_keys_and_teams_are_set_back() {
    let rig = Rig::start("providers", |base| {
        let models = rig::deployment("chat", base, PRICES);
        format!(
            "model_list:\n{models}general_settings: {{master_key: {MASTER}}}\nrouter_settings:\n  provider_budget_config:\n    \
             openai: {{budget_limit: 2, time_period: 1d}}\n"
        )
    });
    let admin = Admin::new(rig.gateway.address(), MASTER);
    let left = || rig.metric("litellm_provider_remaining_budget_metric", &["api_provider=\"openai\""]);
    assert_eq!(left(), 2.0);
    admin.done("/team/new", r#"{"team_id":"blue","max_budget":1}"#);
    let key = admin.key(r#"{"team_id":"blue","max_budget":1}"#);
    let more = r#","max_tokens":500,"mock":{"completion_tokens":500,"prompt_tokens":1}"#;
    assert_eq!(rig.client().chat(&key, &body("chat", more)).unwrap().status, 200);
    rig.quiesce();
    let shown = admin.get("/provider/budgets");
    assert_eq!(
        ["budget_limit", "time_period", "spend"].map(|name| shown.at(&format!("providers.openai.{name}"))),
        ["2.0", "1d", "0.5"],
        "{}",
        shown.text()
    );
    assert!(shown.at("providers.openai.budget_reset_at").ends_with("T00:00:00.000Z"), "{}", shown.text());
    assert_eq!(left(), 1.5);

    let spent = || {
        let (key, team) = (admin.get(&format!("/key/info?key={key}")), admin.get("/team/info?team_id=blue"));
        [key.at("info.spend"), team.at("team_info.spend")]
    };
    assert_eq!(spent(), ["0.5", "0.5"]);
    assert_eq!(admin.with(&key).post("/global/spend/reset", "").status, 401);
    assert_eq!(admin.post("/global/spend/reset", "").at("status"), "success");
    assert_eq!(spent(), ["0.0", "0.0"]);
    assert_eq!(left(), 1.5, "the provider has been paid all the same");
}
