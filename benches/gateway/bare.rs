//! The least a Pingora proxy can do: pass every request on to one address. What the gateway costs beyond this is ours.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::prelude::{HttpPeer, Result, Server};
use pingora::server::configuration::ServerConf;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

use crate::Failure;

/// Idle connections kept to the upstream.
const POOL: usize = 1024;

/// Where the pass-through listens and what it passes on to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Port to listen on
    #[arg(long)]
    port: u16,
    /// Where requests go
    #[arg(long)]
    upstream: SocketAddr,
}

struct PassThrough(SocketAddr);

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

/// Serves until the process is ended.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: POOL, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), PassThrough(args.upstream));
    service.add_tcp(&format!("127.0.0.1:{}", args.port));
    server.add_service(service);
    server.run_forever()
}
