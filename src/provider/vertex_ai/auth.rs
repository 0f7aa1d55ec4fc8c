//! Tokens: fetched before the first request, renewed before they end.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::provider::auth::{Auth, Fetch, Fetched, Unsigned, Want};
use crate::vocabulary::{Fault, Kind, Now, Secret};

use super::credentials::{External, Source, Subject};
use super::token::SCOPE;

/// The machine's own token.
const METADATA: &str = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token";
/// How long before its end a token is renewed, in milliseconds.
const RENEW_MS: u64 = 5 * 60 * 1000;
/// How long before its end a token is not used any more, in milliseconds: a request takes its time to arrive.
const MARGIN_MS: u64 = 10 * 1000;
/// How long a token holds whose end is not told, in seconds.
const USUAL_SECONDS: u64 = 3600;

/// The tokens of one credential.
pub(super) struct Tokens {
    source: Source,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    // What is at hand of the next token, where that takes several fetches.
    step: Step,
}

#[derive(Clone)]
struct Token {
    bearer: Secret,
    ends_ms: u64,
}

#[derive(Clone, Default)]
enum Step {
    #[default]
    First,
    /// Another's token is here: it shall be exchanged.
    Subject(Secret),
    /// The exchange gave a token: it shall be exchanged for the service account's.
    Federated(Secret),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(rename = "access_token", alias = "accessToken")]
    access_token: Option<String>,
    #[serde(rename = "expires_in")]
    expires_in: Option<u64>,
    expire_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Nested { error: Nested },
    Flat { error: String, error_description: Option<String> },
}

#[derive(Deserialize)]
struct Nested {
    message: Option<String>,
    status: Option<String>,
}

#[derive(Serialize)]
struct Scoped {
    scope: [&'static str; 1],
    lifetime: &'static str,
}

impl Tokens {
    pub(super) fn new(source: Source) -> Self {
        Self { source, state: Mutex::default() }
    }

    fn fetch(&self, step: &Step, now: Now) -> Option<Fetch> {
        match &self.source {
            Source::ServiceAccount(signer) => {
                let assertion = signer.claim(now.wall_ms / 1000)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                Some(post(&signer.token_uri, &[("grant_type", grant), ("assertion", &assertion)]))
            }
            Source::User { token_uri, client_id, client_secret, refresh_token, .. } => Some(post(
                token_uri,
                &[
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id.expose()),
                    ("client_secret", client_secret.expose()),
                    ("refresh_token", refresh_token.expose()),
                ],
            )),
            Source::External(external) => external.fetch(step),
            Source::Metadata => Some(Fetch::Http {
                method: Method::GET,
                url: METADATA.to_owned(),
                headers: vec![(HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google"))],
                body: bytes::Bytes::new(),
            }),
        }
    }

    /// What follows on an answer: another step, or the token.
    fn next(&self, step: &Step, body: &[u8], now: Now) -> Option<Result<Step, Token>> {
        let Source::External(external) = &self.source else { return Some(Err(token(body, now)?)) };
        Some(match step {
            Step::First => Ok(Step::Subject(external.subject(body)?)),
            Step::Subject(_) if external.impersonate.is_some() => Ok(Step::Federated(token(body, now)?.bearer)),
            Step::Subject(_) | Step::Federated(_) => Err(token(body, now)?),
        })
    }
}

impl External {
    fn fetch(&self, step: &Step) -> Option<Fetch> {
        match (step, &self.subject) {
            (Step::First, Subject::File(path)) => Some(Fetch::File(path.clone())),
            (Step::First, Subject::Url { url, headers }) => Some(Fetch::Http {
                method: Method::GET,
                url: url.clone(),
                headers: headers.clone(),
                body: bytes::Bytes::new(),
            }),
            (Step::Subject(subject), _) => Some(post(
                &self.token_url,
                &[
                    ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                    ("audience", &self.audience),
                    ("scope", SCOPE),
                    ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                    ("subject_token_type", &self.subject_type),
                    ("subject_token", subject.expose()),
                ],
            )),
            (Step::Federated(federated), _) => {
                let body = serde_json::to_vec(&Scoped { scope: [SCOPE], lifetime: "3600s" }).ok()?;
                Some(Fetch::Http {
                    method: Method::POST,
                    url: self.impersonate.clone()?,
                    headers: vec![
                        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                        (AUTHORIZATION, bearer(federated)?),
                    ],
                    body: body.into(),
                })
            }
        }
    }

