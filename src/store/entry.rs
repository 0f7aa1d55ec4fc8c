//! A receipt as the journal holds it: framed with length and checksum, so that a torn one is known.

use std::net::IpAddr;
use std::sync::Arc;

use crate::ledger::{AccountId, Behalf, Booking, Bookings, CallType, Manner, Outcome, Receipt, Stage, Tags, Upstream};
use crate::vocabulary::{KeyHash, Metered, ModelName, PicoUsd, ScopeKind, Usage};

/// Length and checksum.
pub(super) const FRAME_BYTES: usize = 8;
/// No entry is longer, however many of its texts are as long as one may be: what was written is always read.
const ENTRY_BYTES_MAX: usize = 512 * 1024;
/// A text of this length or more is left out.
const TEXT_BYTES_MAX: usize = 4096;
/// Of the form below.
const FORM: u8 = 2;
/// The form before it: without behalf, upstream and manner. A journal of the version before may still hold it.
const FORM_BEFORE: u8 = 1;
/// No more tags of an exchange are put down.
const TAGS_MAX: usize = 64;

/// A receipt on its way into the database.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) stage: Stage,
    pub(super) receipt: Receipt,
}

/// Writes a frame with a receipt in it.
pub(super) fn write(stage: Stage, receipt: &Receipt, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    out.extend_from_slice(&[FORM, stage_code(stage), outcome_code(receipt.outcome)]);
    text(Some(&receipt.exchange), out);
    match &receipt.key {
        Some(key) => {
            out.push(1);
            out.extend_from_slice(key.as_bytes());
        }
        None => out.push(0),
    }
    text(receipt.key_alias.as_deref(), out);
    text(receipt.model.as_ref().map(ModelName::as_str), out);
    text(receipt.group.as_deref(), out);
    text(receipt.deployment.as_deref(), out);
    metered(&receipt.usage, out);
    for amount in [receipt.cost, receipt.excess] {
        out.extend_from_slice(&amount.0.to_le_bytes());
    }
    for at in [receipt.started_ms, receipt.ended_ms] {
        out.extend_from_slice(&at.to_le_bytes());
    }
    behalf(receipt.behalf.as_deref(), out);
    upstream(receipt.upstream.as_deref(), out);
    manner(&receipt.manner, out);
    bookings(&receipt.booked, out);
    seal(start, out);
}

/// Writes length and checksum of what stands behind them.
fn seal(start: usize, out: &mut [u8]) {
    let Some((head, body)) = out.get_mut(start..).and_then(|frame| frame.split_first_chunk_mut::<FRAME_BYTES>()) else {
        return;
    };
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = crc32fast::hash(body).to_le_bytes();
    *head = [length[0], length[1], length[2], length[3], sum[0], sum[1], sum[2], sum[3]];
}

/// All entries up to the first one that is torn, and how many bytes they take.
pub(super) fn read_all(bytes: &[u8]) -> (Vec<Entry>, usize) {
    let (mut entries, mut reader) = (Vec::new(), Reader(bytes));
    let mut good = 0;
    while let Some(body) = frame(&mut reader) {
        good = bytes.len() - reader.0.len();
        // A form that a later version writes is skipped: its frame is whole.
        entries.extend(entry(&mut Reader(body)));
    }
    (entries, good)
}

fn frame<'b>(reader: &mut Reader<'b>) -> Option<&'b [u8]> {
    let length = usize::try_from(u32::from_le_bytes(reader.array()?)).ok()?;
    let sum = u32::from_le_bytes(reader.array()?);
    if length == 0 || length > ENTRY_BYTES_MAX {
        return None;
    }
    let body = reader.take(length)?;
    (crc32fast::hash(body) == sum).then_some(body)
}

