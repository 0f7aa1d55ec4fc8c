//! Gets keys step by step, keeps them, and renews them before they end.

use parking_lot::Mutex;

use super::plan::{Plan, Role, Source, Token};
use super::profile::{self, Base};
use super::sigv4::{self, Keys, Request, Scope};
use super::sts;
use crate::provider::{Auth, Fetch, Fetched, Unsigned, Want};
use crate::vocabulary::{Fault, Kind, Now, Secret};

const SERVICE: &str = "bedrock";
/// Keys are renewed this long before they end.
const AHEAD_MS: i64 = 5 * 60 * 1000;
/// Keys that end this soon do not sign any more: a request takes its time to arrive.
const LAST_MS: i64 = 15 * 1000;
/// The wait after a renewal that failed.
const AGAIN_NS: u64 = 30 * 1_000_000_000;

/// The keys of a deployment.
#[derive(Debug)]
pub(super) struct Chain {
    plan: Plan,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Option<Keys>,
    /// Which of the plan's sources is tried.
    at: usize,
    /// It, or what a profile refers to.
    source: Source,
    step: Step,
    /// Roles to assume once its keys are here, the last one first.
    roles: Vec<Role>,
    /// Why the sources before had none.
    absent: Vec<String>,
    /// No renewal before this moment.
    quiet_until_ns: u64,
}

/// What comes next of a source.
#[derive(Clone, Debug)]
enum Step {
    Begin,
    /// The credentials file was read.
    Config {
        credentials: Secret,
    },
    /// The token was read from its file.
    WithToken(Secret),
    /// The machine gave a token; its role's name is next.
    InstanceRole(Secret),
    InstanceKeys {
        token: Secret,
        role: String,
    },
    Assume {
        role: Role,
        keys: Keys,
    },
}

/// What an answer comes to.
enum Outcome {
    Next(Step),
    /// Go on with what a profile refers to.
    Turn(Source, Vec<Role>),
    Keys(Keys, Vec<Role>),
    /// The source has none, or is not there.
    Absent(String),
}

impl Chain {
    pub(super) fn new(plan: Plan) -> Self {
        let state = State {
            keys: None,
            at: 0,
            source: plan.sources.first().unwrap_or(&plan.instance).clone(),
            step: Step::Begin,
            roles: Vec::new(),
            absent: Vec::new(),
            quiet_until_ns: 0,
        };
        let chain = Self { plan, state: Mutex::new(state) };
        chain.restart(&mut chain.state.lock());
        chain
    }

    /// Begins with the first source.
    fn restart(&self, state: &mut State) {
        state.absent.clear();
        self.enter(state, 0);
    }

    /// Goes to a source; keys that are at hand need no fetching.
    fn enter(&self, state: &mut State, at: usize) {
        state.at = at;
        state.source = self.plan.sources.get(at).unwrap_or(&self.plan.instance).clone();
        state.roles = self.plan.role.iter().cloned().collect();
        state.step = Step::Begin;
        if let Source::Keys(keys) = &state.source {
            let keys = keys.clone();
            self.keys(state, keys);
        }
    }

    /// Takes keys: as they are, or to assume the next role with.
    fn keys(&self, state: &mut State, keys: Keys) {
        match state.roles.pop() {
            Some(role) => state.step = Step::Assume { role, keys },
            None => {
                let ends = keys.ends_ms.is_some();
                state.keys = Some(keys);
                state.absent.clear();
                if ends {
                    self.restart_for_renewal(state);
                }
            }
        }
    }

    /// So that the next [`Auth::want`] begins from the start, without an end of the keys that were just taken.
    fn restart_for_renewal(&self, state: &mut State) {
        let kept = state.keys.take();
        self.restart(state);
        // Keys at hand that shadow those with an end cannot be: they would have been taken at once.
        state.keys = kept.or_else(|| state.keys.take());
    }

