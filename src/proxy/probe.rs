//! The traffic of checks that pay for an answer.

use std::sync::Arc;
use std::time::Duration;

use pingora::connectors::http::v1::Connector;
use tokio::time::timeout;

use super::gate::Gate;
use super::headers::Lookup;
use super::id::new_id;
use super::played::Begun;
use super::sending::Sending;
use super::{faults, race};
use crate::exchange::{Learned, Planned, Treatment, UpstreamHead, World, retry_after};
use crate::vocabulary::Fault;

impl Gate {
    /// Asks one deployment for a small answer. None: that is not to be paid for just now.
    pub(super) async fn probe(
        &self,
        world: &Arc<World>,
        deployment: usize,
        limit: Duration,
    ) -> Option<Result<Option<u16>, Fault>> {
        let now = || self.around().clock.now();
        let connector = self.racing(world)?;
        let mut probe = world.probe(deployment, new_id(now()), now())?;
        let began = tokio::time::Instant::now();
        let answered = match probe.attempt(now()) {
            Ok(outbound) => {
                let (sending, body) = Sending::of(outbound, world);
                let asked = async {
                    let begun = race::ask(self, world, &connector, &sending, body, None).await?;
                    self.read(probe.exchange(), &connector, begun).await
                };
                timeout(limit, asked).await.unwrap_or_else(|_| Err(faults::timeout(Some((limit, began)))))
            }
            Err(fault) => Err(fault),
        };
        let status = answered.as_ref().map_or(502, |status| *status);
        probe.close(answered.as_ref().err(), status, now());
        Some(answered.map(Some))
    }

    /// Reads the whole answer.
    async fn read(&self, exchange: &mut Planned, connector: &Arc<Connector>, begun: Begun) -> Result<u16, Fault> {
        let now = || self.around().clock.now();
        let Begun { head, first, mut source } = begun;
        let headers = Lookup::of(&head.headers);
        let text = |name: &str| headers.text(name);
        let status = head.status.as_u16();
        let said = UpstreamHead { status, content_type: text("content-type"), retry_after: retry_after(&text, now()) };
        exchange.learn(&Learned::read(&text, now()), now());
        if let Treatment::Failed(_, fault) = exchange.reply(&said, now(), 0) {
            return Err(fault);
        }
        // Nobody is there to pass it on to.
        let mut nobody = Vec::new();
        let mut next = first;
        while let Some(piece) = next {
            exchange.push(piece, &mut nobody)?;
            nobody.clear();
            next =
                source.session.read_body_bytes().await.map_err(|error| faults::cut().cause(error.etype().as_str()))?;
        }
        connector.release_http_session(source.session, &*source.peer, source.idle).await;
        let finished = exchange.finish_held(now(), 0).map_err(|(_, fault)| fault)?;
        finished.fault.map_or(Ok(status), Err)
    }
}
