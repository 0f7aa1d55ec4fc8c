//! What each event's line says.

use crate::telemetry::event::{
    AlertOutcome, AttemptFailed, AttemptLost, ConfigRemark, ConnectionRefused, CooledDown, Event, ExchangeClosed,
    FellBack, Outcome, Reloaded, Started, Trouble,
};
use crate::telemetry::globals::usage_source;
use crate::telemetry::kinds;
use crate::vocabulary::{Kind, Metered, Now, PicoUsd};

use super::line::{Level, Line};

/// The longest reason for refusing a configuration that is shown.
const REASON_BYTES_MAX: usize = 2048;

/// Writes the event's line.
pub(super) fn event(event: &Event<'_>, now: Now, mut line: Line<'_>) {
    match event {
        Event::Started(started) => self::started(started, now, &mut line),
        Event::ExchangeClosed(closed) => self::closed(closed, now, &mut line),
        Event::AttemptFailed(failed) => attempt(failed, now, &mut line),
        Event::AttemptLost(lost) => self::lost(lost, now, &mut line),
        Event::FellBack(fell) => fell_back(fell, now, &mut line),
        Event::CooledDown(cooled) => self::cooled(cooled, now, &mut line),
        Event::ConnectionRefused(refused) => connection(refused, now, &mut line),
        Event::Reloaded(reloaded) => reload(reloaded, now, &mut line),
        Event::ConfigRemark(remark) => self::remark(remark, now, &mut line),
        Event::Panicked(place) => {
            line.begin(now, Level::Error, "panic");
            line.text("place", place);
        }
        Event::Trouble(trouble) => self::trouble(trouble, now, &mut line),
        Event::Kept(text) => {
            line.begin(now, Level::Info, "store");
            line.text_capped("text", text, REASON_BYTES_MAX);
        }
        Event::Alerted(outcome) => {
            let level = if *outcome == AlertOutcome::Delivered { Level::Info } else { Level::Warn };
            line.begin(now, level, "alert");
            line.text("outcome", outcome.as_str());
        }
        Event::Draining(open) => {
            line.begin(now, Level::Info, "draining");
            line.number("open", *open);
        }
        Event::Stopped(cut) => {
            line.begin(now, if *cut == 0 { Level::Info } else { Level::Warn }, "stopped");
            line.number("cut", *cut);
        }
    }
    line.end();
}

/// Writes how many series there can be, and that keys will share a name if that is too many.
pub(super) fn series(bound: usize, wanted: usize, max: usize, now: Now, mut line: Line<'_>) {
    let all_fit = wanted <= bound;
    line.begin(now, if all_fit { Level::Info } else { Level::Warn }, "metrics");
    line.number("series_bound", bound);
    line.number("series_wanted", wanted);
    line.number("series_max", max);
    if !all_fit {
        line.text("note", "pairs of key and deployment beyond the limit are counted under key=other");
    }
    line.end();
}

fn started(started: &Started<'_>, now: Now, line: &mut Line<'_>) {
    let labels = started.handles.labels();
    line.begin(now, Level::Info, "started");
    line.word("version", env!("CARGO_PKG_VERSION"));
    line.text_capped("listen", &started.listen.join(" "), REASON_BYTES_MAX);
    line.number("keys", labels.keys.len());
    line.number("groups", labels.groups.len());
    line.number("deployments", labels.deployments.len());
}

fn closed(closed: &ExchangeClosed<'_>, now: Now, line: &mut Line<'_>) {
    line.begin(now, level(closed.outcome), "exchange");
    who_and_what(closed, line);
    how_it_ended(closed, line);
    tokens_and_cost(closed, line);
    timings(closed, line);
}

fn level(outcome: Outcome) -> Level {
    match outcome {
        Outcome::Complete | Outcome::Refused | Outcome::ClientGone => Level::Info,
        Outcome::UpstreamFailed | Outcome::UpstreamCut | Outcome::Stalled | Outcome::ShuttingDown => Level::Warn,
        Outcome::Internal => Level::Error,
    }
}

fn who_and_what(closed: &ExchangeClosed<'_>, line: &mut Line<'_>) {
    let key = closed.handles.key(closed.key);
    let target = closed.handles.target(closed.target);
    line.text("exchange_id", closed.exchange_id);
    if let Some(id) = closed.request_id {
        line.text("request_id", id);
    }
    line.number("started_ms", closed.started_ms);
    line.word("key", key.shown());
    line.constant("endpoint", closed.endpoint.as_str());
    if let Some(model) = closed.model_requested {
        line.text("model", model);
    }
    line.word("model_group", &target.group);
    line.word_if_any("deployment", &target.id);
    line.word_if_any("provider", &target.provider);
    if let Some(ip) = closed.client_ip {
        line.address("client_ip", ip);
    }
}

fn how_it_ended(closed: &ExchangeClosed<'_>, line: &mut Line<'_>) {
    line.truth("stream", closed.stream);
    line.number("status", closed.status);
    line.constant("outcome", closed.outcome.as_str());
    line.number("attempts", closed.attempts);
    if let Some(kind) = closed.fault {
        fault(kind, line);
    }
}

