//! One chunk of a stream: what is in it, and where.

use crate::json::{self, Cursor, Member, Span};
use crate::wire::sse;

use super::Produced;
use super::outlet::Outlet;

/// Where the members lie that metering and editing need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    model: Option<Span>,
    pub(super) usage: Option<Member>,
    // The end of the value before `usage`, and the start of the key after it.
    before_usage: Option<u32>,
    after_usage: Option<u32>,
    pub(super) x_groq: Option<Span>,
    // None: there is no `choices`.
    choices: Option<u64>,
    pub(super) finished: bool,
    pub(super) cites: bool,
    pub(super) error: bool,
    /// The inside of the only text, if there is but one.
    pub(super) text: Option<Span>,
    /// The inside of what OpenAI pads a chunk with, so that its length tells nothing.
    pub(super) noise: Option<Span>,
}

impl Chunk {
    /// Walks over a chunk once. None if it is not one whole object.
    pub(super) fn read(data: &[u8], produced: &mut Produced) -> Option<Self> {
        let mut chunk = Self::default();
        let mut cursor = Cursor::new(data);
        cursor.open_object()?;
        let mut last_end = None;
        while let Some(key) = cursor.key()? {
            if chunk.usage.is_some() && chunk.after_usage.is_none() {
                chunk.after_usage = Some(key.start);
            }
            match key.of(data) {
                b"\"choices\"" => {
                    let choices = produced.read_choices(&mut cursor)?;
                    chunk.text = choices.only_text().filter(|_| chunk.choices.is_none());
                    (chunk.choices, chunk.finished, chunk.cites) =
                        (Some(choices.count), choices.finished, choices.cites);
                    last_end = Some(cursor.offset());
                }
                name => {
                    let value = cursor.skip()?;
                    chunk.member(name, Member { key, value }, data, last_end);
                    last_end = Some(value.end);
                }
            }
        }
        cursor.is_at_end().then_some(chunk)
    }

    fn member(&mut self, name: &[u8], member: Member, data: &[u8], last_end: Option<u32>) {
        match name {
            b"\"model\"" => self.model = Some(member.value),
            b"\"usage\"" => {
                self.usage = Some(member);
                self.before_usage = last_end;
                self.after_usage = None;
            }
            b"\"x_groq\"" => self.x_groq = Some(member.value),
            b"\"error\"" => self.error = !json::is_null(member.value.of(data)),
            b"\"obfuscation\"" if member.value.of(data).starts_with(b"\"") => {
                self.noise = Some(Span { start: member.value.start + 1, end: member.value.end - 1 });
            }
            _ => {}
        }
    }

    /// Whether it tells the usage and nothing that a client without interest in usage would miss.
    pub(super) fn is_only_usage(&self, data: &[u8]) -> bool {
        let usage = self.usage.and_then(|usage| json::kind(usage.value.of(data)));
        self.choices == Some(0) && usage == Some(json::Kind::Object)
    }

    /// Leaves `"usage":null` only if it shall be cut.
    pub(super) fn forget_null_usage_unless(&mut self, cut: bool, data: &[u8]) {
        if !cut || !self.usage.is_some_and(|usage| json::is_null(usage.value.of(data))) {
            self.usage = None;
        }
    }

    /// Whether [`Self::edit`] would change anything.
    pub(super) fn needs_edit(&self, data: &[u8], model: Option<&[u8]>) -> bool {
        self.usage.is_some() || self.new_model(data, model).is_some()
    }

    fn new_model<'a>(&self, data: &[u8], model: Option<&'a [u8]>) -> Option<(Span, &'a [u8])> {
        let (span, model) = (self.model?, model?);
        (span.of(data) != model).then_some((span, model))
    }

    /// Writes the event with the new model and without the usage that was left in.
    pub(super) fn edit(&self, event: &sse::Event, model: Option<&[u8]>, outlet: &mut Outlet) {
        let Some(data) = event.data.as_deref() else { return outlet.keep(event) };
        let edits = self.edits(data, model);
        match event.data_at {
            Some(offset) => outlet.splice(event, offset, edits),
            None => outlet.rewrite(event, data, edits),
        }
    }

    /// What is put in the place of what, in order.
    pub(super) fn edits<'a>(
        &self,
        data: &[u8],
        model: Option<&'a [u8]>,
    ) -> impl Iterator<Item = (Span, &'a [u8])> + use<'a> {
        let mut edits: [Option<(Span, &'a [u8])>; 2] = [self.new_model(data, model), self.usage_cut()];
        edits.sort_by_key(|edit| edit.map(|(span, _)| span.start));
        edits.into_iter().flatten()
    }

    fn usage_cut(&self) -> Option<(Span, &'static [u8])> {
        let Member { key, value } = self.usage?;
        let cut = match (self.before_usage, self.after_usage) {
            (Some(before), _) => Span { start: before, end: value.end },
            (None, Some(after)) => Span { start: key.start, end: after },
            (None, None) => Span { start: key.start, end: value.end },
        };
        Some((cut, b""))
    }
}