    /// The other's token in what was fetched.
    fn subject(&self, body: &[u8]) -> Option<Secret> {
        let text = std::str::from_utf8(body).ok()?.trim();
        let token = match &self.field {
            None => text.to_owned(),
            Some(field) => {
                let object: std::collections::BTreeMap<String, crate::chat::Raw<'_>> =
                    serde_json::from_str(text).ok()?;
                serde_json::from_str(object.get(field)?.get()).ok()?
            }
        };
        Some(Secret::new(token)).filter(|token| !token.expose().is_empty())
    }
}

/// A form that is posted.
fn post(url: &str, fields: &[(&str, &str)]) -> Fetch {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", crate::provider::path_segment(value))).collect();
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    Fetch::Http {
        method: Method::POST,
        url: url.to_owned(),
        headers: vec![(CONTENT_TYPE, form)],
        body: fields.join("&").into(),
    }
}

fn bearer(token: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

const fn millis(now: Now) -> u64 {
    now.mono_ns / 1_000_000
}

fn token(body: &[u8], now: Now) -> Option<Token> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let bearer = Secret::new(answer.access_token.filter(|token| !token.is_empty())?);
    let told = answer.expire_time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let left = told.and_then(|end| u64::try_from(end.as_second().saturating_sub(now.wall_ms / 1000)).ok());
    let seconds = answer.expires_in.or(left).unwrap_or(USUAL_SECONDS);
    let ends_ms = millis(now).saturating_add(seconds.saturating_mul(1000));
    Some(Token { bearer, ends_ms })
}

/// What the answer says went wrong. Nothing else of it: it may repeat the credential.
fn reason(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(Said::Flat { error, error_description }) => format!("{error}: {}", error_description.unwrap_or_default()),
        Ok(Said::Nested { error }) => {
            format!("{}: {}", error.status.unwrap_or_default(), error.message.unwrap_or_default())
        }
        Err(_) => "it gave no reason".to_owned(),
    }
}

fn refused(cause: String) -> Fault {
    Fault::upstream(Kind::UpstreamConnect, "The gateway has no valid credential for Vertex AI just now.").cause(cause)
}

impl Auth for Tokens {
    fn want(&self, now: Now) -> Option<Want> {
        let state = self.state.lock();
        let ends_ms = state.token.as_ref().map_or(0, |token| token.ends_ms);
        if millis(now).saturating_add(RENEW_MS) < ends_ms {
            return None;
        }
        let urgent = millis(now).saturating_add(MARGIN_MS) >= ends_ms;
        let step = state.step.clone();
        drop(state);
        self.fetch(&step, now).map(|fetch| Want { fetch, urgent })
    }

    fn take(&self, fetched: &Fetched<'_>, now: Now) -> Result<(), Fault> {
        let mut state = self.state.lock();
        if !(200..300).contains(&fetched.status) {
            // From the beginning: what was at hand may be what is refused.
            state.step = Step::First;
            let what = match fetched.status {
                0 => "nobody answered".to_owned(),
                status => format!("status {status}, {}", reason(fetched.body)),
            };
            return Err(refused(format!("the token was not given: {what}")));
        }
        match self.next(&state.step, fetched.body, now) {
            Some(Ok(step)) => state.step = step,
            Some(Err(token)) => *state = State { token: Some(token), step: Step::First },
            None => {
                state.step = Step::First;
                return Err(refused("the token's answer is not one".to_owned()));
            }
        }
        Ok(())
    }

    fn sign(&self, _request: &Unsigned<'_>, headers: &mut HeaderMap, now: Now) -> Result<(), Fault> {
        let token = self.state.lock().token.clone();
        let token = token.filter(|token| millis(now) < token.ends_ms);
        let value = token.and_then(|token| bearer(&token.bearer));
        headers.insert(AUTHORIZATION, value.ok_or_else(|| refused("no token was fetched".to_owned()))?);
        if let Source::User { quota_project: Some(project), .. } = &self.source
            && let Ok(project) = HeaderValue::from_str(project)
        {
            headers.insert(HeaderName::from_static("x-goog-user-project"), project);
        }
        Ok(())
    }
}
