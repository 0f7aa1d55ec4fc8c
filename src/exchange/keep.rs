//! What is put on file while an answer passes, so that it outlives the process.
//!
//! | when | what |
//! |---|---|
//! | a whole answer is ready to go | its bill |
//! | a stream tells the answer's end, before that piece goes | its bill; a rough count until the provider reported usage |
//! | a stream is over, before its last piece goes | its bill |
//! | a stream has its first content, and every few KiB of it | a rough count |
//! | the exchange closes | its bill, where it is not on file already |
//!
//! An exchange of which nothing was put down had given its client nothing: it costs nothing after a crash.

use std::sync::Arc;

use super::close::Bill;
use super::plan::Planned;
use super::reply::Reply;
use crate::dialect::Endpoint;
use crate::ledger::{Bookings, CallType, Ledger, Manner, Outcome, Receipt, Stage, Upstream};
use crate::telemetry;
use crate::vocabulary::{Kind, Metered, Now, PicoUsd, Usage};

/// How much more a model may write before its stream's cost is put down again: what a crash can lose of it.
const NOTE_BYTES: u64 = 4 * 1024;
/// Bytes to a token, where counting must cost nothing.
const BYTES_PER_TOKEN: u64 = 4;

/// The last thing that was put on file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OnFile {
    stage: Stage,
    outcome: Outcome,
    fault: Option<Kind>,
    usage: Metered,
    cost: PicoUsd,
    booked: Bookings,
    /// What the model had written by then.
    bytes: u64,
}

/// How an exchange stands with its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct SoFar {
    pub(super) outcome: Outcome,
    pub(super) fault: Option<Kind>,
    /// Zero while the client has none.
    pub(super) status: u16,
}

impl SoFar {
    /// Before the end: what ends well or flows has been told so.
    fn noted(outcome: Outcome, stage: Stage) -> Self {
        let well = outcome == Outcome::Complete || stage == Stage::Flowing;
        Self { outcome, fault: None, status: if well { 200 } else { 0 } }
    }
}

impl Planned {
    fn is_kept(&self) -> bool {
        self.common.world.around.ledger.keeper().is_some()
    }

    /// After a piece of a stream was read, and before the client gets it.
    pub(super) fn note_stream(&mut self) {
        let Reply::Stream(stream) = &self.reply else { return };
        let (progress, bytes) = (stream.progress(), stream.produced().bytes);
        let more = self.on_file.as_ref().is_none_or(|on_file| bytes >= on_file.bytes.saturating_add(NOTE_BYTES));
        if !(progress.finish_seen || progress.content_seen && more) || !self.is_kept() {
            return;
        }
        let usage = match stream.metered() {
            reported @ Metered::Reported(_) => reported,
            metered => Metered::Estimated(self.rough(&metered, bytes)),
        };
        let (stage, outcome) = match progress.finish_seen {
            true => (Stage::Ended, Outcome::Complete),
            false => (Stage::Flowing, Outcome::Cut),
        };
        let bill = self.bill_of(usage);
        self.put_down(stage, outcome, &bill, bytes);
    }

    /// A count by length, for what the provider did not report: no tokenizer runs while a stream passes.
    fn rough(&self, metered: &Metered, bytes: u64) -> Usage {
        let seen = metered.usage().copied().unwrap_or_default();
        let prompt = if seen.prompt > 0 { seen.prompt } else { self.request.body.len() as u64 / BYTES_PER_TOKEN };
        Usage { prompt, completion: seen.completion.max(bytes / BYTES_PER_TOKEN), ..seen }
    }

    /// When an answer is over and its end goes to the client next. What broke off may still be answered by another.
    pub(super) fn note_end(&mut self, outcome: Outcome) {
        if !self.is_kept() {
            return;
        }
        let bill = self.bill();
        if outcome == Outcome::Complete {
            self.settled_bill = Some(bill);
        }
        self.put_down(Stage::Ended, outcome, &bill, u64::MAX);
    }

