//! The end: settle or void, one receipt, one event. Exactly once, also when the exchange is dropped.

use std::time::Duration;

use super::enter::Common;
use super::keep::SoFar;
use super::plan::Planned;
use super::reply::Reply;
use super::{charges, units};
use crate::chat::Produced;
use crate::ledger::{Bookings, Ledger, Manner, Outcome, Receipt};
use crate::pricing::{Cost, prompt, tokens};
use crate::telemetry::{self, Event, ExchangeClosed, FellBack};
use crate::vocabulary::{Fault, Kind, Metered, Now, PicoUsd, Usage};

/// How an exchange ended.
pub type Ending = telemetry::Outcome;

/// What went to the client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// The status the client saw; 499 where it saw none.
    pub status: u16,
    /// Body bytes to the client.
    pub bytes: u64,
    /// When the first of them was ready.
    pub first_byte: Option<Now>,
}

/// What an exchange came to.
#[derive(Clone, Copy, Debug)]
pub struct Bill {
    /// Tokens, and how they are known.
    pub usage: Metered,
    /// What is charged.
    pub cost: PicoUsd,
    /// Part of it for what went in.
    pub input_cost: PicoUsd,
    /// Whether there was a price.
    pub price_known: bool,
}

impl Bill {
    /// Nobody was asked.
    fn nothing(usage: Metered) -> Self {
        Self { usage, cost: PicoUsd::ZERO, input_cost: PicoUsd::ZERO, price_known: true }
    }
}

impl Planned {
    /// What the exchange comes to as things stand.
    pub fn bill(&self) -> Bill {
        self.settled_bill.unwrap_or_else(|| self.count_bill())
    }

    /// Counts once what the answer came to, when it is whole, and puts it on file before the client gets it.
    pub(super) fn settle_bill(&mut self) {
        self.settled_bill = Some(self.count_bill());
        self.note_end(Outcome::Complete);
    }

    fn count_bill(&self) -> Bill {
        if let Some(bill) = self.opaque_bill() {
            return bill;
        }
        self.bill_of(self.usage())
    }

    /// What this usage costs.
    pub(super) fn bill_of(&self, usage: Metered) -> Bill {
        let Some(current) = self.current.as_ref().filter(|_| !self.request.endpoint.is_count()) else {
            return Bill::nothing(usage);
        };
        let world = &self.common.world;
        let model = world.deployments[current.deployment].upstream_model(self.captured.as_deref());
        // Who reports tokens charges for them; who does not may have a price list by quality and size.
        let drawn = match usage {
            Metered::Reported(Usage { completion: 1.., .. }) => None,
            _ => world.drawn_price(current.deployment, &model, &self.request),
        };
        let price = drawn.or_else(|| world.price(current.deployment, &model)).filter(|price| price.is_known());
        let (cost, input_cost) = match (usage.usage(), &price) {
            (Some(usage), Some(price)) => {
                let cost = price.cost(usage, self.tier());
                (cost.total, cost.input)
            }
            (Some(Usage { cost: Some(reported), .. }), None) => {
                let provider = &world.deployments[current.deployment].settings.provider;
                let adjustment = charges::adjustment(&world.settings, provider, &model);
                (adjustment.of(Cost::reported(*reported)).total, adjustment.fixed)
            }
            _ => (PicoUsd::ZERO, PicoUsd::ZERO),
        };
        // Of a form nothing can be counted here: what is not reported has no price.
        let priced = self.request.form.is_none() || usage.usage().is_some();
        let cost = cost.plus(self.hedge.lost);
        Bill { usage, cost, input_cost, price_known: price.is_some() && priced }
    }

