//! `tollgate key`, `tollgate team` and `tollgate block`: the management API from a command line.

mod block;
mod key;
mod print;
mod team;

use std::io::{self, Write};

use bytes::Bytes;
use clap::Args;
use http::Method;
use serde::Deserialize;

pub use block::BlockArguments;
pub use key::KeyArguments;
pub use team::TeamArguments;

use crate::proxy;
use crate::vocabulary::Secret;
use print::{Columns, Form};

/// What is managed.
#[derive(Debug)]
pub enum Managed<'a> {
    /// Keys.
    Keys(&'a KeyArguments),
    /// Teams.
    Teams(&'a TeamArguments),
    /// What is switched off.
    Blocks(&'a BlockArguments),
}

/// Asks a gateway, and prints its answer.
///
/// # Errors
/// It cannot be asked, or refuses; or nothing can be printed.
pub fn run(managed: &Managed<'_>, out: &mut dyn Write) -> io::Result<()> {
    match managed {
        Managed::Keys(arguments) => key::run(arguments, out),
        Managed::Teams(arguments) => team::run(arguments, out),
        Managed::Blocks(arguments) => block::run(arguments, out),
    }
}

/// Which gateway is asked, with which key, and how its answer is printed.
#[derive(Args, Debug)]
pub struct Remote {
    /// The gateway, or its admin port.
    #[arg(long, env = "TOLLGATE_URL", default_value = "http://127.0.0.1:4000", global = true)]
    url: String,
    /// The key to ask with: the master key, or one of a user whose role allows it. LITELLM_MASTER_KEY without it.
    #[arg(long, env = "TOLLGATE_KEY", hide_env_values = true, global = true)]
    key: Option<String>,
    /// Print the answer's JSON.
    #[arg(long, conflicts_with = "csv", global = true)]
    json: bool,
    /// Print CSV.
    #[arg(long, global = true)]
    csv: bool,
}

/// What is asked, and which columns of the answer are shown.
struct Question {
    method: Method,
    path: String,
    body: String,
    columns: Columns,
}

impl Question {
    fn get(path: impl Into<String>, columns: Columns) -> Self {
        Self { method: Method::GET, path: path.into(), body: String::new(), columns }
    }

    fn post(path: impl Into<String>, body: String, columns: Columns) -> Self {
        Self { method: Method::POST, path: path.into(), body, columns }
    }
}

impl Remote {
    /// Asks, and prints the answer.
    fn run(&self, question: &Question, out: &mut dyn Write) -> io::Result<()> {
        let url = format!("{}{}", self.url.trim_end_matches('/'), question.path);
        let key = self.key.clone().or_else(|| std::env::var("LITELLM_MASTER_KEY").ok()).unwrap_or_default();
        let body = Bytes::from(question.body.clone());
        let (status, answer) = proxy::ask(&url, &question.method, &Secret::new(key), body)?;
        let text = String::from_utf8(answer.to_vec()).map_err(io::Error::other)?;
        if status >= 400 {
            return Err(io::Error::other(format!("{url}: {status}: {}", reason(&text))));
        }
        let form = match (self.json, self.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        };
        print::answer(&text, &question.columns, form, out)
    }
}

#[derive(Deserialize)]
struct Refused {
    error: Option<Words>,
    detail: Option<Box<serde_json::value::RawValue>>,
}

#[derive(Deserialize)]
struct Words {
    message: String,
}

/// Why a request was refused, in the gateway's words, on one line.
fn reason(text: &str) -> String {
    let said = match serde_json::from_str::<Refused>(text) {
        Ok(Refused { error: Some(words), .. }) => words.message,
        Ok(Refused { detail: Some(detail), .. }) => detail.get().to_owned(),
        _ => text.to_owned(),
    };
    print::line(&said, 600)
}

/// Members of a body that were given, each as JSON.
#[derive(Default)]
struct Members(std::collections::BTreeMap<String, Box<serde_json::value::RawValue>>);

impl Members {
    /// Puts one, if it was given.
    fn put<T: serde::Serialize>(&mut self, name: &str, value: &Option<T>) -> io::Result<()> {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), serde_json::value::to_raw_value(value).map_err(io::Error::other)?);
        }
        Ok(())
    }

    /// Puts what was given as `name=value`: JSON, or a text where it is none.
    fn set(&mut self, pairs: &[String]) -> io::Result<()> {
        for pair in pairs {
            let expected = || io::Error::other(format!("--set: expected NAME=VALUE, found {pair:?}"));
            let (name, value) = pair.split_once('=').ok_or_else(expected)?;
            let json = serde_json::value::RawValue::from_string(value.to_owned());
            let json = json.or_else(|_| serde_json::value::to_raw_value(value)).map_err(io::Error::other)?;
            self.0.insert(name.to_owned(), json);
        }
        Ok(())
    }

    fn body(&self) -> io::Result<String> {
        serde_json::to_string(&self.0).map_err(io::Error::other)
    }
}

/// A value of a query, or a segment of a path.
fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let escape = |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect()
}

/// A query of what was given.
fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let given = pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped((*value)?))));
    given.collect::<Vec<_>>().join("&")
}

/// Budgets and limits that keys and teams share.
#[derive(Args, Debug)]
struct Limits {
    /// Models that may be named, with commas between them.
    #[arg(long, value_delimiter = ',')]
    models: Option<Vec<String>>,
    /// Dollars that may be spent in a window.
    #[arg(long)]
    max_budget: Option<f64>,
    /// The window: 1d, 7d, 1mo.
    #[arg(long)]
    budget_duration: Option<String>,
    /// Requests a minute.
    #[arg(long = "rpm")]
    rpm_limit: Option<u64>,
    /// Tokens a minute.
    #[arg(long = "tpm")]
    tpm_limit: Option<u64>,
    /// Open requests.
    #[arg(long = "parallel")]
    max_parallel_requests: Option<u64>,
    /// Any other field of the API: name=value, the value in JSON or a text.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    more: Vec<String>,
}

impl Limits {
    fn put(&self, members: &mut Members) -> io::Result<()> {
        members.put("models", &self.models)?;
        members.put("max_budget", &self.max_budget)?;
        members.put("budget_duration", &self.budget_duration)?;
        members.put("rpm_limit", &self.rpm_limit)?;
        members.put("tpm_limit", &self.tpm_limit)?;
        members.put("max_parallel_requests", &self.max_parallel_requests)?;
        members.set(&self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_said_and_nothing_else() {
        let mut members = Members::default();
        members.put("a", &Some("x")).unwrap();
        members.put("b", &None::<u64>).unwrap();
        members.set(&["c=[1]".to_owned(), "d=plain words".to_owned()]).unwrap();
        assert_eq!(members.body().unwrap(), r#"{"a":"x","c":[1],"d":"plain words"}"#);
        assert!(members.set(&["nothing".to_owned()]).is_err());
        assert_eq!(query(&[("a", Some("x&y")), ("b", None), ("c", Some("z"))]), "a=x%26y&c=z");
        assert_eq!(reason(r#"{"error":{"message":"no\u001b"}}"#), "no?");
        assert_eq!(reason(r#"{"detail":"Not Found"}"#), "\"Not Found\"");
    }
}