    fn fetch(&self, state: &State, now: Now) -> Result<Fetch, Fault> {
        let plan = &self.plan;
        match (&state.step, &state.source) {
            (Step::Assume { role, keys }, _) => sts::assume(&plan.sts, &plan.region, role, keys, now.wall_ms),
            (Step::Config { .. }, _) => Ok(Fetch::File(plan.config_file.clone())),
            (Step::WithToken(token), Source::WebIdentity { role, .. })
            | (Step::Begin, Source::WebIdentity { token: Token::Here(token), role }) => {
                Ok(sts::web_identity(&plan.sts, role, token.expose()))
            }
            (
                Step::Begin,
                Source::WebIdentity { token: Token::File(path), .. }
                | Source::Container { token: Some(Token::File(path)), .. },
            ) => Ok(Fetch::File(path.clone())),
            (Step::WithToken(token), Source::Container { url, .. })
            | (Step::Begin, Source::Container { url, token: Some(Token::Here(token)) }) => {
                sts::container(url, Some(token.expose()))
            }
            (Step::Begin, Source::Container { url, token: None }) => sts::container(url, None),
            (Step::InstanceRole(token), Source::Instance { endpoint }) => sts::instance(endpoint, token.expose(), ""),
            (Step::InstanceKeys { token, role }, Source::Instance { endpoint }) => {
                sts::instance(endpoint, token.expose(), role)
            }
            (Step::Begin, Source::Instance { endpoint }) => Ok(sts::instance_token(endpoint)),
            _ => Ok(Fetch::File(plan.credentials_file.clone())),
        }
    }

    fn outcome(&self, state: &State, fetched: &Fetched<'_>) -> Result<Outcome, Fault> {
        let is_ok = fetched.status == 200;
        let absent = |what: &str| Ok(Outcome::Absent(format!("{what}: status {}", fetched.status)));
        let text = || {
            std::str::from_utf8(fetched.body)
                .map(|text| Secret::new(text.trim()))
                .map_err(|_| refused("a token that is not text"))
        };
        match (&state.step, &state.source) {
            (Step::Assume { role, .. }, _) => {
                assumed(role, fetched).map(|keys| Outcome::Keys(keys, state.roles.clone()))
            }
            (Step::Begin, Source::Profile(_)) => {
                let file = if is_ok { String::from_utf8_lossy(fetched.body).into_owned() } else { String::new() };
                Ok(Outcome::Next(Step::Config { credentials: Secret::new(file) }))
            }
            (Step::Config { credentials }, Source::Profile(name)) => {
                let config = if is_ok { String::from_utf8_lossy(fetched.body) } else { "".into() };
                self.profile(state, name, credentials.expose(), &config)
            }
            (
                Step::Begin,
                Source::WebIdentity { token: Token::File(_), .. }
                | Source::Container { token: Some(Token::File(_)), .. },
            ) => {
                if is_ok {
                    Ok(Outcome::Next(Step::WithToken(text()?)))
                } else {
                    absent("the token's file")
                }
            }
            (_, Source::WebIdentity { role, .. }) => {
                assumed(role, fetched).map(|keys| Outcome::Keys(keys, state.roles.clone()))
            }
            (_, Source::Container { .. }) if !is_ok => absent("the container's endpoint"),
            (_, Source::Container { .. }) => json_keys(state, fetched),
            (_, Source::Instance { .. }) if !is_ok => absent("the machine's metadata"),
            (Step::Begin, Source::Instance { .. }) => Ok(Outcome::Next(Step::InstanceRole(text()?))),
            (Step::InstanceRole(token), Source::Instance { .. }) => {
                let role = text()?.expose().lines().next().unwrap_or_default().to_owned();
                Ok(Outcome::Next(Step::InstanceKeys { token: token.clone(), role }))
            }
            (_, Source::Instance { .. }) => json_keys(state, fetched),
            (_, Source::Profile(_) | Source::Keys(_)) => Err(refused("an answer that nobody asked for")),
        }
    }

    fn profile(&self, state: &State, name: &str, credentials: &str, config: &str) -> Result<Outcome, Fault> {
        let Some(resolved) = profile::resolve(name, credentials, config).map_err(|why| refused(&why))? else {
            return Ok(Outcome::Absent(format!("no profile {name:?}")));
        };
        let mut roles = state.roles.clone();
        roles.extend(resolved.roles);
        let source = match resolved.base {
            Base::Keys(keys) => return Ok(Outcome::Keys(keys, roles)),
            Base::WebIdentity { file, role } => Source::WebIdentity { token: Token::File(file.into()), role },
            Base::Elsewhere(source) => match source.as_str() {
                "Environment" => {
                    Source::Keys(self.plan.environment.clone().ok_or_else(|| refused("no keys in the environment"))?)
                }
                "EcsContainer" => {
                    self.plan.container.clone().ok_or_else(|| refused("no container's endpoint in the environment"))?
                }
                "Ec2InstanceMetadata" => self.plan.instance.clone(),
                other => return Err(refused(&format!("profile {name:?}: unknown credential_source {other:?}"))),
            },
        };
        Ok(Outcome::Turn(source, roles))
    }

