//! What new keys, users and teams begin with.

use super::{Build, text};
use crate::config::making::{Allowance, Making, NewKey, NewTeam, NewUser};
use crate::config::value;
use crate::config::yaml::Node;

impl Build<'_> {
    /// The sections of `litellm_settings` about it.
    pub(super) fn making(&mut self) -> Making {
        let null = Node::null(self.litellm.place.clone());
        let section = |name: &str| self.litellm.at(name).unwrap_or(&null);
        let key = section("default_key_generate_params");
        let user = section("default_internal_user_params");
        let team = section("default_team_params");
        let making = Making {
            key: NewKey {
                allowance: allowance(key),
                models: names(key, "models"),
                tags: names(key, "tags"),
                team_id: text(key, "team_id"),
                user_id: text(key, "user_id"),
                metadata: key.at("metadata").map(Node::to_json),
            },
            key_at_most: allowance(section("upperbound_key_generate_params")),
            user: NewUser {
                user_role: text(user, "user_role"),
                allowance: allowance(user),
                models: names(user, "models"),
                teams: names(user, "teams").unwrap_or_default(),
                available_teams: names(user, "available_teams").unwrap_or_default(),
                max_budget: self.litellm.at("max_internal_user_budget").and_then(value::dollars),
                budget_duration: window(self.litellm, "internal_user_budget_duration"),
            },
            team: NewTeam {
                allowance: allowance(team),
                models: names(team, "models"),
                permissions: names(team, "team_member_permissions"),
            },
        };
        self.check_default_key(&making);
        making
    }

    /// A default beyond the bound would refuse every key that says nothing.
    fn check_default_key(&mut self, making: &Making) {
        let (default, most) = (&making.key.allowance, &making.key_at_most);
        let beyond = |default: Option<u64>, most: Option<u64>| default.zip(most).is_some_and(|(own, most)| own > most);
        let dollars = default.max_budget.zip(most.max_budget).is_some_and(|(own, most)| own > most);
        let found = [
            ("max_budget", dollars),
            ("rpm_limit", beyond(default.rpm_limit, most.rpm_limit)),
            ("tpm_limit", beyond(default.tpm_limit, most.tpm_limit)),
            ("max_parallel_requests", beyond(default.max_parallel_requests, most.max_parallel_requests)),
        ];
        let section = self.litellm.at("default_key_generate_params");
        for (name, _) in found.into_iter().filter(|(_, beyond)| *beyond) {
            if let Some(entry) = section.and_then(|section| section.entry(name)) {
                let key = format!("litellm_settings.default_key_generate_params.{name}");
                let reason = format!(
                    "expected no more than upperbound_key_generate_params.{name}: every key that does not say its own \
                     would be refused"
                );
                self.report.error(&entry.place, &key, reason);
            }
        }
    }
}

fn allowance(section: &Node) -> Allowance {
    Allowance {
        max_budget: section.at("max_budget").and_then(value::dollars),
        budget_duration: window(section, "budget_duration"),
        duration: window(section, "duration"),
        rpm_limit: section.at("rpm_limit").and_then(value::count),
        tpm_limit: section.at("tpm_limit").and_then(value::count),
        max_parallel_requests: section.at("max_parallel_requests").and_then(value::count),
    }
}

fn window(section: &Node, name: &str) -> Option<String> {
    section.at(name).and_then(value::window).map(str::to_owned)
}

fn names(section: &Node, name: &str) -> Option<Vec<String>> {
    section.at(name).and_then(value::names)
}
