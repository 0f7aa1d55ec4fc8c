//! Prices: the committed table is what its script prints, a price file in LiteLLM's format says the same, and every
//! recorded usage has a cost below what its request could cost at most.
//!
//! Reads public price catalogues and recordings beside the repository; where they are missing, says so and passes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may stop, and says what it skipped")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tollgate::pricing::{Book, Demand, Media, Price, ServiceTier, prompt};
use tollgate::vocabulary::Usage;

const TABLE: &str = include_str!("../conf/prices/table.tsv");
const CATALOGUE: &str = "prices/litellm.model_prices_and_context_window.json";

fn wire(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wire").join(part);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED: {} is missing", path.display());
    None
}

#[test]
fn the_committed_table_is_what_the_script_prints() {
    let Some(catalogues) = wire("prices") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/prices.py");
    let Ok(printed) = Command::new("python3").arg(script).arg(catalogues).output() else {
        println!("SKIPPED: python3 is missing");
        return;
    };
    assert!(printed.status.success(), "{}", String::from_utf8(printed.stderr).unwrap());
    let printed = String::from_utf8(printed.stdout).unwrap();
    let differing = printed.lines().zip(TABLE.lines()).find(|(printed, committed)| printed != committed);
    assert_eq!(differing, None, "print conf/prices/table.tsv again");
    assert_eq!(printed.len(), TABLE.len());
}

#[test]
fn a_price_file_and_the_table_made_from_it_agree_on_every_rate() {
    #[derive(Deserialize)]
    struct Entry {
        litellm_provider: Option<String>,
    }
    let Some(path) = wire(CATALOGUE) else { return };
    let entries: BTreeMap<String, Entry> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let (builtin, file) = (Book::builtin(), Book::with_file(&path).unwrap());
    let mut agreeing = 0;
    for (model, entry) in &entries {
        let Some(provider) = entry.litellm_provider.as_deref() else { continue };
        let Some(expected) = builtin.find(provider, model) else { continue };
        let found = file.find(provider, model).unwrap();
        assert_eq!(by_meter(&found), by_meter(&expected), "{provider} {model}");
        agreeing += 1;
    }
    assert!(agreeing > 3000, "{agreeing}");
}

fn by_meter(price: &Price) -> Vec<String> {
    let mut rates: Vec<_> = price.rates().iter().map(|rate| format!("{rate:?}")).collect();
    rates.sort();
    rates
}

#[derive(Deserialize)]
struct Recording {
    id: String,
    provider: String,
    api: String,
    model: Option<String>,
    request: Option<Message>,
    response: Message,
}

#[derive(Deserialize)]
struct Message {
    body: Option<String>,
}

#[derive(Deserialize)]
struct Reply {
    usage: Option<Reported>,
    choices: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl Reported {
    fn usage(&self) -> Usage {
        Usage {
            prompt: self.prompt_tokens,
            completion: self.completion_tokens,
            cache_read: self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens).unwrap_or(0),
            reasoning: self
                .completion_tokens_details
                .as_ref()
                .and_then(|details| details.reasoning_tokens)
                .unwrap_or(0),
            ..Usage::default()
        }
    }
}

/// The last usage of a JSON answer or of a stream's events.
fn last_usage(body: &str) -> Option<Usage> {
    let events = body.lines().filter_map(|line| line.strip_prefix("data:"));
    let texts = std::iter::once(body).chain(events);
    let replies = texts.filter_map(|text| serde_json::from_str::<Reply>(text.trim()).ok());
    replies
        .filter(|reply| reply.choices.is_some())
        .filter_map(|reply| reply.usage)
        .map(|usage| usage.usage())
        .next_back()
}

fn recordings() -> Vec<Recording> {
    let Some(root) = wire("dev") else { return Vec::new() };
    let folders = std::fs::read_dir(root).unwrap().map(|folder| folder.unwrap().path());
    let files = folders.filter(|path| path.is_dir()).flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let parsed = texts.filter_map(|text| serde_json::from_str::<Recording>(&text).ok());
    parsed.filter(|recording| recording.api == "openai.chat").collect()
}

#[test]
fn every_recorded_usage_costs_at_most_what_its_request_could() {
    let (mut priced, mut unpriced) = (0, 0);
    for recording in recordings() {
        let Some(usage) = recording.response.body.as_deref().and_then(last_usage) else { continue };
        let model = recording.model.as_deref().unwrap_or_default();
        let Some(price) = Book::builtin().find(&recording.provider, model) else {
            unpriced += 1;
            continue;
        };
        let cost = price.cost(&usage, ServiceTier::Standard);
        let demand = Demand { media: Media::Mixed, ..Demand::text(usage.prompt, usage.completion) };
        assert!(cost.total <= price.worst_case(&demand), "{}", recording.id);
        assert_eq!(cost.total, cost.input.plus(cost.output), "{}", recording.id);
        priced += 1;
    }
    println!("{priced} recorded usages priced, {unpriced} of models without a price");
}

#[test]
fn estimates_are_near_what_openai_counts() {
    let mut ratios = Vec::new();
    for recording in recordings().iter().filter(|recording| matches!(recording.provider.as_str(), "openai" | "azure")) {
        let body =
            recording.request.as_ref().and_then(|request| request.body.as_deref()).filter(|body| !body.is_empty());
        let usage = recording.response.body.as_deref().and_then(last_usage);
        let (Some(body), Some(usage)) = (body, usage.filter(|usage| usage.prompt > 0)) else { continue };
        let estimate = prompt::estimate_prompt(recording.model.as_deref().unwrap_or_default(), body.as_bytes());
        let has_media = body.contains("image_url") || body.contains("\"file\"");
        // One recording's answer belongs to another request: it calls tools that were not offered.
        let is_mismatched = recording.response.body.as_deref().is_some_and(|reply| reply.contains("\"tool_calls\""))
            && !body.contains("\"tools\"");
        if !has_media && !is_mismatched {
            let bound = prompt::bound_prompt(body.len() as u64);
            assert!(estimate.max(usage.prompt) <= bound, "{}: {estimate}, {}, {bound}", recording.id, usage.prompt);
        }
        ratios.push(estimate as f64 / usage.prompt as f64);
    }
    ratios.sort_by(f64::total_cmp);
    let Some(median) = ratios.get(ratios.len() / 2) else { return };
    println!(
        "{} requests, estimate / reported: {:?}",
        ratios.len(),
        [0.1, 0.5, 0.9].map(|part| ratios[(ratios.len() as f64 * part) as usize])
    );
    assert!((0.8..=1.25).contains(median), "{median}");
}
