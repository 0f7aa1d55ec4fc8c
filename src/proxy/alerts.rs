//! Delivers alerts about budgets, beside the requests: to a webhook, to Slack.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde::Serialize;

use super::credentials;
use super::gate::Gate;
use crate::config::{AlertTarget, AlertTo};
use crate::exchange::{Alert, Fetch};
use crate::telemetry::{AlertOutcome, Event};

/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long one delivery may take.
const DELIVERY: Duration = Duration::from_secs(10);
/// Waits before another try, where the receiver does not answer or says that it cannot just now.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];

#[derive(Serialize)]
struct Message {
    text: String,
}

impl Gate {
    /// Delivers alerts about budgets; never returns. [`super::serve`] does so by itself, a server of somebody else's runs it
    /// in the background.
    pub async fn deliver_alerts(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            for alert in self.around().alerts.take() {
                let Some(alerting) = self.world().settings.alerting.clone() else { continue };
                for target in &alerting.targets {
                    let outcome = match self.deliver(&alert, target).await {
                        true => AlertOutcome::Delivered,
                        false => AlertOutcome::Failed,
                    };
                    self.around().telemetry.emit(&Event::Alerted(outcome), self.around().clock.now());
                }
            }
        }
    }

    async fn deliver(&self, alert: &Alert, target: &AlertTarget) -> bool {
        let body = match target.to {
            AlertTo::Webhook => serde_json::to_vec(alert),
            AlertTo::Slack => {
                let at = jiff::Timestamp::from_millisecond(self.around().clock.now().wall_ms).unwrap_or_default();
                let text = format!(
                    "Alert type: `budget_alerts`\nLevel: `High`\nTimestamp: `{}`\n\nMessage: {}",
                    at.strftime("%H:%M:%S"),
                    alert.text()
                );
                serde_json::to_vec(&Message { text })
            }
        };
        let Ok(body) = body else { return false };
        let post = Fetch::Http {
            method: Method::POST,
            url: target.url.expose().to_owned(),
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body: Bytes::from(body),
        };
        for wait in WAITS.into_iter().map(Some).chain([None]) {
            let answer = tokio::time::timeout(DELIVERY, credentials::fetch(&post, self, &self.world())).await;
            match (answer.ok().and_then(Result::ok).map(|(status, _)| status), wait) {
                (Some(200..=299), _) => return true,
                (None | Some(408 | 429 | 500..=599), Some(wait)) => tokio::time::sleep(wait).await,
                // What the receiver refuses it refuses again.
                _ => return false,
            }
        }
        false
    }
}
