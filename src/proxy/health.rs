//! Checks of deployments beside the requests: in the background, or because `/health` was asked.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::ALPN;
use tokio::task::JoinSet;

use super::gate::Gate;
use super::{peer, roots};
use crate::exchange::{Check, HealthQuery, Unsigned, World};
use crate::vocabulary::{Fault, Kind};

/// Checks at the same time.
const AT_ONCE: usize = 16;
/// How often is looked whether checks are due.
const LOOK: Duration = Duration::from_secs(1);

impl Gate {
    /// Checks the deployments as often as configured; never returns. [`super::serve`] does so by itself, a server of
    /// somebody else's runs it in the background.
    pub async fn check_health(self: Arc<Self>) {
        let clock = &self.around().clock;
        let mut last = None;
        loop {
            let world = self.world();
            let every = world.settings.health_check_interval;
            if let Some(every) = every
                && last.is_none_or(|last| clock.now().since(last) >= every)
            {
                last = Some(clock.now());
                self.check_all(&world, world.checks(), true).await;
            }
            tokio::time::sleep(every.map_or(LOOK, |every| every.min(LOOK))).await;
        }
    }

    /// Makes the checks that are due because somebody asks, one asker after the other.
    pub(super) async fn check_asked(self: &Arc<Self>, world: &Arc<World>, query: &HealthQuery) {
        let _turn = self.checking.lock().await;
        self.check_all(world, world.checks_asked(query, self.around().clock.now()), false).await;
    }

    async fn check_all(self: &Arc<Self>, world: &Arc<World>, checks: Vec<Check>, judged: bool) {
        if checks.is_empty() {
            return;
        }
        let connector = match roots::connector(world, |options| Connector::new(Some(options))) {
            Ok(connector) => Arc::new(connector),
            Err(error) => return log::warn!("health checks: {error}"),
        };
        let mut due = checks.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE
                && let Some(check) = due.next()
            {
                let (gate, world, connector) = (self.clone(), world.clone(), connector.clone());
                running.spawn(async move {
                    if check.pays
                        && let Some(found) = Box::pin(gate.probe(&world, check.deployment, check.timeout)).await
                    {
                        // The exchange counted it already.
                        return world.checked(&check, found, false, gate.around().clock.now());
                    }
                    let found = tokio::time::timeout(check.timeout, ask(&check, &gate, &world, &connector)).await;
                    let late = || Fault::upstream(Kind::UpstreamTimeout, "no answer in time");
                    let found = found.unwrap_or_else(|_| Err(late()));
                    world.checked(&check, found, judged, gate.around().clock.now());
                });
            }
            if running.join_next().await.is_none() {
                return;
            }
        }
    }
}

/// Asks for the list of models and reads no more than its status; where there is none, connects.
async fn ask(check: &Check, gate: &Gate, world: &World, connector: &Connector) -> Result<Option<u16>, Fault> {
    let unreached = |cause: &dyn std::fmt::Display| {
        Fault::upstream(Kind::UpstreamConnect, "the provider cannot be reached").cause(cause)
    };
    let deployment = &world.deployments[check.deployment];
    let target = &deployment.target;
    let address = gate.resolver.address(&target.host, target.port).await.map_err(|error| unreached(&error))?;
    let mut peer = peer::peer(deployment, &world.settings, address, check.timeout);
    if deployment.settings.http2.is_none() {
        peer.options.alpn = ALPN::H1;
    }
    let (mut session, _) = connector.get_http_session(&*peer).await.map_err(|error| unreached(&error))?;
    let Some(path) = &check.path else { return Ok(None) };
    let mut head = http::Request::new(()).into_parts().0;
    (head.method, head.uri) = (Method::GET, path.clone());
    head.headers = deployment.headers.clone();
    head.headers.remove(http::header::CONTENT_TYPE);
    if let Some(auth) = &deployment.auth {
        gate.credentials.ready(auth, &deployment.settings.id, gate, world).await?;
        let path = path.path_and_query().map_or("/", |path| path.as_str());
        let authority = target.authority.to_str().unwrap_or_default();
        let unsigned = Unsigned { method: &head.method, authority, path, body: &[] };
        auth.sign(&unsigned, &mut head.headers, gate.around().clock.now())?;
    }
    session.write_request_header(Box::new(RequestHeader::from(head))).await.map_err(|error| unreached(&error))?;
    session.finish_request_body().await.map_err(|error| unreached(&error))?;
    session.read_response_header().await.map_err(|error| unreached(&error))?;
    Ok(session.response_header().map(|head| head.status.as_u16()))
}
