//! The gateway as a filter in somebody else's Pingora server, beside a service of their own.
//!
//! ```sh
//! cargo run --example embed                 # or: ... embed ADDRESS_OF_THE_GATEWAY ADDRESS_OF_THE_OTHER
//! curl http://127.0.0.1:4001/
//! curl http://127.0.0.1:4000/v1/chat/completions -H 'Authorization: Bearer sk-tollgate-quickstart-0001' \
//!   -H 'Content-Type: application/json' -d '{"model": "mock", "messages": [{"role": "user", "content": "Hello"}]}'
//! ```

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use http::Response;
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use pingora::server::{Server, ShutdownWatch};
use pingora::services::background::{BackgroundService, background_service};
use pingora::services::listening::Service;
use tollgate::cli::{Served, environment};
use tollgate::config::{self, Purpose, QUICKSTART};
use tollgate::exchange::Surroundings;
use tollgate::ledger::Memory;
use tollgate::proxy::{Gate, Gateway};
use tollgate::telemetry::{LogTo, Options, SERIES_MAX, Telemetry};
use tollgate::vocabulary::Clock;

/// What was there before.
struct Theirs;

#[async_trait]
impl ServeHttp for Theirs {
    async fn response(&self, _session: &mut ServerSession) -> Response<Vec<u8>> {
        let body = b"This service was here first.\n".to_vec();
        let length = body.len();
        let mut response = Response::new(body);
        response.headers_mut().insert("content-length", length.into());
        response
    }
}

/// Looks the providers' names up again from time to time.
struct Names(Arc<Gate>);

#[async_trait]
impl BackgroundService for Names {
    async fn start(&self, _shutdown: ShutdownWatch) {
        self.0.refresh_names().await;
    }
}

/// A configuration at work. Keep the gate: `gate.replace(settings)` is a reload.
fn gate() -> Result<Arc<Gate>, Box<dyn Error>> {
    let surroundings = config::Surroundings { env: &environment, providers: &Served, purpose: Purpose::QuickStart };
    let (settings, report) = config::load_text("conf/quickstart.yaml", QUICKSTART, &surroundings);
    let settings = settings.ok_or_else(|| format!("{:?}", report.findings))?;
    let clock = Clock::machine();
    let log = Options { log: LogTo::StderrJson, series_max: SERIES_MAX, started_ms: clock.now().wall_ms };
    Ok(Gate::new(settings, Surroundings::new(clock, Arc::new(Memory::new()), Telemetry::new(log)))?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut addresses = std::env::args().skip(1);
    let mut address = |otherwise: &str| addresses.next().unwrap_or_else(|| otherwise.to_owned());
    let mut server = Server::new(None)?;
    server.bootstrap();

    let gate = gate()?;
    let mut gateway = pingora_proxy::http_proxy_service(&server.configuration, Gateway::new(gate.clone()));
    gateway.add_tcp(&address("127.0.0.1:4000"));
    let mut theirs = Service::new("theirs".to_owned(), Theirs);
    theirs.add_tcp(&address("127.0.0.1:4001"));

    server.add_service(gateway);
    server.add_service(theirs);
    server.add_service(background_service("names", Names(gate)));
    server.run_forever();
}
