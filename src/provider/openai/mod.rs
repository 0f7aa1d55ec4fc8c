//! OpenAI chat completions as vendors speak it, for clients that speak something else.

use bytes::Bytes;

use super::{Ask, Call, ChatApi, Target, Written};
use crate::chat::{Broken, Chat, DecodeEnd, Decoder, Sink};
use crate::dialect::Endpoint;
use crate::vocabulary::{Fault, Metered};

/// OpenAI chat completions at any vendor that has them.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiChat;

/// The API of OpenAI and of every vendor with its form.
pub static CHAT: OpenAiChat = OpenAiChat;

pub(super) static AZURE: OpenAiChat = OpenAiChat;

impl ChatApi for OpenAiChat {
    fn supported(&self, _model: &str) -> &'static [&'static str] {
        &[]
    }

    fn write(&self, _chat: &Chat<'_>, _ask: &Ask<'_>) -> Result<Written, Fault> {
        Ok(Written::default())
    }

    fn path(&self, target: &Target, _model: &str, _stream: bool) -> String {
        format!("{}{}{}", target.base_path, Endpoint::ChatCompletions.path(), target.query)
    }

    fn decoder(&self, _event_bytes_max: usize) -> Box<dyn Decoder> {
        Box::new(Nothing)
    }

    fn read(&self, _body: &[u8], _sink: &mut dyn Sink) -> Result<Metered, Broken> {
        Ok(Metered::Absent)
    }
}

struct Nothing;

impl Decoder for Nothing {
    fn push(&mut self, _chunk: Bytes, _sink: &mut dyn Sink) -> Result<(), Broken> {
        Ok(())
    }

    fn finish(&mut self, _sink: &mut dyn Sink) -> Result<DecodeEnd, Broken> {
        Ok(DecodeEnd::Truncated)
    }

    fn metered(&self) -> Metered {
        Metered::Absent
    }
}

const _: fn(Call<'_>) = |_| ();