fn fault(kind: Kind, line: &mut Line<'_>) {
    line.word("fault", kinds::word(kind));
    if let Kind::UpstreamStatus(status) = kind {
        line.number("upstream_status", status);
    }
}

fn tokens_and_cost(closed: &ExchangeClosed<'_>, line: &mut Line<'_>) {
    if closed.usage != Metered::Absent || closed.attempts > 0 {
        line.constant("usage", usage_source(closed.usage));
    }
    if let Some(usage) = closed.usage.usage() {
        line.number("tokens_in", usage.prompt);
        line.number("tokens_out", usage.completion);
        let parts = [
            ("tokens_cache_read", usage.cache_read),
            ("tokens_cache_write", usage.cache_write.saturating_add(usage.cache_write_1h)),
            ("tokens_reasoning", usage.reasoning),
            ("tokens_audio_in", usage.audio_in),
            ("tokens_audio_out", usage.audio_out),
        ];
        parts.into_iter().filter(|(_, count)| *count > 0).for_each(|(name, count)| line.number(name, count));
    }
    line.money("cost_usd", closed.cost);
    if closed.lost > PicoUsd::ZERO {
        line.money("lost_usd", closed.lost);
    }
    if !closed.price_known && closed.usage.usage().is_some() {
        line.truth("price_known", false);
    }
}

fn timings(closed: &ExchangeClosed<'_>, line: &mut Line<'_>) {
    line.ms("total_ms", closed.t_total);
    if let Some(upstream) = closed.t_upstream {
        line.ms("upstream_ms", upstream);
    }
    if let Some(first_byte) = closed.t_first_byte {
        line.ms("first_byte_ms", first_byte);
    }
    line.ms("overhead_ms", closed.t_overhead);
    line.number("bytes_in", closed.bytes_in);
    line.number("bytes_out", closed.bytes_out);
}

fn attempt(failed: &AttemptFailed<'_>, now: Now, line: &mut Line<'_>) {
    let target = failed.handles.target(failed.target);
    line.begin(now, Level::Warn, "attempt_failed");
    line.text("exchange_id", failed.exchange_id);
    line.word("model_group", &target.group);
    line.word_if_any("deployment", &target.id);
    line.word_if_any("provider", &target.provider);
    line.number("attempt", failed.attempt);
    fault(failed.kind, line);
    if let Some(reason) = failed.reason {
        line.text("reason", reason);
    }
    line.ms("elapsed_ms", failed.elapsed);
}

fn lost(lost: &AttemptLost<'_>, now: Now, line: &mut Line<'_>) {
    let target = lost.handles.target(lost.target);
    line.begin(now, Level::Info, "attempt_lost");
    line.text("exchange_id", lost.exchange_id);
    line.word("model_group", &target.group);
    line.word_if_any("deployment", &target.id);
    line.word_if_any("provider", &target.provider);
    line.money("cost_usd", lost.cost);
    line.ms("elapsed_ms", lost.elapsed);
}

fn fell_back(fell: &FellBack<'_>, now: Now, line: &mut Line<'_>) {
    let target = fell.handles.target(fell.target);
    line.begin(now, Level::Warn, "fallback");
    line.text("exchange_id", fell.exchange_id);
    line.word("model_group", &target.group);
    line.word_if_any("deployment", &target.id);
    line.number("fallbacks", fell.fallbacks);
    line.truth("answered", fell.answered);
}

fn cooled(cooled: &CooledDown<'_>, now: Now, line: &mut Line<'_>) {
    let target = cooled.handles.target(cooled.target);
    line.begin(now, if cooled.lasting { Level::Error } else { Level::Warn }, "deployment_cooled_down");
    line.word("model_group", &target.group);
    line.word_if_any("deployment", &target.id);
    line.word_if_any("provider", &target.provider);
    line.word("exception", cooled.exception);
    line.number("status", cooled.status);
    line.ms("cooldown_ms", cooled.time);
    if cooled.lasting {
        line.text("note", "its credential was refused: nothing but a new one will mend it");
    }
}

fn connection(refused: &ConnectionRefused, now: Now, line: &mut Line<'_>) {
    line.begin(now, Level::Info, "connection_refused");
    line.word("reason", refused.reason.as_str());
    if let Some(ip) = refused.client_ip {
        line.address("client_ip", ip);
    }
}

fn reload(reloaded: &Reloaded<'_>, now: Now, line: &mut Line<'_>) {
    let level = if reloaded.refused.is_none() { Level::Info } else { Level::Error };
    line.begin(now, level, "reload");
    line.word("result", if reloaded.refused.is_none() { "success" } else { "failure" });
    line.number("generation", reloaded.generation);
    if let Some(reason) = reloaded.refused {
        line.text_capped("reason", reason, REASON_BYTES_MAX);
    }
}

fn remark(remark: &ConfigRemark<'_>, now: Now, line: &mut Line<'_>) {
    line.begin(now, Level::Warn, "config");
    line.word("place", remark.place);
    line.text_capped("text", remark.text, REASON_BYTES_MAX);
}

fn trouble(trouble: &Trouble<'_>, now: Now, line: &mut Line<'_>) {
    line.begin(now, Level::Error, "trouble");
    line.word("subject", trouble.subject);
    line.text_capped("cause", trouble.cause, REASON_BYTES_MAX);
}
