//! The one error that crosses modules: who is at fault, what kind it is, what the client may read, what the operator should.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::ScopeKind;

/// Who is at fault. Blame, retry and metrics follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The caller: a bad request, key or limit.
    Client,
    /// The provider.
    Upstream,
    /// Tollgate itself.
    Ours,
}

/// What went wrong. Status and type are written from this in one place, `dialect::openai::error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No credential was sent.
    NoKey,
    /// The credential has the wrong form.
    MalformedKey,
    /// No such key.
    UnknownKey,
    /// The key's time is over.
    ExpiredKey,
    /// The key is blocked, or whom it belongs to.
    BlockedKey,
    /// An operator switched it off: the model, the caller, or what the request makes use of.
    SwitchedOff,
    /// The caller's address is not on the key's list.
    AddressNotAllowed,
    /// The key is not for such routes.
    RouteNotAllowed,
    /// Whoever calls is known and may not do this.
    Forbidden,
    /// The key may not use this model.
    ModelNotAllowed,
    /// The team, user, organization or customer may not use this model.
    ScopeModelNotAllowed(ScopeKind),
    /// This route needs the master key.
    NeedsMasterKey,
    /// No deployment serves this model.
    UnknownModel,
    /// The body is not what the API takes.
    BadRequest,
    /// The body is not JSON, or doubtful JSON.
    BadJson,
    /// The body is larger than the limit.
    TooLarge,
    /// The body's media type or encoding is not taken.
    UnsupportedMedia,
    /// No such path.
    NotFound,
    /// The path exists with another method.
    MethodNotAllowed,
    /// The framing of the request is doubtful.
    DoubtfulFraming,
    /// The client took too long to send its request.
    ClientTimeout,
    /// The client went away.
    ClientGone,
    /// A requests, tokens or parallel limit.
    RateLimited,
    /// A budget is spent.
    BudgetExceeded,
    /// The price of the model is not known, and the configuration says to refuse.
    PriceUnknown,
    /// The provider answered with this status.
    UpstreamStatus(u16),
    /// The provider could not be reached.
    UpstreamConnect,
    /// The provider took too long.
    UpstreamTimeout,
    /// The provider's answer could not be read.
    UpstreamMalformed,
    /// The provider's answer broke off.
    UpstreamCut,
    /// The gateway is stopping.
    ShuttingDown,
    /// The gateway cannot take more just now.
    Overloaded,
    /// A bug of ours.
    Internal,
}

/// What of a request the provider could not take, where another model may take it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Matter {
    /// Nothing of the kind.
    #[default]
    Other,
    /// It is longer than the model's context window.
    ContextWindow,
    /// The provider's content policy refuses it.
    ContentPolicy,
}

/// A failure with two texts that never mix: one for the client, one for the operator.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Who is at fault.
    pub origin: Origin,
    /// What kind of failure.
    pub kind: Kind,
    /// What the client may read. No credential, address or upstream text that was not scrubbed.
    pub public: Cow<'static, str>,
    /// What the operator should read; never sent.
    pub cause: Option<Box<str>>,
    /// The request's field at fault (OpenAI's `param`).
    pub param: Option<Cow<'static, str>>,
    /// When trying again can succeed.
    pub retry_after: Option<Duration>,
    /// What of the request was the matter.
    pub matter: Matter,
    /// The methods that the path takes instead.
    pub allow: Option<Box<str>>,
}

impl Fault {
    /// A failure of the caller's.
    pub fn client(kind: Kind, public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Origin::Client, kind, public.into())
    }

    /// A failure of the provider's.
    pub fn upstream(kind: Kind, public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Origin::Upstream, kind, public.into())
    }

    /// A failure of ours.
    pub fn ours(kind: Kind, public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Origin::Ours, kind, public.into())
    }

    fn new(origin: Origin, kind: Kind, public: Cow<'static, str>) -> Self {
        Self { origin, kind, public, cause: None, param: None, retry_after: None, matter: Matter::Other, allow: None }
    }

    /// Adds what the operator should know.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string().into());
        self
    }

    /// Names the field at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Says what of the request was the matter.
    #[must_use]
    pub fn about(mut self, matter: Matter) -> Self {
        self.matter = matter;
        self
    }

    /// Says which methods the path takes, with commas between them.
    #[must_use]
    pub fn allow(mut self, methods: impl Into<Box<str>>) -> Self {
        self.allow = Some(methods.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}/{:?}: {}", self.origin, self.kind, self.public)?;
        match &self.cause {
            Some(cause) => write!(out, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}
