//! Writes answers.

use bytes::{Bytes, BytesMut};

use crate::chat::{Answer, Delta, Encoder, Sink};
use crate::vocabulary::Usage;

pub(super) fn encoder(_answer: Answer, _stream: bool) -> Box<dyn Encoder> {
    Box::new(Nothing(BytesMut::new()))
}

struct Nothing(BytesMut);

impl Sink for Nothing {
    fn delta(&mut self, _choice: u32, _delta: Delta<'_>) {}
}

impl Encoder for Nothing {
    fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }

    fn end(&mut self, _usage: Option<&Usage>) {}
}
