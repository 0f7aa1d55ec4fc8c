//! What goes wrong below HTTP, as faults.

use std::time::Duration;

use tokio::time::Instant;

use crate::vocabulary::{Fault, Kind};

/// Nothing reached the provider.
pub(super) fn connect() -> Fault {
    Fault::upstream(
        Kind::UpstreamConnect,
        "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.",
    )
}

/// An answer, or the wait for one, broke off.
pub(super) fn cut() -> Fault {
    Fault::upstream(Kind::UpstreamCut, "litellm.APIConnectionError: the provider's answer broke off before its end")
}

/// LiteLLM's words for an answer that did not come in time: how long it might take, and since when it was waited for.
pub(super) fn timeout(waited: Option<(Duration, Instant)>) -> Fault {
    let text = "litellm.Timeout: APITimeoutError - Request timed out. Error_str: Request timed out.";
    let times = waited.map_or_else(String::new, |(limit, began)| {
        let (limit, taken) = (limit.as_secs_f64(), began.elapsed().as_secs_f64());
        format!(" - timeout value={limit:?}, time taken={taken:.2} seconds")
    });
    Fault::upstream(Kind::UpstreamTimeout, format!("{text}{times}"))
}
