//! What a usage costs: a book of prices, exact arithmetic over them, and token counts where no usage is reported.
//!
//! A [`Book`] answers for a provider's model with a [`Price`]; the price turns a usage into a [`Cost`] and a request
//! into the most it can cost. Prices are looked up when the configuration is loaded, costs are computed per request.
//! [`tokens`] and [`prompt`] count what a provider did not.

mod adjustment;
mod book;
mod cost;
mod fields;
mod file;
mod names;
mod price;
pub mod prompt;
mod rate;
pub mod sound;
mod table;
pub mod tokens;

pub use adjustment::Adjustment;
pub use book::Book;
pub use cost::{Cost, Demand, Media};
pub use fields::is_price_field;
pub use file::PriceFileError;
pub use price::{Limits, Price};
pub use rate::{Meter, Rate, ServiceTier};