    /// Goes on after an answer.
    fn advance(&self, state: &mut State, outcome: Outcome) -> Result<(), Fault> {
        match outcome {
            Outcome::Next(step) => state.step = step,
            Outcome::Turn(source, roles) => {
                state.roles = roles;
                state.step = Step::Begin;
                if let Source::Keys(keys) = &source {
                    let keys = keys.clone();
                    self.keys(state, keys);
                }
                state.source = source;
            }
            Outcome::Keys(keys, roles) => {
                state.roles = roles;
                self.keys(state, keys);
            }
            Outcome::Absent(why) => {
                state.absent.push(why);
                if state.at + 1 >= self.plan.sources.len() {
                    return Err(refused(&format!("no AWS credentials: {}", state.absent.join("; "))));
                }
                self.enter(state, state.at + 1);
            }
        }
        Ok(())
    }
}

impl Auth for Chain {
    fn want(&self, now: Now) -> Option<Want> {
        let mut state = self.state.lock();
        let urgent = match &state.keys {
            None => true,
            Some(Keys { ends_ms: None, .. }) => return None,
            Some(Keys { ends_ms: Some(ends), .. }) if ends.saturating_sub(now.wall_ms) > AHEAD_MS => return None,
            Some(Keys { ends_ms: Some(ends), .. }) => ends.saturating_sub(now.wall_ms) <= LAST_MS,
        };
        if !urgent && now.mono_ns < state.quiet_until_ns {
            return None;
        }
        match self.fetch(&state, now) {
            Ok(fetch) => Some(Want { fetch, urgent }),
            // A token that cannot be sent: from the start, where its file may have changed.
            Err(_) => {
                self.restart_for_renewal(&mut state);
                state.quiet_until_ns = now.mono_ns.saturating_add(AGAIN_NS);
                self.fetch(&state, now).ok().map(|fetch| Want { fetch, urgent })
            }
        }
    }

    fn take(&self, fetched: &Fetched<'_>, now: Now) -> Result<(), Fault> {
        let mut state = self.state.lock();
        let outcome = self.outcome(&state, fetched);
        let taken = outcome.and_then(|outcome| match outcome {
            Outcome::Keys(Keys { ends_ms: Some(ends), .. }, _) if ends <= now.wall_ms => {
                Err(refused("credentials that have ended already"))
            }
            outcome => self.advance(&mut state, outcome),
        });
        if taken.is_err() {
            state.quiet_until_ns = now.mono_ns.saturating_add(AGAIN_NS);
            self.restart_for_renewal(&mut state);
        }
        taken
    }

    fn sign(&self, request: &Unsigned<'_>, headers: &mut http::HeaderMap, now: Now) -> Result<(), Fault> {
        // Secrets are shared, not copied.
        let keys = self.state.lock().keys.clone().ok_or_else(|| refused("no AWS credentials yet"))?;
        let Unsigned { method, authority, path, body } = *request;
        let scope = Scope { region: &self.plan.region, service: SERVICE };
        sigv4::sign(&Request { method, authority, path, body }, headers, &keys, scope, now.wall_ms)
    }
}

fn assumed(role: &Role, fetched: &Fetched<'_>) -> Result<Keys, Fault> {
    let keys = sts::keys_of_xml(fetched.body).filter(|_| fetched.status == 200);
    keys.ok_or_else(|| {
        let said = sts::refusal_of_xml(fetched.body).unwrap_or_else(|| "no answer that can be read".to_owned());
        refused(&format!("{} cannot be assumed: status {}: {said}", role.arn, fetched.status))
    })
}

fn json_keys(state: &State, fetched: &Fetched<'_>) -> Result<Outcome, Fault> {
    let keys = sts::keys_of_json(fetched.body).ok_or_else(|| refused("credentials that cannot be read"))?;
    Ok(Outcome::Keys(keys, state.roles.clone()))
}

fn refused(cause: &str) -> Fault {
    Fault::ours(Kind::Internal, "the provider's credentials are not available").cause(cause)
}

#[cfg(test)]
mod tests;