fn entry(reader: &mut Reader<'_>) -> Option<Entry> {
    let [form, stage, outcome] = reader.array()?;
    if !matches!(form, FORM | FORM_BEFORE) {
        return None;
    }
    let stage = [Stage::Flowing, Stage::Ended, Stage::Closed].into_iter().find(|known| stage_code(*known) == stage)?;
    let outcome = outcome_of(outcome)?;
    let exchange = reader.text()??;
    let key = match reader.array()? {
        [0] => None,
        _ => Some(KeyHash::from_bytes(reader.array()?)),
    };
    let mut receipt = Receipt {
        exchange,
        key,
        key_alias: reader.text()?,
        model: reader.text()?.and_then(|name| ModelName::parse(&name).ok()),
        group: reader.text()?,
        deployment: reader.text()?,
        behalf: None,
        upstream: None,
        manner: Manner::default(),
        usage: reader.metered()?,
        cost: PicoUsd(i128::from_le_bytes(reader.array()?)),
        excess: PicoUsd(i128::from_le_bytes(reader.array()?)),
        outcome,
        started_ms: i64::from_le_bytes(reader.array()?),
        ended_ms: i64::from_le_bytes(reader.array()?),
        booked: Bookings::new(),
        on_file: false,
    };
    if form == FORM {
        receipt.behalf = reader.behalf()?;
        receipt.upstream = reader.upstream()?;
        receipt.manner = reader.manner()?;
    }
    receipt.booked = read_bookings(reader)?;
    Some(Entry { stage, receipt })
}

/// Text with its length, or nothing.
fn text(text: Option<&str>, out: &mut Vec<u8>) {
    let Some(text) = text else { return out.extend_from_slice(&u16::MAX.to_le_bytes()) };
    let length = u16::try_from(text.len()).ok().filter(|length| usize::from(*length) < TEXT_BYTES_MAX).unwrap_or(0);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.get(..usize::from(length)).unwrap_or_default().as_bytes());
}

fn behalf(behalf: Option<&Behalf>, out: &mut Vec<u8>) {
    let Some(behalf) = behalf else { return out.push(0) };
    out.push(1);
    for name in [&behalf.team, &behalf.user, &behalf.organization, &behalf.customer] {
        text(name.as_deref(), out);
    }
    let tags = behalf.tags.get(..TAGS_MAX).unwrap_or(&behalf.tags);
    out.push(u8::try_from(tags.len()).unwrap_or(0));
    tags.iter().for_each(|tag| text(Some(tag), out));
}

fn upstream(upstream: Option<&Upstream>, out: &mut Vec<u8>) {
    let Some(upstream) = upstream else { return out.push(0) };
    out.push(1);
    for name in [&upstream.provider, &upstream.model, &upstream.api_base] {
        text(Some(name), out);
    }
}

