//! Which endpoint a request is for. The only place that looks at a path.

/// The calls that go to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Chat completions.
    ChatCompletions,
    /// Completions.
    Completions,
    /// Embeddings.
    Embeddings,
}

/// What a method and a path ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A call to a model, with the model that the path names, if it does.
    Call {
        /// Which call.
        endpoint: Endpoint,
        /// The model in the path, percent-decoded.
        model: Option<String>,
    },
    /// The list of models.
    Models,
    /// One model.
    Model(String),
    /// Whether the process lives.
    Liveness,
    /// Whether it takes requests.
    Readiness,
    /// Prometheus metrics.
    Metrics,
    /// The root: a word of welcome.
    Root,
    /// The path exists, with these methods.
    MethodNotAllowed {
        /// For the `Allow` header.
        allow: &'static str,
    },
    /// No such path.
    NotFound,
}

/// Reads method and path (a query may follow; it is ignored).
pub fn route(_method: &str, _path: &str) -> Route {
    Route::NotFound
}
