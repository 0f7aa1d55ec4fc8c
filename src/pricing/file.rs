//! Price files in LiteLLM's format: one JSON object of models, each an object of `..._cost_per_...` fields.
//!
//! A file is rewritten as a table of our own once and then searched like the built-in one. Numbers are read from their
//! text, so no digit is lost on the way.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::price::{self, Limits, Price};
use super::rate::{Meter, Rate, ServiceTier};
use super::{fields, names, table};
use crate::vocabulary::PicoUsd;

/// The largest price file that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// LiteLLM's file explains itself in an entry of this name.
const SAMPLE: &str = "sample_spec";
/// The provider whose thresholds belong to the dearer side.
const INCLUSIVE_THRESHOLDS: &str = "xai";

/// A price file that cannot be used, and the place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceFileError {
    at: String,
    problem: String,
}

impl PriceFileError {
    fn new(at: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { at: at.into(), problem: problem.to_string() }
    }

    /// The JSON path of the value at fault, or the file's path.
    pub fn place(&self) -> &str {
        &self.at
    }
}

impl fmt::Display for PriceFileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "price file: {}: {}", self.at, self.problem)
    }
}

impl std::error::Error for PriceFileError {}

type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Reads a price file into the form of the built-in table.
pub(super) fn read(path: &Path) -> Result<String, PriceFileError> {
    let fault = |problem: &dyn fmt::Display| PriceFileError::new(path.display().to_string(), problem);
    let mut text = String::new();
    let file = File::open(path).map_err(|error| fault(&error))?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| fault(&error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(fault(&"expected at most 64 MiB"));
    }
    to_table(&text)
}

/// Rewrites a price file's text in the form of the built-in table.
pub(super) fn to_table(json: &str) -> Result<String, PriceFileError> {
    let models: Object<'_> = serde_json::from_str(json)
        .map_err(|error| PriceFileError::new("$", format!("expected an object of models: {error}")))?;
    let mut rows = BTreeMap::new();
    // A name with its provider in front is the more specific one: it comes last and stays.
    let (specific, bare): (Vec<_>, Vec<_>) = models.iter().partition(|(model, _)| model.contains('/'));
    for (model, entry) in bare.into_iter().chain(specific).filter(|(model, _)| model.as_ref() != SAMPLE) {
        let entry = Entry::parse(model, entry)?;
        let price = entry.price()?;
        if price.is_known() {
            rows.insert(entry.key()?, price);
        }
    }
    print(&rows)
}

fn print(rows: &BTreeMap<String, Price>) -> Result<String, PriceFileError> {
    let mut text = String::new();
    for (key, price) in rows {
        table::print_row(&mut text, key, price).map_err(|error| PriceFileError::new("$", error))?;
    }
    Ok(text)
}

struct Entry<'a> {
    model: &'a str,
    fields: Object<'a>,
}

impl<'a> Entry<'a> {
    fn parse(model: &'a str, entry: &'a RawValue) -> Result<Self, PriceFileError> {
        let fields = serde_json::from_str(entry.get())
            .map_err(|_| PriceFileError::new(path(model, ""), format!("expected an object, found {}", shown(entry))))?;
        Ok(Self { model, fields })
    }

    fn key(&self) -> Result<String, PriceFileError> {
        if self.model.is_empty() || self.model.chars().any(char::is_control) {
            return Err(PriceFileError::new(path(self.model, ""), "expected a model name without control characters"));
        }
        let provider = self.text("litellm_provider").filter(|provider| !provider.contains(char::is_control));
        Ok(provider.map_or_else(
            || self.model.to_ascii_lowercase(),
            |provider| {
                let model = self.model.strip_prefix(provider.as_ref()).and_then(|model| model.strip_prefix('/'));
                names::key(&provider, model.unwrap_or(self.model))
            },
        ))
    }

    fn price(&self) -> Result<Price, PriceFileError> {
        let prices = self.prices(&self.fields, "")?;
        let rates = price::rates_of(prices.iter().map(|(name, each)| (*name, *each)));
        let most_out = self.count("max_output_tokens").or_else(|| self.count("max_tokens"));
        let limits = Limits { max_input_tokens: self.count("max_input_tokens"), max_output_tokens: most_out };
        let mode = self.text("mode").filter(|mode| !mode.contains(char::is_control)).map(Into::into);
        let rates = rates.into_iter().filter(|rate| self.sells(rate.meter)).chain(self.lookups()?);
        let rates = rates.map(|rate| self.at_its_threshold(rate)).chain(self.brackets()?);
        Ok(Price::new(rates, limits, mode))
    }

    /// A price of a picture means one that is seen where a model does not draw.
    fn sells(&self, meter: Meter) -> bool {
        !matches!(meter, Meter::Picture | Meter::Pixel)
            || self.text("mode").is_some_and(|mode| mode.starts_with("image_"))
    }

    /// What looking things up costs.
    fn lookups(&self) -> Result<Vec<Rate>, PriceFileError> {
        let maps = match self.fields.get(fields::MAPS).filter(|value| value.get() != "null") {
            Some(value) => {
                let each = money(value, || path(self.model, fields::MAPS))?;
                Some(Rate { meter: Meter::Maps, above: 0, tier: ServiceTier::Standard, each })
            }
            None => None,
        };
        Ok(self.search()?.into_iter().chain(maps).collect())
    }

    /// Google charges for the searches of older models once an answer, whatever their number.
    fn searches_by_answer(&self) -> bool {
        let provider = self.text("litellm_provider").unwrap_or_default();
        let google = provider == "gemini" || provider.starts_with("vertex_ai") && !provider.contains("anthropic");
        google && self.text(fields::SEARCHES_BY).as_deref() != Some("per_query")
    }

