//! A forced tool that stands for a JSON schema: its arguments are the answer's text.

use super::{Delta, Finish, Sink};

/// The name of the tool that a provider without structured output is given in place of a schema.
pub const SCHEMA_TOOL: &str = "json_tool_call";

/// Turns calls of [`SCHEMA_TOOL`] into text on their way to a sink.
pub struct Unwrap<'s> {
    sink: &'s mut dyn Sink,
    state: &'s mut Unwrapped,
}

/// What is remembered between chunks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapped {
    // The index of the call that is text.
    call: Option<u32>,
    // Other calls were seen: the answer ends with calls.
    others: bool,
}

impl<'s> Unwrap<'s> {
    /// In front of a sink, with what was remembered of the chunks before.
    pub fn new(sink: &'s mut dyn Sink, state: &'s mut Unwrapped) -> Self {
        Self { sink, state }
    }
}

impl Sink for Unwrap<'_> {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        let delta = match delta {
            Delta::ToolCall { index, name: SCHEMA_TOOL, .. } => {
                self.state.call = Some(index);
                return;
            }
            Delta::ToolCall { .. } => {
                self.state.others = true;
                delta
            }
            Delta::Arguments { index, json } if self.state.call == Some(index) => Delta::Text(json),
            Delta::Finish(Finish::ToolCalls) if self.state.call.is_some() && !self.state.others => {
                Delta::Finish(Finish::Stop)
            }
            other => other,
        };
        self.sink.delta(choice, delta);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Sink for Seen {
        fn delta(&mut self, _choice: u32, delta: Delta<'_>) {
            self.0.push(format!("{delta:?}"));
        }
    }

    #[test]
    fn the_tools_arguments_are_the_text() {
        let (mut seen, mut state) = (Seen::default(), Unwrapped::default());
        let mut unwrap = Unwrap::new(&mut seen, &mut state);
        unwrap.delta(0, Delta::ToolCall { index: 0, id: "a", name: SCHEMA_TOOL, signature: None });
        unwrap.delta(0, Delta::Arguments { index: 0, json: "{}" });
        unwrap.delta(0, Delta::Finish(Finish::ToolCalls));
        assert_eq!(seen.0, [r#"Text("{}")"#, "Finish(Stop)"]);
    }
}
