//! The table of routes: every path of the management API stands here, and no other is served.

use super::route::{self, Found, Route};
use super::{
    about, access_groups, audit, block, budgets, credentials, customers, keys, models, operate, organizations,
    providers, spend, stored_models, tags, teams, unified_groups, users,
};

/// The rows, one list per subject. A new subject is one more list.
static TABLE: &[&[Route]] = &[
    keys::ROUTES,
    teams::ROUTES,
    users::ROUTES,
    spend::ROUTES,
    models::ROUTES,
    customers::ROUTES,
    budgets::ROUTES,
    organizations::ROUTES,
    tags::ROUTES,
    access_groups::ROUTES,
    unified_groups::ROUTES,
    providers::ROUTES,
    stored_models::ROUTES,
    credentials::ROUTES,
    audit::ROUTES,
    block::ROUTES,
    operate::ROUTES,
    about::ROUTES,
    about::ELSEWHERE,
];

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Route> {
    TABLE.iter().flat_map(|rows| rows.iter())
}

/// The row for a request.
pub fn find(method: &str, path: &str) -> Option<Found> {
    route::find(TABLE, method, path)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::admin::route::Answers;
    use crate::dialect;

    #[test]
    fn every_row_is_there_once_and_is_no_call() {
        let mut seen = HashSet::new();
        for route in all() {
            assert!(seen.insert((route.method, route.path)), "{} {} twice", route.method.as_str(), route.path);
            assert!(!route.summary.is_empty() && !route.summary.ends_with('.'), "{}", route.path);
            let path = route.path.replace(['{', '}'], "");
            let call = dialect::route(route.method.as_str(), &path, None);
            let here = matches!(route.answers, Answers::Here(_));
            assert_eq!(call == dialect::Route::NotFound, here, "{}: {call:?}", route.path);
        }
    }
}
