//! The price book: the built-in table, and an operator's price file before it.

use std::path::Path;

use super::file::{self, PriceFileError};
use super::price::Price;
use super::{fields, names, table};
use crate::vocabulary::PicoUsd;

/// Printed by `scripts/prices.py`; read in place, so it costs memory only where it is looked at.
const BUILTIN: &str = include_str!("../../conf/prices/table.tsv");

/// Knows what models cost. Lookups search text; make them when the configuration is loaded, not per request.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// A price file in the form of the built-in table.
    file: Option<Box<str>>,
}

impl Book {
    /// The prices Tollgate was built with. Costs nothing to make.
    pub const fn builtin() -> Self {
        Self { file: None }
    }

    /// The built-in prices behind those of a file in LiteLLM's format. What the file prices, it prices whole.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 64 MiB, is not such JSON, or holds a price that is none.
    pub fn with_file(path: &Path) -> Result<Self, PriceFileError> {
        Ok(Self { file: Some(file::read(path)?.into()) })
    }

    /// [`with_file`](Self::with_file), from the text of such a file.
    ///
    /// # Errors
    /// The text is not such JSON, or holds a price that is none.
    pub fn with_text(json: &str) -> Result<Self, PriceFileError> {
        Ok(Self { file: Some(file::to_table(json)?.into()) })
    }

    /// The published price of a provider's model: under its own provider, under the one its name brings along
    /// (`azure/gpt-4o`), or under its bare name. Nothing if nobody published one.
    pub fn find(&self, provider: &str, model: &str) -> Option<Price> {
        names::candidates(provider, model).iter().find_map(|key| self.row(key))
    }

    /// What a deployment costs: its own price fields, over the price of its `base_model`, else of its model.
    /// Nothing if none of them gives a price.
    pub fn price_of(
        &self,
        provider: &str,
        model: &str,
        base_model: Option<&str>,
        own: &[(String, PicoUsd)],
    ) -> Option<Price> {
        let published = base_model.and_then(|base| self.find(provider, base)).or_else(|| self.find(provider, model));
        if own.iter().any(|(name, _)| fields::is_price_field(name)) {
            return Some(Price::from_fields(own, published.as_ref()));
        }
        published
    }

    fn row(&self, key: &str) -> Option<Price> {
        let texts = self.file.as_deref().into_iter().chain([BUILTIN]);
        texts.into_iter().find_map(|text| table::find(text, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Meter, ServiceTier};

    fn input(price: Option<Price>) -> Option<i128> {
        price.map(|price| price.each(Meter::Input, 0, ServiceTier::Standard).0)
    }

    #[test]
    fn every_line_of_the_table_is_in_order_and_is_found_under_its_name() {
        let rows: Vec<_> = BUILTIN.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(rows.len() > 4000 && BUILTIN.len() < 512 * 1024, "{} rows, {} bytes", rows.len(), BUILTIN.len());
        assert!(BUILTIN.lines().map(|line| line.split('\t').next()).is_sorted_by(|a, b| a < b));
        for row in rows {
            let key = row.split('\t').next().unwrap();
            let (provider, model) = key.split_once('/').unwrap();
            let price = table::parse_row(row).unwrap_or_else(|| panic!("{row}"));
            assert!(price.is_known(), "{row}");
            assert_eq!(Book::builtin().find(provider, model), Some(price), "{row}");
        }
    }

    #[test]
    fn a_model_is_known_by_provider_by_prefix_and_by_bare_name() {
        let book = Book::builtin();
        for (provider, model) in [
            ("openai", "gpt-4o"),
            ("azure", "gpt-4o"),
            ("", "openai/gpt-4o"),
            ("", "gpt-4o"),
            ("hosted_vllm", "gpt-4o"),
        ] {
            assert_eq!(input(book.find(provider, model)), Some(2_500_000), "{provider} {model}");
        }
        assert!(book.find("openai", "no-such-model").is_none());
        assert!(book.find("", "").is_none() && book.find("openai", "").is_none() && book.find("openai", "*").is_none());
    }

    #[test]
    fn a_fine_tuned_model_costs_what_its_bases_fine_tunes_do() {
        let tuned = Book::builtin().find("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc123");
        assert_eq!(input(tuned), Some(300_000));
    }

    #[test]
    fn a_deployments_fields_go_before_its_base_model_before_its_model() {
        let book = Book::builtin();
        let own = [("input_cost_per_token".to_owned(), PicoUsd(7))];
        assert_eq!(input(book.price_of("azure", "gpt-4o", Some("azure/gpt-4o-mini"), &own)), Some(7));
        assert_eq!(input(book.price_of("azure", "gpt-4o", Some("azure/gpt-4o-mini"), &[])), Some(150_000));
        assert_eq!(input(book.price_of("azure", "gpt-4o", Some("nobody-knows"), &[])), Some(2_500_000));
        assert_eq!(input(book.price_of("azure", "my-deployment", None, &own)), Some(7));
        let foreign = [("ocr_cost_per_page".to_owned(), PicoUsd(7))];
        assert_eq!(input(book.price_of("azure", "my-deployment", None, &foreign)), None);
    }

    #[test]
    fn a_file_goes_before_the_table_and_leaves_the_rest() {
        let book = Book::with_text(
            r#"{"gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 1e-6},
                "house/model": {"input_cost_per_token": 2e-6}, "bare": {"input_cost_per_token": 3e-6}}"#,
        )
        .unwrap();
        assert_eq!(input(book.find("openai", "gpt-4o")), Some(1_000_000));
        assert_eq!(input(book.find("openai", "gpt-4o-mini")), Some(150_000));
        assert_eq!(input(book.find("house", "model")), Some(2_000_000));
        assert_eq!(input(book.find("openai", "bare")), Some(3_000_000));
    }
}
