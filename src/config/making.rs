//! What new keys, users and teams begin with, and what keys may not go beyond.

use crate::vocabulary::PicoUsd;

/// `default_key_generate_params`, `upperbound_key_generate_params`, `default_internal_user_params` and `default_team_params`.
#[derive(Clone, Debug, Default)]
pub struct Making {
    /// What a new key gets where nothing is said of it.
    pub key: NewKey,
    /// What no key goes beyond.
    pub key_at_most: Allowance,
    /// What a new user gets where nothing is said of it.
    pub user: NewUser,
    /// What a new team gets where nothing is said of it.
    pub team: NewTeam,
}

/// Budgets and limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// `max_budget`.
    pub max_budget: Option<PicoUsd>,
    /// `budget_duration`.
    pub budget_duration: Option<String>,
    /// `duration`: how long it lasts; of keys alone.
    pub duration: Option<String>,
    /// `rpm_limit`.
    pub rpm_limit: Option<u64>,
    /// `tpm_limit`.
    pub tpm_limit: Option<u64>,
    /// `max_parallel_requests`.
    pub max_parallel_requests: Option<u64>,
}

/// `default_key_generate_params`.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// Budgets and limits.
    pub allowance: Allowance,
    /// `models`.
    pub models: Option<Vec<String>>,
    /// `tags`.
    pub tags: Option<Vec<String>>,
    /// `team_id`.
    pub team_id: Option<String>,
    /// `user_id`.
    pub user_id: Option<String>,
    /// `metadata`, as JSON.
    pub metadata: Option<String>,
}

/// `default_internal_user_params`, and what belongs to it.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// `user_role`, by its name.
    pub user_role: Option<String>,
    /// Budgets and limits.
    pub allowance: Allowance,
    /// `models`.
    pub models: Option<Vec<String>>,
    /// `teams`.
    pub teams: Vec<String>,
    /// `available_teams`: those that users may join by themselves.
    pub available_teams: Vec<String>,
    /// `max_internal_user_budget`: of users without more rights, where nothing else is said.
    pub max_budget: Option<PicoUsd>,
    /// `internal_user_budget_duration`: the window of that.
    pub budget_duration: Option<String>,
}

/// `default_team_params`.
#[derive(Clone, Debug, Default)]
pub struct NewTeam {
    /// Budgets and limits.
    pub allowance: Allowance,
    /// `models`.
    pub models: Option<Vec<String>>,
    /// `team_member_permissions`.
    pub permissions: Option<Vec<String>>,
}
