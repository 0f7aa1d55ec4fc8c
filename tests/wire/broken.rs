//! Streams that come in other pieces than were recorded, and streams that end too early.

use super::frames;
use super::playback::Ending;
use super::read;
use super::recording::{Dialect, Recording};
use super::replay::{self, Verdict};
use super::said::{Said, shorten};
use super::stand::{Ask, Stand, Told};
use crate::support::client::Client;

/// Streams up to this long are sent byte by byte in every run.
const BYTEWISE_MAX: usize = 3000;
/// How many cuts of each stream a run tries that does not try all.
const CUTS: usize = 3;
/// The longest piece of a stream that is sent in random pieces.
const PIECE_MAX: usize = 50;

/// Everything that a stream is put through: sent in pieces, or cut off.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// In two pieces.
    Split(usize),
    /// Byte by byte, or in small pieces.
    Pieces(u64),
    /// Ended after so many bytes, as a server ends a whole answer.
    Ended(usize),
    /// Broken off after so many bytes.
    Broken(usize),
}

/// Puts every stream through all that shall happen to it, and says what came out wrong. `WIRE_ALL` tries everything.
pub(crate) fn all(stand: &Stand, recordings: &[Recording]) -> (usize, Vec<String>) {
    let every = is_every();
    let streams = recordings.iter().enumerate().filter(|(_, recording)| recording.stream && recording.status == 200);
    let jobs: Vec<(usize, Dialect, Harm)> = streams.flat_map(|stream| harms(stream, every)).collect();
    let wrong = replay::each(stand, jobs.len(), |client, job| {
        let (index, dialect, harm) = jobs[job];
        let recording = &recordings[index];
        let wrong = one(stand, client, recording, index, dialect, harm);
        wrong.map(|wrong| format!("{} to {dialect:?}, {harm:?}: {wrong}", recording.name))
    });
    (jobs.len(), wrong.into_iter().flatten().collect())
}

/// Whether everything shall be tried.
pub(crate) fn is_every() -> bool {
    std::env::var_os("WIRE_ALL").is_some()
}

fn harms((index, recording): (usize, &Recording), every: bool) -> Vec<(usize, Dialect, Harm)> {
    let clients: Vec<Dialect> = replay::clients((index, recording)).into_iter().map(|(_, dialect)| dialect).collect();
    let length = recording.body.len();
    let ends = frames::ends(&recording.body);
    let ends = &ends[..ends.len().saturating_sub(1)];
    let mut random = fastrand::Rng::with_seed(index as u64);
    let mut harms = Vec::new();
    // How a stream is read does not depend on who is told: the provider's own client and one other see it in pieces.
    let other = random.usize(..clients.len());
    let own = |dialect: &Dialect| recording.form.dialect() == Some(*dialect);
    let tried = clients.iter().enumerate().filter(|(at, dialect)| *at == other || own(dialect));
    for (_, dialect) in tried {
        let also = |harm| (index, *dialect, harm);
        if every {
            harms.extend((1..length).map(|at| also(Harm::Split(at))));
            harms.extend(ends.iter().flat_map(|at| [also(Harm::Ended(*at)), also(Harm::Broken(*at))]));
        }
        harms.push(also(Harm::Pieces(random.u64(..))));
    }
    if !every && !ends.is_empty() {
        for _ in 0..CUTS {
            let (at, dialect) = (ends[random.usize(..ends.len())], clients[random.usize(..clients.len())]);
            harms.push((index, dialect, if random.bool() { Harm::Ended(at) } else { Harm::Broken(at) }));
        }
    }
    harms
}

fn one(
    stand: &Stand,
    client: &mut Client,
    recording: &Recording,
    index: usize,
    dialect: Dialect,
    harm: Harm,
) -> Option<String> {
    let said = read::provider(recording);
    // Offsets are those of the recording: what is carried must not become an array.
    let as_recorded = recording.form.dialect() == Some(dialect) && !matches!(harm, Harm::Pieces(_));
    let mut ask = replay::asking(recording, if as_recorded { 1 } else { index }, dialect);
    let body = &ask.script.pieces.concat();
    (ask.script.pieces, ask.script.ending) = match harm {
        Harm::Split(at) => (vec![body[..at].to_vec(), body[at..].to_vec()], Ending::Chunked),
        Harm::Pieces(seed) => (pieces(body, seed), Ending::Chunked),
        Harm::Ended(at) => (vec![body[..at].to_vec()], Ending::Chunked),
        Harm::Broken(at) => (vec![body[..at].to_vec()], Ending::Broken),
    };
    let told = stand.ask(client, &ask);
    match harm {
        Harm::Split(_) | Harm::Pieces(_) => match replay::verdict(recording, &ask, &told, &said, None) {
            Verdict::Failing(wrong) => Some(wrong.join("; ")),
            Verdict::Passed | Verdict::Refused(_) => None,
        },
        Harm::Ended(at) | Harm::Broken(at) => too_early(recording, &ask, &told, &said, at),
    }
}

fn pieces(body: &[u8], seed: u64) -> Vec<Vec<u8>> {
    if body.len() <= BYTEWISE_MAX {
        return body.iter().map(|byte| vec![*byte]).collect();
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut rest, mut pieces) = (body, Vec::new());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=PIECE_MAX).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}

/// A client of a stream that ended too early is told so, or has the whole answer nevertheless.
fn too_early(recording: &Recording, ask: &Ask<'_>, told: &Told, said: &Said, at: usize) -> Option<String> {
    if said.error.is_some() || told.seen.is_empty() {
        return None;
    }
    let heard = read::client(ask.dialect, ask.stream, ask.array, told.status, &told.body);
    if told.status >= 400 {
        return heard.error.is_none_or(|error| error.is_empty()).then(|| "an error without a word".to_owned());
    }
    let ended = read::answer(recording, &recording.body[..at]).end.is_some();
    match &heard.error {
        Some(error) if error.is_empty() => Some("an error without a word".to_owned()),
        Some(_) if heard.end.is_some() && !ended => Some(format!("a made-up end: {:?}", heard.end)),
        Some(_) if !said.text.starts_with(&heard.text) => Some(format!("a made-up text: {}", shorten(&heard.text))),
        Some(_) => None,
        None if !ended => Some("no error was told".to_owned()),
        None => {
            // The end was told: usage alone may be missing.
            let whole = Said { usage: None, ..said.clone() };
            let differences = whole.differences(&Said { flaws: Vec::new(), ..heard }, ask.dialect);
            (!differences.is_empty()).then(|| differences.join("; "))
        }
    }
}