    /// What was used: as reported, else counted; nothing where the upstream gave no answer.
    fn usage(&self) -> Metered {
        if self.request.endpoint.is_count() {
            return Metered::Reported(Usage::default());
        }
        let nothing = Produced::default();
        let failed = self.current.as_ref().is_none_or(|current| current.failed);
        let (metered, produced) = match &self.reply {
            // What was streamed was used, however the stream ended.
            Reply::Stream(stream) if self.reply.streamed() => (stream.metered(), stream.produced()),
            Reply::Stream(stream) if stream.progress().error_seen => return Metered::Absent,
            Reply::Passed(passing) => match passing.used() {
                Some(used) => used,
                None => return Metered::Absent,
            },
            Reply::Over { answered: false, .. } | Reply::Error { .. } => return Metered::Absent,
            Reply::Over { metered, produced, .. } => (*metered, produced),
            _ if failed => return Metered::Absent,
            // Sent, and no failure came back: the client left while the provider worked.
            Reply::Stream(_) | Reply::Waiting | Reply::Json(_) | Reply::Foreign(_) => (Metered::Absent, &nothing),
        };
        let counted = match metered {
            Metered::Reported(_) | Metered::Estimated(_) => metered,
            Metered::Absent if self.request.form.is_some() => metered,
            Metered::Absent => Metered::Estimated(self.count(None, produced)),
            Metered::Partial(seen) => Metered::Estimated(self.count(Some(seen), produced)),
        };
        units::filled(counted, &self.request)
    }

    /// Counts what was not reported; what was reported in part stands where it is the larger.
    pub(super) fn count(&self, seen: Option<Usage>, produced: &Produced) -> Usage {
        let model = self.request.model.as_str();
        let seen = seen.unwrap_or_default();
        let prompt = if seen.prompt > 0 { seen.prompt } else { prompt::estimate_prompt(model, &self.request.body) };
        let counted = tokens::count(model, &produced.sample);
        let sampled = produced.sample.len() as u64;
        let completion = if produced.bytes > sampled && sampled > 0 {
            u64::try_from(u128::from(counted) * u128::from(produced.bytes) / u128::from(sampled)).unwrap_or(u64::MAX)
        } else {
            counted
        };
        Usage { prompt, completion: completion.max(seen.completion), ..seen }
    }

    /// Closes the exchange: the one record of it.
    pub fn close(mut self: Box<Self>, ending: Ending, fault: Option<&Fault>, sent: &Sent, now: Now) {
        self.conclude(ending, fault.map(|fault| fault.kind), sent, now);
    }

    fn conclude(&mut self, ending: Ending, fault: Option<Kind>, sent: &Sent, now: Now) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.common.closed = true;
        self.end_hedge(now);
        let bill = self.bill();
        let used = bill.usage.usage().map_or(0, Usage::total);
        let permit = std::mem::take(&mut self.permit);
        if self.attempts > 0 {
            permit.settle(Some(used), now);
        } else {
            // Never sent: what was taken is given back.
            drop(permit);
        }
        if let Some(permit) = self.current.as_mut().and_then(|current| current.permit.take()) {
            permit.settle(Some(used), now);
        }
        self.course.settle(used, now);
        if let Some(current) = &self.current {
            self.common.world.deployments[current.deployment].health.use_tokens(used, now);
        }
        let mut settled = self.hold.take().map(|hold| hold.settle(bill.cost, now)).unwrap_or_default();
        if let Some(fund) = self.current.as_mut().and_then(|current| current.fund.take()) {
            settled.booked.extend(fund.settle(bill.cost, now).booked);
        }
        let so_far = SoFar { outcome: outcome(ending), fault, status: sent.status };
        let receipt = self.receipt(&so_far, &bill, settled.excess, settled.booked, now);
        self.common.world.around.ledger.record(receipt);
        self.common.tell_budgets(now);
        let current = self.current.as_ref();
        let upstream = current.map(|current| current.ended.unwrap_or(now).since(current.began));
        let event = ExchangeClosed {
            model_requested: Some(self.request.model.as_str()),
            target: self.common.target,
            stream: self.request.stream,
            attempts: self.attempts,
            fault,
            usage: bill.usage,
            cost: bill.cost,
            lost: self.hedge.lost,
            price_known: bill.price_known,
            at_home: current.and_then(|current| current.at_home),
            t_upstream: upstream,
            t_first_byte: sent.first_byte.map(|at| at.since(self.common.began)),
            t_overhead: self.overhead(now),
            ..event(&self.common, sent, ending, now)
        };
        self.common.world.around.telemetry.emit(&Event::ExchangeClosed(event), now);
        self.say_fallbacks(ending, now);
    }

    fn say_fallbacks(&self, ending: Ending, now: Now) {
        let (common, fallbacks) = (&self.common, self.fallbacks());
        if fallbacks > 0 {
            let event = FellBack {
                handles: &common.world.handles,
                exchange_id: &common.id,
                target: common.target,
                fallbacks,
                answered: ending == Ending::Complete,
            };
            common.world.around.telemetry.emit(&Event::FellBack(event), now);
        }
    }

    /// From the head to the first dispatch without the wait for the client's body, and from the upstream's end to ours.
    pub fn overhead(&self, now: Now) -> Duration {
        let began = self.common.began;
        let before = self.first_dispatch.unwrap_or(now).since(began).saturating_sub(self.body_wait);
        let after =
            self.current.as_ref().and_then(|current| current.ended).map_or(Duration::ZERO, |ended| now.since(ended));
        before + after
    }
}

