//! The head of a request as the mock reads it, whatever the protocol.

use super::knobs::{BadKnob, Knobs};

/// What a header of the mock's begins with.
const KNOB_PREFIX: &str = "x-mock-";

/// What is asked for, by method and the end of the path: any prefix will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Chat,
    Completions,
    Embeddings,
    Models,
    Health,
    Requests,
    Stats,
    /// The path exists with another method.
    WrongMethod,
    Unknown,
}

/// A request before its body.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) route: Route,
    /// The deployment in an Azure path; such a path also makes the answer look like Azure's.
    pub(super) deployment: Option<String>,
    pub(super) knobs: Knobs,
    pub(super) bad_knob: Option<BadKnob>,
    /// The value of the header that carries the caller's key.
    pub(super) credential: Option<String>,
}

impl Request {
    /// A request with the knobs as the command line left them.
    pub(super) fn new(method: &str, target: &str, knobs: &Knobs) -> Self {
        let path = target.split_once('?').map_or(target, |(path, _query)| path);
        Self {
            route: Route::of(method, path),
            deployment: deployment(path),
            knobs: knobs.clone(),
            bad_knob: None,
            credential: None,
        }
    }

    /// Notes a header if it is one of the mock's, or the caller's credential.
    pub(super) fn header(&mut self, name: &str, value: &[u8]) {
        match name.len() {
            7 if name.eq_ignore_ascii_case("api-key") => self.credential(value),
            13 if name.eq_ignore_ascii_case("authorization") => self.credential(value),
            8.. if is_knob(name) => self.turn(&name[KNOB_PREFIX.len()..], value),
            _ => {}
        }
    }

    fn credential(&mut self, value: &[u8]) {
        self.credential = Some(String::from_utf8_lossy(value).into_owned());
    }

    fn turn(&mut self, name: &str, value: &[u8]) {
        let value = String::from_utf8_lossy(value);
        if let Err(bad) = self.knobs.set(&name.to_ascii_lowercase(), value.trim()) {
            self.bad_knob.get_or_insert(bad);
        }
    }
}

impl Route {
    /// Whether a provider would not know it.
    pub(super) fn is_about_mock(self) -> bool {
        matches!(self, Self::Requests | Self::Stats | Self::Health)
    }

    fn of(method: &str, path: &str) -> Self {
        let path = path.trim_end_matches('/');
        let found = [
            ("POST", "/chat/completions", Self::Chat),
            ("POST", "/completions", Self::Completions),
            ("POST", "/embeddings", Self::Embeddings),
            ("GET", "/models", Self::Models),
            ("GET", "/mock/requests", Self::Requests),
            ("GET", "/mock/stats", Self::Stats),
            ("GET", "/health", Self::Health),
        ]
        .into_iter()
        .find(|(_, end, _)| path.ends_with(end));
        match found {
            Some((wanted, _, route)) if wanted == method => route,
            Some(_) => Self::WrongMethod,
            None => Self::Unknown,
        }
    }
}

fn is_knob(name: &str) -> bool {
    let prefix = name.as_bytes().get(..KNOB_PREFIX.len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(KNOB_PREFIX.as_bytes()))
}

fn deployment(path: &str) -> Option<String> {
    let (_, behind) = path.split_once("/openai/deployments/")?;
    Some(behind.split('/').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_prefix_leads_to_the_route() {
        for (method, target, route) in [
            ("POST", "/v1/chat/completions", Route::Chat),
            ("POST", "/chat/completions?api-version=2024", Route::Chat),
            ("POST", "/v1/completions/", Route::Completions),
            ("POST", "/a/b/embeddings", Route::Embeddings),
            ("GET", "/v1/models", Route::Models),
            ("GET", "/mock/stats", Route::Stats),
            ("GET", "/v1/chat/completions", Route::WrongMethod),
            ("POST", "/v1/responses", Route::Unknown),
        ] {
            assert_eq!(Request::new(method, target, &Knobs::default()).route, route, "{method} {target}");
        }
    }

    #[test]
    fn an_azure_path_names_its_deployment() {
        let target = "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21";
        let request = Request::new("POST", target, &Knobs::default());
        assert_eq!((request.route, request.deployment.as_deref()), (Route::Chat, Some("my-gpt")));
    }

    #[test]
    fn headers_turn_knobs_in_any_case() {
        let mut request = Request::new("POST", "/", &Knobs::default());
        request.header("X-Mock-Latency-MS", b" 12 ");
        request.header("x-mock-nonsense", b"1");
        request.header("Api-Key", b"k");
        assert_eq!(request.knobs.latency_ms, 12);
        assert!(request.bad_knob.is_some());
        assert_eq!(request.credential.as_deref(), Some("k"));
    }
}