    fn put_down(&mut self, stage: Stage, outcome: Outcome, bill: &Bill, bytes: u64) {
        let now = self.common.world.around.clock.now();
        let fund = self.current.as_ref().and_then(|current| current.fund.as_ref());
        let booked = self.hold.iter().chain(fund).flat_map(|hold| hold.bookings(now)).collect();
        let next = OnFile { stage, outcome, fault: None, usage: bill.usage, cost: bill.cost, booked, bytes };
        if self.on_file.as_ref().is_some_and(|on_file| on_file.says(&next)) {
            return;
        }
        let so_far = SoFar::noted(outcome, stage);
        let receipt = self.receipt(&so_far, bill, PicoUsd::ZERO, next.booked.clone(), now);
        self.common.world.around.ledger.note(&receipt, stage);
        self.on_file = Some(next);
    }

    pub(super) fn receipt(&self, so_far: &SoFar, bill: &Bill, excess: PicoUsd, booked: Bookings, now: Now) -> Receipt {
        let key = self.common.caller.as_ref().and_then(|caller| caller.key());
        let deployment =
            self.current.as_ref().map(|current| &self.common.world.deployments[current.deployment].settings.id);
        let SoFar { outcome, fault, .. } = *so_far;
        let next = OnFile { stage: Stage::Ended, outcome, fault, usage: bill.usage, cost: bill.cost, booked, bytes: 0 };
        let on_file = self.on_file.as_ref().is_some_and(|on_file| on_file.says(&next));
        Receipt {
            exchange: self.common.id.as_str().into(),
            key: key.map(|key| key.hash),
            key_alias: key.and_then(|key| key.alias.clone()),
            model: Some(self.request.model.clone()),
            group: Some(self.group.name.clone()),
            deployment: deployment.cloned(),
            behalf: self.common.behalf.clone(),
            upstream: self.upstream(),
            manner: self.manner(so_far, bill),
            usage: bill.usage,
            cost: bill.cost,
            excess,
            outcome,
            started_ms: self.common.began.wall_ms,
            ended_ms: now.wall_ms,
            booked: next.booked,
            on_file,
        }
    }

    /// Where it went; what a star stands for is filled in.
    fn upstream(&self) -> Option<Arc<Upstream>> {
        let deployment = &self.common.world.deployments[self.current.as_ref()?.deployment];
        let known = &deployment.upstream;
        Some(match deployment.upstream_model(self.captured.as_deref()) {
            model if *model == *known.model => known.clone(),
            model => Arc::new(Upstream { model: model.into(), ..Upstream::clone(known) }),
        })
    }

    fn manner(&self, so_far: &SoFar, bill: &Bill) -> Manner {
        Manner {
            call: self.call_type(),
            session: self.session_name(),
            client_ip: self.common.client_ip,
            first_ms: self.current.as_ref().and_then(|current| current.first_byte).map(|at| at.wall_ms),
            status: so_far.status,
            error: so_far.fault.map(|kind| telemetry::word_of(kind).into()),
            input_cost: bill.input_cost,
        }
    }

    fn session_name(&self) -> Option<Arc<str>> {
        let in_body = || self.request.wishes.session.as_deref().map(Arc::from);
        self.common.wishes.session.clone().or_else(in_body)
    }

    fn call_type(&self) -> CallType {
        match self.request.endpoint {
            _ if self.pass.is_some() => CallType::PassThrough,
            Endpoint::ChatCompletions => CallType::Chat,
            Endpoint::Completions => CallType::Completion,
            Endpoint::Embeddings => CallType::Embedding,
            Endpoint::Responses => CallType::Responses,
            Endpoint::Messages => CallType::Messages,
            Endpoint::CountTokens | Endpoint::GeminiCountTokens => CallType::CountTokens,
            Endpoint::GenerateContent if self.request.stream => CallType::GenerateContentStream,
            Endpoint::GenerateContent => CallType::GenerateContent,
            Endpoint::Rerank => CallType::Rerank,
            Endpoint::Moderations => CallType::Moderation,
            Endpoint::ImageGenerations => CallType::ImageGeneration,
            Endpoint::Speech => CallType::Speech,
            Endpoint::Transcriptions => CallType::Transcription,
            Endpoint::Translations => CallType::Translation,
            Endpoint::ImageEdits => CallType::ImageEdit,
            Endpoint::PassThrough => CallType::PassThrough,
        }
    }
}

impl OnFile {
    /// Whether nothing in another is new.
    fn says(&self, other: &Self) -> bool {
        let Self { stage, outcome, fault, usage, cost, booked, bytes: _ } = self;
        *stage >= other.stage
            && (outcome, fault, usage) == (&other.outcome, &other.fault, &other.usage)
            && (cost, booked) == (&other.cost, &other.booked)
    }
}
