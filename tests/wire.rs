//! Recorded exchanges with real providers come through the real binary: as they were to a client who speaks the provider's
//! dialect, and with all that they say to a client who speaks another.
//!
//! `WIRE=anthropic/` narrows the run to recordings whose name has this text. `WIRE_ALL=1` splits every stream at every byte and
//! cuts it after every event, which takes hours.
#![expect(clippy::disallowed_types, reason = "trees are the oracle that answers are compared with")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests that stop where they cannot go on, and the table of what was played"
)]

mod support;
mod wire {
    pub(crate) mod asked;
    pub(crate) mod broken;
    pub(crate) mod calls;
    pub(crate) mod chat;
    pub(crate) mod features;
    pub(crate) mod frames;
    pub(crate) mod gemini;
    pub(crate) mod messages;
    pub(crate) mod natives;
    pub(crate) mod playback;
    pub(crate) mod read;
    pub(crate) mod recording;
    pub(crate) mod refused;
    pub(crate) mod replay;
    pub(crate) mod requests;
    pub(crate) mod responses;
    pub(crate) mod said;
    pub(crate) mod stand;
    pub(crate) mod table;
}

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use support::rig;
use wire::replay::{self, Replay, Verdict};
use wire::stand::Stand;
use wire::{broken, calls, recording, requests, table};

static STAND: LazyLock<Stand> = LazyLock::new(Stand::start);

/// What the log says about one exchange.
#[derive(Deserialize)]
struct Logged {
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    usage: String,
    cost_usd: f64,
}

#[test]
fn recorded_exchanges_come_through() {
    let recordings = recording::all();
    if recordings.is_empty() {
        return;
    }
    let mut replays = replay::all(&STAND, &recordings);
    let refused = table::judge(&recordings, &mut replays);
    check_the_log(&mut replays);
    let failing = table::failing(&recordings, &replays);
    let report = [table::table(&recordings, &replays), refused.join("\n"), failing.join("\n")].join("\n");
    // Also where it can be read when the test has passed.
    std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/wire.txt"), &report).unwrap();
    println!("{report}");
    assert!(failing.is_empty(), "{} of {} replays are failing", failing.len(), replays.len());
}

#[test]
fn streams_come_through_in_any_pieces_and_are_never_ended_for_the_provider() {
    let recordings = recording::all();
    // Everything is more than one log holds that is read by others.
    let alone = broken::is_every().then(Stand::start);
    let (tried, wrong) = broken::all(alone.as_ref().unwrap_or(&STAND), &recordings);
    wrong.iter().for_each(|line| println!("{line}"));
    assert!(wrong.is_empty(), "{} of {tried} streams are failing", wrong.len());
}

#[test]
fn requests_arrive_as_their_provider_takes_them() {
    let (sent, mut wrong) = requests::all(&STAND);
    wrong.extend(requests::against_specifications(&sent).unwrap_or_default());
    wrong.iter().for_each(|line| println!("{line}"));
    assert!(wrong.is_empty(), "{} requests are failing, {} were sent", wrong.len(), sent.len());
}

#[test]
fn calls_other_than_chats_come_through() {
    let (played, wrong) = calls::all(&STAND);
    wrong.iter().for_each(|line| println!("{line}"));
    assert!(wrong.is_empty(), "{} of {played} calls are failing", wrong.len());
}

/// What each exchange cost stands in the log, of streams there alone.
fn check_the_log(replays: &mut [Replay]) {
    let costs = replays.iter().filter(|replay| replay.cost.is_some()).count();
    let logged = || -> HashMap<String, Logged> {
        let output = STAND.gateway.output();
        let lines = output.lines().filter(|line| line.contains(r#""event":"exchange""#));
        let logged = lines.filter_map(|line| serde_json::from_str::<Logged>(line).ok());
        logged.map(|logged| (logged.request_id.clone(), logged)).collect()
    };
    rig::eventually("the log tells of every exchange", || logged().len() >= costs);
    let logged = logged();
    for replay in replays {
        let Some((number, cost)) = replay.cost else { continue };
        let wrong = match logged.get(&format!("wire-{number}")) {
            Some(logged) if logged.usage != "reported" => format!("usage is {} in the log", logged.usage),
            Some(logged) if !replay::same_cost(cost, logged.cost_usd) => {
                format!("cost: {cost} became {} in the log", logged.cost_usd)
            }
            Some(_) => continue,
            None => "the log does not tell of it".to_owned(),
        };
        replay.verdict = Verdict::Failing(vec![wrong]);
    }
}
