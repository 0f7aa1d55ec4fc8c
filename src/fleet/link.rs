//! The connection to Redis, whatever stands there.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo, RedisConnectionInfo,
    RedisResult, Script, TlsMode, ToRedisArgs,
};

use crate::config::{Layout, Redis};

/// A connection that is not made within this time is not made.
const CONNECT: Duration = Duration::from_secs(2);
/// An answer that is not there within this time does not come: a request may wait for it.
const ANSWER: Duration = Duration::from_millis(500);

/// A connection that many share.
#[derive(Clone)]
pub(super) enum Link {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    pub(super) async fn open(redis: &Redis) -> RedisResult<Self> {
        let config =
            || AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(ANSWER));
        let hosts = redis.hosts.iter().map(|(host, port)| address(host, *port, redis.tls));
        match &redis.layout {
            Layout::Single => {
                let mut failure = None;
                for host in hosts {
                    let info = host.into_connection_info()?.set_redis_settings(who(redis));
                    match Client::open(info)?.get_multiplexed_async_connection_with_config(&config()).await {
                        Ok(connection) => return Ok(Self::Single(connection)),
                        Err(error) => failure = Some(error),
                    }
                }
                Err(failure.unwrap_or_else(|| (redis::ErrorKind::InvalidClientConfig, "no host").into()))
            }
            Layout::Sentinel(service) => {
                let node = SentinelNodeConnectionInfo::default().set_redis_connection_info(who(redis));
                let node = if redis.tls { node.set_tls_mode(TlsMode::Secure) } else { node };
                let sentinels = hosts.collect();
                let mut client = SentinelClient::build(sentinels, service, Some(node), SentinelServerType::Master)?;
                let connection = client.get_async_connection_with_config(&config()).await?;
                Ok(Self::Single(connection))
            }
            Layout::Cluster => {
                let nodes = hosts.map(IntoConnectionInfo::into_connection_info).collect::<RedisResult<Vec<_>>>()?;
                let mut builder =
                    ClusterClientBuilder::new(nodes).connection_timeout(CONNECT).response_timeout(ANSWER).retries(2);
                if redis.tls {
                    builder = builder.tls(TlsMode::Secure);
                }
                if let Some(user) = &redis.user {
                    builder = builder.username(user);
                }
                if let Some(password) = &redis.password {
                    builder = builder.password(password.expose());
                }
                Ok(Self::Cluster(builder.build()?.get_async_connection().await?))
            }
        }
    }

    /// Runs a script on one key.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[impl ToRedisArgs],
    ) -> RedisResult<T> {
        let mut invocation = script.key(key);
        for argument in arguments {
            invocation.arg(argument);
        }
        match self {
            Self::Single(connection) => invocation.invoke_async(&mut connection.clone()).await,
            Self::Cluster(connection) => invocation.invoke_async(&mut connection.clone()).await,
        }
    }
}

fn address(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    match tls {
        true => ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

fn who(redis: &Redis) -> RedisConnectionInfo {
    let mut who = RedisConnectionInfo::default().set_db(i64::from(redis.database));
    if let Some(user) = &redis.user {
        who = who.set_username(user);
    }
    if let Some(password) = &redis.password {
        who = who.set_password(password.expose());
    }
    who
}