    /// The price of a search of the web that brings the usual context.
    fn search(&self) -> Result<Option<Rate>, PriceFileError> {
        let Some(list) = self.fields.get(fields::SEARCHES).filter(|list| list.get() != "null") else { return Ok(None) };
        let place = |name: &str| path(self.model, &format!("{}{name}", fields::SEARCHES));
        let sizes: Object<'_> = serde_json::from_str(list.get())
            .map_err(|_| PriceFileError::new(place(""), format!("expected an object, found {}", shown(list))))?;
        let Some(value) = sizes.get(fields::USUAL_SEARCH).filter(|value| value.get() != "null") else {
            return Ok(None);
        };
        let each = money(value, || place(&format!(".{}", fields::USUAL_SEARCH)))?;
        let meter = if self.searches_by_answer() { Meter::Grounding } else { Meter::Search };
        Ok(Some(Rate { meter, above: 0, tier: ServiceTier::Standard, each }))
    }

    /// One vendor charges the higher price from the threshold on, the others above it.
    fn at_its_threshold(&self, rate: Rate) -> Rate {
        let is_inclusive = self.text("litellm_provider").as_deref() == Some(INCLUSIVE_THRESHOLDS);
        Rate { above: rate.above.saturating_sub(u64::from(is_inclusive)), ..rate }
    }

    fn prices<'b>(&self, object: &'b Object<'_>, at: &str) -> Result<Vec<(&'b str, PicoUsd)>, PriceFileError> {
        let known = object.iter().filter(|(name, value)| fields::is_price_field(name) && value.get() != "null");
        known
            .map(|(name, value)| Ok((name.as_ref(), money(value, || path(self.model, &format!("{at}{name}")))?)))
            .collect()
    }

    /// `tiered_pricing`: a list of prices by prompt size. What a bracket leaves out costs what its input or output does.
    fn brackets(&self) -> Result<Vec<Rate>, PriceFileError> {
        let Some(list) = self.fields.get("tiered_pricing").filter(|list| list.get() != "null") else {
            return Ok(Vec::new());
        };
        let fault = |problem: String| PriceFileError::new(path(self.model, "tiered_pricing"), problem);
        let brackets: Vec<Object<'_>> =
            serde_json::from_str(list.get()).map_err(|error| fault(format!("expected a list of objects: {error}")))?;
        let priced = brackets.iter().filter(|bracket| bracket.contains_key("input_cost_per_token"));
        let listed = priced.filter_map(|bracket| Some((range_start(bracket.get("range")?)?, bracket)));
        let mut rates = Vec::new();
        for (above, bracket) in listed {
            let prices = self.prices(bracket, "tiered_pricing.")?;
            rates.extend(stand_ins(&prices, &brackets).chain(prices.iter().copied()).filter_map(|(name, each)| {
                let (meter, _, tier) = fields::parse(name)?;
                Some(Rate { meter, above, tier, each })
            }));
        }
        Ok(rates)
    }

    fn text(&self, field: &str) -> Option<Cow<'a, str>> {
        let raw: &'a RawValue = self.fields.get(field)?;
        serde_json::from_str::<Text<'a>>(raw.get()).ok().map(|text| text.0)
    }

    fn count(&self, field: &str) -> Option<u64> {
        let count = PicoUsd::parse(self.fields.get(field)?.get()).ok()?;
        u64::try_from(count.0.checked_div(PicoUsd::dollars(1).0)?).ok().filter(|count| *count > 0)
    }
}

/// A string that is borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What other brackets price and this one does not, at this one's input or output price.
fn stand_ins<'b>(
    prices: &'b [(&'b str, PicoUsd)],
    brackets: &'b [Object<'_>],
) -> impl Iterator<Item = (&'b str, PicoUsd)> {
    let named = brackets.iter().flat_map(|bracket| bracket.keys()).map(AsRef::as_ref);
    named.filter(|name| fields::is_price_field(name)).filter_map(|name| {
        let general = if name.starts_with("output") { "output_cost_per_token" } else { "input_cost_per_token" };
        prices.iter().find(|(known, _)| *known == general).map(|(_, each)| (name, *each))
    })
}

fn range_start(range: &RawValue) -> Option<u64> {
    let bounds: Vec<&RawValue> = serde_json::from_str(range.get()).ok()?;
    let start = PicoUsd::parse(bounds.first()?.get()).ok()?;
    u64::try_from(start.0.checked_div(PicoUsd::dollars(1).0)?).ok()
}

/// Reads a number, or a string that holds one, as LiteLLM does.
fn money(value: &RawValue, place: impl Fn() -> String) -> Result<PicoUsd, PriceFileError> {
    let text = value.get().trim_matches('"');
    let fault = |problem: &dyn fmt::Display| PriceFileError::new(place(), problem);
    let each = PicoUsd::parse(text)
        .map_err(|_| fault(&format!("expected dollars per unit like 2.5e-06, found {}", shown(value))))?;
    if each < PicoUsd::ZERO {
        return Err(fault(&format!("expected a price of zero or more, found {}", shown(value))));
    }
    Ok(each)
}

fn path(model: &str, field: &str) -> String {
    let model: String = model.chars().take(120).collect();
    if field.is_empty() { format!("$[{model:?}]") } else { format!("$[{model:?}].{field}") }
}

fn shown(value: &RawValue) -> String {
    value.get().chars().take(40).collect()
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