fn manner(manner: &Manner, out: &mut Vec<u8>) {
    out.push(manner.call.code());
    out.extend_from_slice(&manner.status.to_le_bytes());
    out.extend_from_slice(&manner.first_ms.unwrap_or(i64::MIN).to_le_bytes());
    out.extend_from_slice(&manner.input_cost.0.to_le_bytes());
    match manner.client_ip {
        None => out.push(0),
        Some(IpAddr::V4(ip)) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    text(manner.session.as_deref(), out);
    text(manner.error.as_deref(), out);
}

fn metered(metered: &Metered, out: &mut Vec<u8>) {
    out.push(metered_code(metered));
    let Some(usage) = metered.usage() else { return };
    counts(usage).iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
    match usage.cost {
        Some(cost) => {
            out.push(1);
            out.extend_from_slice(&cost.0.to_le_bytes());
        }
        None => out.push(0),
    }
}

fn counts(usage: &Usage) -> [u64; 10] {
    let Usage { prompt, completion, cache_read, cache_write, cache_write_1h, audio_in, image_in, .. } = *usage;
    let Usage { reasoning, audio_out, image_out, .. } = *usage;
    [prompt, completion, cache_read, cache_write, cache_write_1h, audio_in, image_in, reasoning, audio_out, image_out]
}

/// How usage is known, as a number for a file.
pub(super) fn metered_code(metered: &Metered) -> u8 {
    match metered {
        Metered::Absent => 0,
        Metered::Partial(_) => 1,
        Metered::Reported(_) => 2,
        Metered::Estimated(_) => 3,
    }
}

/// The other way, with these counts.
pub(super) fn metered_of(code: u8, usage: Usage) -> Metered {
    match code {
        1 => Metered::Partial(usage),
        2 => Metered::Reported(usage),
        3 => Metered::Estimated(usage),
        _ => Metered::Absent,
    }
}

/// Accounts and ends of windows, to stand at the end of something.
pub(super) fn bookings(bookings: &Bookings, out: &mut Vec<u8>) {
    for booking in bookings {
        account(booking.account, out);
        out.extend_from_slice(&window(booking.resets_at_ms).to_le_bytes());
    }
}

/// An account as bytes: what kind, and which.
pub(super) fn account(account: AccountId, out: &mut Vec<u8>) {
    match account {
        AccountId::Global => out.push(0),
        AccountId::Key(key) => {
            out.push(1);
            out.extend_from_slice(key.as_bytes());
        }
        AccountId::Of(kind, digest) => {
            out.extend_from_slice(&[2, kind.code()]);
            out.extend_from_slice(&digest);
        }
    }
}

/// The account that these bytes are.
pub(super) fn account_of(bytes: &[u8]) -> Option<AccountId> {
    read_account(&mut Reader(bytes))
}

/// The bookings that these bytes are.
pub(super) fn bookings_of(bytes: &[u8]) -> Option<Bookings> {
    read_bookings(&mut Reader(bytes))
}

/// The end of a window as a number; the last there is for a window without an end.
pub(super) fn window(resets_at_ms: Option<i64>) -> i64 {
    resets_at_ms.unwrap_or(i64::MAX)
}

/// The other way.
pub(super) fn window_of(number: i64) -> Option<i64> {
    Some(number).filter(|number| *number != i64::MAX)
}

fn read_account(reader: &mut Reader<'_>) -> Option<AccountId> {
    match reader.array()? {
        [0] => Some(AccountId::Global),
        [1] => Some(AccountId::Key(KeyHash::from_bytes(reader.array()?))),
        [2] => {
            let [kind] = reader.array()?;
            Some(AccountId::Of(ScopeKind::of_code(kind)?, reader.array()?))
        }
        _ => None,
    }
}

fn read_bookings(reader: &mut Reader<'_>) -> Option<Bookings> {
    let mut bookings = Bookings::new();
    while !reader.0.is_empty() {
        let account = read_account(reader)?;
        let resets_at_ms = window_of(i64::from_le_bytes(reader.array()?));
        bookings.push(Booking { account, resets_at_ms });
    }
    Some(bookings)
}

/// How far an exchange is, as a number for a file; later stages are larger.
pub(super) fn stage_code(stage: Stage) -> u8 {
    match stage {
        Stage::Flowing => 0,
        Stage::Ended => 1,
        Stage::Closed => 2,
    }
}

/// How an exchange ended, as a number for a file.
pub(super) fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Complete => 0,
        Outcome::ClientGone => 1,
        Outcome::Cut => 2,
        Outcome::Failed => 3,
        Outcome::Denied => 4,
    }
}

