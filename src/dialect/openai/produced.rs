//! What a model wrote, kept for counting tokens where the provider reports none.

/// The most text that is kept, in bytes.
pub const PRODUCED_SAMPLE_BYTES_MAX: usize = 64 * 1024;

/// Text of a reply: content, reasoning, refusals and tool arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Produced {
    /// The beginning of it, up to [`PRODUCED_SAMPLE_BYTES_MAX`].
    pub sample: String,
    /// The bytes of all of it.
    pub bytes: u64,
}
