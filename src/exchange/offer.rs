//! The most that deployments may answer, as the request is written for each, and what that costs.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Deployment;
use super::edit::is_output_cap;
use crate::dialect::openai::Request;
use crate::json;
use crate::pricing::{Demand, Price};
use crate::vocabulary::PicoUsd;

/// What a model may answer at most where nobody published it and nothing bounds it.
const COMPLETION_UNKNOWN: u64 = 4096;

/// What one deployment may answer.
struct Offer {
    price: Arc<Price>,
    /// How many answers it is asked for.
    choices: u64,
    /// The most tokens of each.
    each: u64,
}

/// What the deployments of a group may answer.
#[derive(Default)]
pub(super) struct Offers(SmallVec<[Offer; 4]>);

impl Offers {
    /// Adds what a deployment with a price may answer to a request.
    pub(super) fn add(&mut self, request: &Request, deployment: &Deployment, price: Arc<Price>) {
        let each = match request.endpoint {
            endpoint if !endpoint.writes() => 0,
            _ => bound(request, deployment).unwrap_or_else(|| {
                deployment.settings.max_output_tokens.or(price.limits.max_output_tokens).unwrap_or(COMPLETION_UNKNOWN)
            }),
        };
        self.0.push(Offer { price, choices: choices(request, deployment), each });
    }

    /// The most that any of them costs for a prompt.
    pub(super) fn worst_case(&self, demand: &Demand) -> PicoUsd {
        self.most(demand, |offer| offer.each)
    }

    /// The same with another bound on each answer.
    pub(super) fn worst_case_bounded(&self, demand: &Demand, bound: u64) -> PicoUsd {
        self.most(demand, |_| bound)
    }

    /// The largest bound on each answer that `left` pays for on all of them; None if not even one token can be paid.
    pub(super) fn affordable_bound(&self, demand: &Demand, left: PicoUsd) -> Option<u64> {
        let fits = |bound: u64| self.worst_case_bounded(demand, bound) <= left;
        let (mut low, mut high) = (0, self.0.iter().map(|offer| offer.each).max().unwrap_or(0));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        (low > 0 && fits(low)).then_some(low)
    }

    fn most(&self, demand: &Demand, each: impl Fn(&Offer) -> u64) -> PicoUsd {
        let cost = |offer: &Offer| {
            offer.price.worst_case(&Demand { completion: each(offer).saturating_mul(offer.choices), ..*demand })
        };
        self.0.iter().map(cost).max().unwrap_or(PicoUsd::ZERO)
    }
}

/// The bound on each answer that reaches the provider: the deployment's `extra_body` over the client's own, and its
/// defaults where the client set none. Of several the largest: nobody knows which one counts.
fn bound(request: &Request, deployment: &Deployment) -> Option<u64> {
    let settings = &deployment.settings;
    let insisted = settings.extra_body.iter().filter(|(name, _)| is_output_cap(name));
    let dropped = |name: &str| {
        settings.additional_drop_params.iter().chain(&request.wishes.dropped_params).any(|dropped| dropped == name)
    };
    let replaced = |name: &str| settings.extra_body.iter().any(|(insisted, _)| insisted == name);
    let own = request.output_caps.iter().filter(|cap| !dropped(cap.name) && !replaced(cap.name)).map(|cap| cap.tokens);
    let defaults = settings.defaults.iter().filter(|(name, _)| {
        is_output_cap(name)
            && request.output_caps.is_empty()
            && (dropped(name) || request.document.find(&request.body, name).is_none())
    });
    insisted.chain(defaults).filter_map(|(_, value)| json::as_u64(value.as_bytes())).chain(own).max()
}

/// How many answers reach the client: what it asked for, unless the deployment says otherwise.
fn choices(request: &Request, deployment: &Deployment) -> u64 {
    let settings = &deployment.settings;
    let of = |list: &[(String, String)]| {
        let counts = list.iter().filter(|(name, _)| matches!(name.as_str(), "n" | "best_of"));
        counts.filter_map(|(_, value)| json::as_u64(value.as_bytes())).max()
    };
    let configured = of(&settings.extra_body).max(of(&settings.defaults)).unwrap_or(1);
    request.choices.max(request.prompts.saturating_mul(configured))
}
