//! Who is told of budgets that come near their end.

use std::time::Duration;

use super::{Build, names};
use crate::config::finding::Status;
use crate::config::settings::{AlertTarget, AlertTo, Alerting};
use crate::config::value;
use crate::vocabulary::Secret;

/// The one kind of alert that there is.
const BUDGETS: &str = "budget_alerts";
/// How long nobody is told again of a budget without a window; LiteLLM's.
const AGAIN_AFTER: Duration = Duration::from_secs(86_400);

impl Build<'_> {
    /// `alerting` and what belongs to it; None where nobody is told.
    pub(super) fn alerting(&mut self) -> Option<Alerting> {
        let entry = self.general.entry("alerting")?;
        let kinds = self.general.entry("alert_types");
        let wanted = kinds.map(|_| names(self.general, "alert_types"));
        if let (Some(kinds), Some(wanted)) = (kinds, &wanted) {
            for other in wanted.iter().filter(|kind| *kind != BUDGETS) {
                let shown: String = other.chars().take(40).collect();
                let reason = format!("LiteLLM's `{shown}` has no effect here yet; {BUDGETS} is what is told of");
                self.report.push(Status::Ignored, &kinds.place, "general_settings.alert_types", reason);
            }
        }
        let mut targets = Vec::new();
        for name in names(self.general, "alerting") {
            let (to, variable) = match name.as_str() {
                "webhook" => (AlertTo::Webhook, "WEBHOOK_URL"),
                "slack" => (AlertTo::Slack, "SLACK_WEBHOOK_URL"),
                other => {
                    let shown: String = other.chars().take(40).collect();
                    let reason = format!("LiteLLM's `{shown}` has no effect here yet; webhook and slack have");
                    self.report.push(Status::Ignored, &entry.place, "general_settings.alerting", reason);
                    continue;
                }
            };
            match self.variables.find(variable).filter(|url| value::is_url(url)) {
                Some(url) => targets.push(AlertTarget { to, url: Secret::new(url) }),
                None => {
                    let reason = format!("nobody is told by {name}: set {variable} to a URL like https://host/path");
                    self.report.warn(&entry.place, "general_settings.alerting", reason);
                }
            }
        }
        let again = self.general.at("alerting_args").and_then(|args| args.at("budget_alert_ttl"));
        let again_after = again.and_then(value::duration).unwrap_or(AGAIN_AFTER);
        let told = wanted.is_none_or(|wanted| wanted.iter().any(|kind| kind == BUDGETS));
        (told && !targets.is_empty()).then_some(Alerting { targets, again_after })
    }
}