/// The other way.
pub(super) fn outcome_of(code: u8) -> Option<Outcome> {
    let all = [Outcome::Complete, Outcome::ClientGone, Outcome::Cut, Outcome::Failed, Outcome::Denied];
    all.into_iter().find(|outcome| outcome_code(*outcome) == code)
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn text(&mut self) -> Option<Option<Arc<str>>> {
        let length = u16::from_le_bytes(self.array()?);
        if length == u16::MAX {
            return Some(None);
        }
        let text = std::str::from_utf8(self.take(usize::from(length))?).ok()?;
        Some(Some(text.into()))
    }

    fn behalf(&mut self) -> Option<Option<Arc<Behalf>>> {
        if self.array()? == [0] {
            return Some(None);
        }
        let (team, user, organization, customer) = (self.text()?, self.text()?, self.text()?, self.text()?);
        let [count] = self.array()?;
        let tags = (0..count).map(|_| self.text()?).collect::<Option<Tags>>()?;
        Some(Some(Arc::new(Behalf { team, user, organization, customer, tags })))
    }

    fn upstream(&mut self) -> Option<Option<Arc<Upstream>>> {
        if self.array()? == [0] {
            return Some(None);
        }
        let mut next = || self.text().map(Option::unwrap_or_default);
        Some(Some(Arc::new(Upstream { provider: next()?, model: next()?, api_base: next()? })))
    }

    fn manner(&mut self) -> Option<Manner> {
        let [call] = self.array()?;
        let status = u16::from_le_bytes(self.array()?);
        let first_ms = Some(i64::from_le_bytes(self.array()?)).filter(|at| *at != i64::MIN);
        let input_cost = PicoUsd(i128::from_le_bytes(self.array()?));
        let client_ip = match self.array()? {
            [4] => Some(IpAddr::from(self.array::<4>()?)),
            [6] => Some(IpAddr::from(self.array::<16>()?)),
            _ => None,
        };
        let (session, error) = (self.text()?, self.text()?);
        Some(Manner { call: CallType::of(call), session, client_ip, first_ms, status, error, input_cost })
    }

    fn metered(&mut self) -> Option<Metered> {
        let [code] = self.array()?;
        if code == 0 {
            return Some(Metered::Absent);
        }
        let mut next = || self.array().map(u64::from_le_bytes);
        let mut usage = Usage { prompt: next()?, completion: next()?, cache_read: next()?, ..Usage::default() };
        (usage.cache_write, usage.cache_write_1h, usage.audio_in) = (next()?, next()?, next()?);
        (usage.image_in, usage.reasoning) = (next()?, next()?);
        (usage.audio_out, usage.image_out) = (next()?, next()?);
        usage.cost = match self.array()? {
            [0] => None,
            _ => Some(PicoUsd(i128::from_le_bytes(self.array()?))),
        };
        match code {
            1 => Some(Metered::Partial(usage)),
            2 => Some(Metered::Reported(usage)),
            3 => Some(Metered::Estimated(usage)),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A receipt whose every field differs.
    pub(in crate::store) fn receipt(exchange: &str, cost: i128) -> Receipt {
        let key = KeyHash::of("sk-of-a-test");
        let usage = Usage {
            prompt: 1,
            completion: 2,
            cache_read: 3,
            cache_write: 4,
            cache_write_1h: 5,
            audio_in: 6,
            image_in: 7,
            reasoning: 8,
            audio_out: 9,
            image_out: 10,
            cost: Some(PicoUsd(11)),
            ..Usage::default()
        };
        let team = AccountId::of(ScopeKind::Team, "blue", &crate::ledger::Part::Window("1d".to_owned()));
        let booked = [
            (AccountId::Global, None),
            (AccountId::Key(key), Some(1_795_305_600_000)),
            (team, Some(1_795_305_600_000)),
        ];
        let behalf = Behalf {
            team: Some("team".into()),
            user: Some("user".into()),
            organization: Some("organization".into()),
            customer: Some("customer".into()),
            tags: ["one", "two", "three"].map(Arc::from).into_iter().collect(),
        };
        let upstream =
            Upstream { provider: "provider".into(), model: "upstream".into(), api_base: "https://host".into() };
        let manner = Manner {
            call: CallType::Messages,
            session: Some("session".into()),
            client_ip: Some(IpAddr::from([127, 0, 0, 1])),
            first_ms: Some(1_795_226_400_005),
            status: 200,
            error: Some("upstream_cut".into()),
            input_cost: PicoUsd(cost / 2),
        };
        Receipt {
            exchange: exchange.into(),
            key: Some(key),
            key_alias: Some("alias".into()),
            model: ModelName::parse("a/model").ok(),
            group: Some("group".into()),
            deployment: Some("deployment".into()),
            behalf: Some(behalf.into()),
            upstream: Some(upstream.into()),
            manner,
            usage: Metered::Reported(usage),
            cost: PicoUsd(cost),
            excess: PicoUsd(13),
            outcome: Outcome::Cut,
            started_ms: 1_795_226_400_000,
            ended_ms: 1_795_226_400_015,
            booked: booked.map(|(account, resets_at_ms)| Booking { account, resets_at_ms }).into_iter().collect(),
            on_file: false,
        }
    }

    fn file(count: usize) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        for number in 0..count {
            write(Stage::Closed, &receipt(&format!("exchange-{number}"), number as i128), &mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let bare = Receipt {
            key: None,
            key_alias: None,
            model: None,
            group: None,
            deployment: None,
            behalf: None,
            upstream: None,
            manner: Manner::default(),
            usage: Metered::Absent,
            booked: Bookings::new(),
            ..receipt("bare", 0)
        };
        for (stage, receipt) in [(Stage::Flowing, receipt("whole", i128::MAX)), (Stage::Ended, bare)] {
            bytes.clear();
            write(stage, &receipt, &mut bytes);
            let (entries, good) = read_all(&bytes);
            assert_eq!(good, bytes.len());
            assert_eq!(format!("{:?}", entries[0]), format!("{:?}", Entry { stage, receipt }));
        }
    }

    #[test]
    fn the_longest_entry_that_is_written_is_read_and_so_is_what_stands_behind_it() {
        let longest: Arc<str> = "x".repeat(TEXT_BYTES_MAX - 1).into();
        let mut receipt = receipt("long", 7);
        let named = Some(longest.clone());
        let tags = (0..TAGS_MAX + 9).map(|_| longest.clone()).collect();
        let (team, user, organization, customer) = (named.clone(), named.clone(), named.clone(), named.clone());
        receipt.behalf = Some(Behalf { team, user, organization, customer, tags }.into());
        let [provider, model, api_base] = [(); 3].map(|()| longest.clone());
        receipt.upstream = Some(Upstream { provider, model, api_base }.into());
        (receipt.key_alias, receipt.group, receipt.deployment) = (named.clone(), named.clone(), named.clone());
        (receipt.manner.session, receipt.manner.error) = (named.clone(), named);
        receipt.booked = std::iter::repeat_n(receipt.booked[2], 1_000).collect();
        let mut bytes = Vec::new();
        write(Stage::Ended, &receipt, &mut bytes);
        write(Stage::Closed, &super::tests::receipt("behind", 8), &mut bytes);
        let (entries, good) = read_all(&bytes);
        assert_eq!((entries.len(), good), (2, bytes.len()));
        assert_eq!((entries[0].receipt.cost, entries[0].receipt.booked.len()), (PicoUsd(7), 1_000));
    }

    /// As the version before wrote it: what it did not say is not known, and the money is the same.
    #[test]
    fn the_form_before_this_one_is_still_read() {
        let (mut bytes, mut said) = (Vec::new(), receipt("before", 7));
        (said.behalf, said.upstream, said.manner) = (None, None, Manner::default());
        write(Stage::Closed, &said, &mut bytes);
        let mut more = Vec::new();
        behalf(None, &mut more);
        upstream(None, &mut more);
        manner(&said.manner, &mut more);
        let mut booked = Vec::new();
        bookings(&said.booked, &mut booked);
        let end = bytes.len() - booked.len();
        bytes.drain(end - more.len()..end);
        bytes[FRAME_BYTES] = FORM_BEFORE;
        seal(0, &mut bytes);
        let (entries, good) = read_all(&bytes);
        assert_eq!((good, entries.len()), (bytes.len(), 1));
        assert_eq!(format!("{:?}", entries[0]), format!("{:?}", Entry { stage: Stage::Closed, receipt: said }));
    }

    #[test]
    fn zeros_that_a_power_cut_left_are_no_entry() {
        let (mut bytes, ends) = file(2);
        bytes.extend_from_slice(&[0; 4096]);
        let (entries, good) = read_all(&bytes);
        assert_eq!((entries.len(), good), (2, ends[2]));
    }

    proptest! {
        #[test]
        fn a_cut_anywhere_loses_the_torn_entry_at_most(count in 1usize..6, at in any::<prop::sample::Index>()) {
            let (bytes, ends) = file(count);
            let cut = at.index(bytes.len() + 1);
            let (entries, good) = read_all(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            prop_assert_eq!((entries.len(), good), (whole, ends[whole]));
            for (number, entry) in entries.iter().enumerate() {
                prop_assert_eq!(entry.receipt.exchange.to_string(), format!("exchange-{number}"));
            }
        }

        #[test]
        fn a_flipped_bit_is_never_read_as_money(count in 1usize..4, at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let (mut bytes, ends) = file(count);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let (entries, _) = read_all(&bytes);
            let before = ends.iter().filter(|end| **end <= at).count() - 1;
            prop_assert_eq!(entries.len(), before);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let (_, good) = read_all(&bytes);
            prop_assert!(good <= bytes.len());
            let _read = (entry(&mut Reader(&bytes)), bookings_of(&bytes), account_of(&bytes));
        }
    }
}
