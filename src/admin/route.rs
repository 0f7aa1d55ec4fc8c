//! A row of the table of routes, and how a request finds its row.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::actor::Needs;
use super::ask::Ask;
use super::query::{Param, unescape};
use super::reply::{Refusal, Reply};

/// The method of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Does.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Takes away.
    Delete,
}

impl Method {
    /// As it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What answers a route: a plain function that may wait for a disk.
pub type Handler = fn(&Ask<'_>) -> Result<Reply, Refusal>;
/// A type's schema, made when somebody asks for the OpenAPI document.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub enum Answers {
    /// A function of this module.
    Here(Handler),
    /// The way of calls (`exchange`), which looks at its own paths first: the row is for the documents and for `Needs`.
    Elsewhere,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for one segment.
    pub path: &'static str,
    /// Who may ask at all. What is asked about is checked by the handler.
    pub needs: Needs,
    /// One sentence without its full stop.
    pub summary: &'static str,
    /// Parameters in the query.
    pub query: &'static [Param],
    /// The body it takes.
    pub takes: Option<SchemaOf>,
    /// What it gives.
    pub gives: SchemaOf,
    /// The status of that.
    pub status: u16,
    /// Who answers.
    pub answers: Answers,
}

impl Route {
    const fn new(method: Method, path: &'static str, needs: Needs, summary: &'static str, answers: Answers) -> Self {
        Self { method, path, needs, summary, query: &[], takes: None, gives: anything, status: 200, answers }
    }

    /// A route that is read.
    pub const fn get(path: &'static str, needs: Needs, summary: &'static str, handler: Handler) -> Self {
        Self::new(Method::Get, path, needs, summary, Answers::Here(handler))
    }

    /// A route that does something.
    pub const fn post(path: &'static str, needs: Needs, summary: &'static str, handler: Handler) -> Self {
        Self::new(Method::Post, path, needs, summary, Answers::Here(handler))
    }

    /// A route with another method.
    pub const fn on(method: Method, path: &'static str, needs: Needs, summary: &'static str, handler: Handler) -> Self {
        Self::new(method, path, needs, summary, Answers::Here(handler))
    }

    /// A route that is read on the way of calls.
    pub const fn elsewhere(path: &'static str, needs: Needs, summary: &'static str) -> Self {
        Self::new(Method::Get, path, needs, summary, Answers::Elsewhere)
    }

    /// Says which parameters the query may have.
    #[must_use]
    pub const fn query(self, query: &'static [Param]) -> Self {
        Self { query, ..self }
    }

    /// Says of which type the body is.
    #[must_use]
    pub const fn takes<T: JsonSchema>(self) -> Self {
        Self { takes: Some(schema_of::<T>), ..self }
    }

    /// Says of which type the answer is.
    #[must_use]
    pub const fn gives<T: JsonSchema>(self) -> Self {
        Self { gives: schema_of::<T>, ..self }
    }

    /// Says with which status that comes.
    #[must_use]
    pub const fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The names in the path, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(name)
    }

    /// What the path's names stand for in a path, if it is this route's; None inside where a value is no text.
    fn matches(&self, path: &str) -> Option<Option<Vec<String>>> {
        let (mut own, mut theirs) = (self.path.split('/'), path.split('/'));
        let mut values = Some(Vec::new());
        loop {
            match (own.next(), theirs.next()) {
                (None, None) => return Some(values),
                (Some(pattern), Some(segment)) if name(pattern).is_some() => {
                    if segment.is_empty() {
                        return None;
                    }
                    match (unescape(segment), &mut values) {
                        (Some(value), Some(values)) => values.push(value),
                        _ => values = None,
                    }
                }
                (Some(pattern), Some(segment)) if pattern == segment => {}
                _ => return None,
            }
        }
    }
}

fn name(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn anything(_generator: &mut SchemaGenerator) -> Schema {
    Schema::default()
}

/// What a method and a path lead to.
#[derive(Debug)]
pub enum Found {
    /// A row, and what stands for the names in its path.
    Route(&'static Route, Vec<String>),
    /// The path is there with other methods.
    Method(String),
    /// The path is there, and what stands in it is no text.
    BadPath,
}

/// Finds the row for a request. A path with fixed segments goes before one with names; one trailing slash is overlooked.
pub fn find(table: &[&'static [Route]], method: &str, path: &str) -> Option<Found> {
    let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
    let rows = || table.iter().flat_map(|rows| rows.iter()).filter(|row| matches!(row.answers, Answers::Here(_)));
    let fits = rows().filter_map(|row| Some((row, row.matches(path)?)));
    let mut fits: Vec<_> = fits.collect();
    let fewest = fits.iter().map(|(row, _)| row.names().count()).min()?;
    fits.retain(|(row, _)| row.names().count() == fewest);
    let asked = if method == "HEAD" { "GET" } else { method };
    let allow = || {
        let mut methods: Vec<_> = fits.iter().map(|(row, _)| row.method).collect();
        methods.sort_unstable();
        methods.dedup();
        methods.into_iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    };
    let allow = allow();
    match fits.into_iter().find(|(row, _)| row.method.as_str() == asked) {
        Some((row, Some(values))) => Some(Found::Route(row, values)),
        Some((_, None)) => Some(Found::BadPath),
        None => Some(Found::Method(allow)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &Ask<'_>) -> Result<Reply, Refusal> {
        Reply::json("")
    }

    static TABLE: &[&[Route]] = &[&[
        Route::get("/key/{key}/info", Needs::AnyKey, "One", nothing),
        Route::post("/key/{key}/info", Needs::AnyKey, "Two", nothing),
        Route::get("/key/all/info", Needs::AnyKey, "Three", nothing),
        Route::elsewhere("/metrics", Needs::AnyKey, "Four"),
    ]];

    fn found(method: &str, path: &str) -> String {
        match find(TABLE, method, path) {
            Some(Found::Route(row, values)) => format!("{} {}", row.summary, values.join(",")),
            Some(Found::Method(allow)) => format!("allow {allow}"),
            Some(Found::BadPath) => "bad".to_owned(),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn a_request_finds_the_most_fixed_row() {
        assert_eq!(found("GET", "/key/a%2Fb/info"), "One a/b");
        assert_eq!(found("HEAD", "/key/a/info/"), "One a");
        assert_eq!(found("POST", "/key/a/info"), "Two a");
        assert_eq!(found("GET", "/key/all/info"), "Three ");
        assert_eq!(found("DELETE", "/key/a/info"), "allow GET, POST");
        assert_eq!(found("POST", "/key/all/info"), "allow GET");
        assert_eq!(found("GET", "/key/%zz/info"), "bad");
        for path in ["/key//info", "/key/a/info/x", "/key/a", "//key/a/info", "/KEY/a/info", "/metrics", "", "*"] {
            assert_eq!(found("GET", path), "none", "{path}");
        }
    }
}
