//! Counts tokens with the tokenizers OpenAI publishes, for what a provider did not count.
//!
//! Other vendors' tokenizers are not public or not the same; their texts are counted with the nearest of ours, and the
//! result is marked as estimated by whoever uses it. Counting takes time linear in the text whatever the text is, and
//! only the first [`EXACT_BYTES_MAX`] bytes are really counted.
//!
//! A tokenizer is made when it is first needed, once per process and encoding; see [`warm`] for what that costs.

use bpe_openai::Tokenizer;

/// How much text is tokenized exactly; the rest is taken to have the same number of bytes per token.
pub const EXACT_BYTES_MAX: usize = 256 * 1024;

/// What the rest is counted by when nothing was tokenized: about what English text has.
const BYTES_PER_TOKEN: u64 = 4;

/// Models of the older encoding, by how their names begin. Everything newer, and everyone else's, uses the newer one.
const OLDER: [&str; 8] =
    ["gpt-3.5", "gpt-35", "gpt-4-", "gpt-4_", "text-embedding-", "davinci-002", "babbage-002", "ft:gpt-3.5"];

/// Tokens in a text, as the model's vendor would count them or nearly so.
pub fn count(model: &str, text: &str) -> u64 {
    let mut tally = Tally::new(model);
    tally.text(text);
    tally.tokens()
}

/// Makes the tokenizer for a model ready, so that no request waits for it. Call it from a thread that may block.
///
/// Each of the two encodings stays in memory for good once made: about 30 MiB for `cl100k` and 70 MiB for `o200k`, as
/// resident memory grows. A process that never counts has neither.
pub fn warm(model: &str) {
    count(model, "warm");
}

/// Counts over many pieces of text under one bound.
pub(super) struct Tally {
    tokenizer: fn() -> &'static Tokenizer,
    exact_bytes: usize,
    exact_tokens: u64,
    skipped_bytes: u64,
    flat_tokens: u64,
}

impl Tally {
    pub(super) fn new(model: &str) -> Self {
        Self { tokenizer: tokenizer_of(model), exact_bytes: 0, exact_tokens: 0, skipped_bytes: 0, flat_tokens: 0 }
    }

    /// Counts a piece of text, or as much of it as the bound leaves.
    pub(super) fn text(&mut self, text: &str) {
        let room = EXACT_BYTES_MAX.saturating_sub(self.exact_bytes);
        let (counted, skipped) = text.split_at(char_boundary_before(text, room));
        if !counted.is_empty() {
            self.exact_tokens = self.exact_tokens.saturating_add((self.tokenizer)().count(counted) as u64);
            self.exact_bytes += counted.len();
        }
        self.skipped_bytes = self.skipped_bytes.saturating_add(skipped.len() as u64);
    }

    /// Adds tokens that no text stands for.
    pub(super) fn flat(&mut self, tokens: u64) {
        self.flat_tokens = self.flat_tokens.saturating_add(tokens);
    }

    /// All tokens so far, what was skipped extrapolated and rounded up.
    pub(super) fn tokens(&self) -> u64 {
        let skipped = match self.exact_bytes as u64 {
            0 => self.skipped_bytes.div_ceil(BYTES_PER_TOKEN),
            bytes => {
                let scaled = u128::from(self.skipped_bytes) * u128::from(self.exact_tokens);
                u64::try_from(scaled.div_ceil(u128::from(bytes))).unwrap_or(u64::MAX)
            }
        };
        self.exact_tokens.saturating_add(skipped).saturating_add(self.flat_tokens)
    }
}

/// The last place at or before `at` where a text may be split.
fn char_boundary_before(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn tokenizer_of(model: &str) -> fn() -> &'static Tokenizer {
    let bare = model.rsplit('/').next().unwrap_or(model);
    let is_older = bare == "gpt-4" || OLDER.iter().any(|prefix| bare.starts_with(prefix));
    if is_older { bpe_openai::cl100k_base } else { bpe_openai::o200k_base }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_have_the_published_counts() {
        // Counts as tiktoken gives them.
        for (model, text, tokens) in [
            ("gpt-4o", "", 0),
            ("gpt-4o", "hello world", 2),
            ("gpt-4", "hello world", 2),
            ("gpt-3.5-turbo", "tiktoken is great!", 6),
            ("azure/gpt-4", "antidisestablishmentarianism", 6),
            ("openai/gpt-4o", "お誕生日おめでとう", 8),
            ("gpt-4-turbo", "お誕生日おめでとう", 9),
        ] {
            assert_eq!(count(model, text), tokens, "{model} {text}");
        }
    }

    #[test]
    fn the_encoding_follows_the_model() {
        let name = |model| {
            if std::ptr::fn_addr_eq(tokenizer_of(model), bpe_openai::cl100k_base as fn() -> &'static Tokenizer) {
                "cl100k"
            } else {
                "o200k"
            }
        };
        for model in ["gpt-4", "gpt-4-0613", "azure/gpt-35-turbo", "text-embedding-3-small", "openai/gpt-3.5-turbo"] {
            assert_eq!(name(model), "cl100k", "{model}");
        }
        for model in ["gpt-4o", "gpt-4.1-mini", "gpt-5", "o3", "claude-sonnet-4-5", "", "x/"] {
            assert_eq!(name(model), "o200k", "{model}");
        }
    }

    #[test]
    fn a_long_text_is_extrapolated_from_its_beginning() {
        let line = "The quick brown fox jumps over the lazy dog.\n";
        let (short, long) = (line.repeat(1000), line.repeat(40_000));
        let (short, long) = (count("gpt-4o", &short), count("gpt-4o", &long));
        assert!(long.abs_diff(short * 40) * 1000 < long, "{short} {long}");
    }

    #[test]
    fn a_mebibyte_of_anything_takes_a_bounded_time() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from_u32((random >> 40) as u32 % 0x11_0000).unwrap_or(' ')
        };
        let noise: String = (0..300_000).map(|_| next()).collect();
        let texts = [
            "a".repeat(1 << 20),
            " ".repeat(1 << 20),
            "\n ".repeat(1 << 19),
            "aA".repeat(1 << 19),
            "文".repeat(1 << 18),
            "👨‍👩‍👧".repeat(1 << 16),
            "\u{0}".repeat(1 << 20),
            noise,
        ];
        warm("gpt-4o");
        warm("gpt-4");
        for text in &texts {
            for model in ["gpt-4o", "gpt-4"] {
                let clock = crate::vocabulary::Clock::machine();
                let start = clock.now();
                let tokens = count(model, text);
                let took = clock.now().since(start);
                println!("{model}: {} bytes, {tokens} tokens, {took:?}", text.len());
                assert!(tokens > 0 && tokens <= text.len() as u64);
                assert!(took.as_secs() < 5, "{took:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn a_token_is_at_least_one_byte(text in "\\PC{0,200}") {
            let tokens = count("gpt-4o", &text);
            proptest::prop_assert!(tokens <= text.len() as u64);
            proptest::prop_assert_eq!(tokens == 0, text.is_empty());
        }
    }
}