/// A panic, or the end of the process, drops the exchange: it is settled all the same.
impl Drop for Planned {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        let (ending, kind, status) = match std::thread::panicking() {
            true => (Ending::Internal, Kind::Internal, 500),
            false => (Ending::ShuttingDown, Kind::ShuttingDown, 503),
        };
        let status = if self.reply.streamed() { 200 } else { status };
        let now = self.common.world.around.clock.now();
        self.conclude(ending, Some(kind), &Sent { status, ..Sent::default() }, now);
    }
}

fn outcome(ending: Ending) -> Outcome {
    match ending {
        Ending::Complete => Outcome::Complete,
        Ending::ClientGone => Outcome::ClientGone,
        Ending::UpstreamCut | Ending::Stalled | Ending::ShuttingDown => Outcome::Cut,
        Ending::Refused => Outcome::Denied,
        Ending::UpstreamFailed | Ending::Internal => Outcome::Failed,
    }
}

/// An exchange that was dropped before it was planned, or before its refusal was sent, has its record all the same.
impl Drop for Common {
    fn drop(&mut self) {
        if !self.closed {
            let now = self.world.around.clock.now();
            let fault = Fault::ours(Kind::Internal, "the exchange was dropped");
            refused(self, &fault, 500, 0, Ending::Internal, now);
        }
    }
}

/// Closes an exchange that was never planned.
pub(super) fn refused(common: &mut Common, fault: &Fault, status: u16, bytes_out: u64, ending: Ending, now: Now) {
    common.closed = true;
    common.world.around.ledger.record(Receipt {
        exchange: common.id.as_str().into(),
        key: common.caller.as_ref().and_then(|caller| caller.key()).map(|key| key.hash),
        key_alias: common.caller.as_ref().and_then(|caller| caller.key()).and_then(|key| key.alias.clone()),
        model: None,
        group: None,
        deployment: None,
        behalf: common.behalf.clone(),
        upstream: None,
        manner: Manner::default(),
        usage: Metered::Absent,
        cost: PicoUsd::ZERO,
        excess: PicoUsd::ZERO,
        outcome: outcome(ending),
        started_ms: common.began.wall_ms,
        ended_ms: now.wall_ms,
        booked: Bookings::new(),
        on_file: false,
    });
    let sent = Sent { status, bytes: bytes_out, first_byte: None };
    let event = ExchangeClosed { fault: Some(fault.kind), ..event(common, &sent, ending, now) };
    common.world.around.telemetry.emit(&Event::ExchangeClosed(event), now);
}

fn event<'a>(common: &'a Common, sent: &Sent, ending: Ending, now: Now) -> ExchangeClosed<'a> {
    ExchangeClosed {
        handles: &common.world.handles,
        exchange_id: &common.id,
        request_id: common.request_id.as_deref(),
        started_ms: common.began.wall_ms,
        key: common.key,
        model_requested: None,
        target: common.target,
        endpoint: common.endpoint,
        stream: false,
        status: sent.status,
        outcome: ending,
        attempts: 0,
        fault: None,
        usage: Metered::Absent,
        cost: PicoUsd::ZERO,
        lost: PicoUsd::ZERO,
        price_known: true,
        at_home: None,
        t_total: now.since(common.began),
        t_upstream: None,
        t_first_byte: None,
        t_overhead: now.since(common.began),
        bytes_in: common.bytes_in,
        bytes_out: sent.bytes,
        client_ip: common.client_ip,
    }
}
