//! What came of all replays: a table, and what is wrong.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::recording::Recording;
use super::refused::REFUSED;
use super::replay::{Replay, Verdict};

/// Passed, refused by name, failing.
type Tally = [usize; 3];

/// The table: each replay counts for every feature of its recording. `all` stands for every replay of a provider.
pub(crate) fn table(recordings: &[Recording], replays: &[Replay]) -> String {
    let mut rows: BTreeMap<(String, &str), [Tally; 2]> = BTreeMap::new();
    for replay in replays {
        let recording = &recordings[replay.recording];
        let column = match &replay.verdict {
            Verdict::Passed => 0,
            Verdict::Refused(_) => 1,
            Verdict::Failing(_) => 2,
        };
        let provider = format!("{} {:?}", recording.provider, recording.form).to_lowercase();
        for feature in std::iter::once("all").chain(recording.features.iter().map(String::as_str)) {
            let row = rows.entry((provider.clone(), feature)).or_default();
            row[usize::from(recording.stream)][column] += 1;
        }
    }
    let mut out = format!("{:<24}{:<28}{:>26}{:>26}\n", "provider", "feature", "whole", "stream");
    let columns = ["passed", "refused", "failing"].map(|name| format!("{name:>9}")).concat();
    writeln!(out, "{:<50}{columns}{columns}", "").unwrap();
    for ((provider, feature), tallies) in rows {
        let counts: String = tallies.iter().flatten().map(|count| format!("{count:>9}")).collect();
        writeln!(out, "{provider:<24}{feature:<26}{counts}").unwrap();
    }
    out
}

/// One line for each replay that did not come through.
pub(crate) fn failing(recordings: &[Recording], replays: &[Replay]) -> Vec<String> {
    let line = |replay: &Replay| {
        let Verdict::Failing(wrong) = &replay.verdict else { return None };
        Some(format!("{} to {:?}: {}", recordings[replay.recording].name, replay.client, wrong.join("; ")))
    };
    replays.iter().filter_map(line).collect()
}

/// Turns refusals that nobody gave a reason for into failures, and gives the reasons of the others.
pub(crate) fn judge(recordings: &[Recording], replays: &mut [Replay]) -> Vec<String> {
    let mut reasons = Vec::new();
    for replay in replays {
        let Verdict::Refused(message) = &replay.verdict else { continue };
        let recording = &recordings[replay.recording];
        let known = REFUSED.iter().find(|refused| {
            (refused.provider == "*" || refused.provider == recording.provider) && message.contains(refused.message)
        });
        match known {
            Some(refused) => {
                reasons.push(format!("refused: {} to {:?}: {}", recording.name, replay.client, refused.reason))
            }
            None => replay.verdict = Verdict::Failing(vec![format!("refused without a documented reason: {message}")]),
        }
    }
    reasons
}
