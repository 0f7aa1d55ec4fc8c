//! Where Redis is: one server, a cluster, or whoever its sentinels say.

use std::fmt;

use crate::vocabulary::Secret;

/// How several nodes share limits and cooldowns.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Where Redis is.
    pub redis: Redis,
    /// `router_settings.shared_limits: strict`: each request asks Redis.
    pub strict: bool,
    /// `general_settings.fail_closed_rate_limit_enforcement`: without Redis no request that falls under a limit passes.
    pub fail_closed: bool,
}

/// Where Redis is, and who we are there.
#[derive(Clone, Debug)]
pub struct Redis {
    /// What stands there.
    pub layout: Layout,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Hosts and ports, at least one.
    pub hosts: Vec<(String, u16)>,
    /// The user of an access list.
    pub user: Option<String>,
    /// Its password, or the server's.
    pub password: Option<Secret>,
    /// Which database of the server.
    pub database: u32,
}

/// What stands at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The server itself.
    Single,
    /// Nodes of a cluster.
    Cluster,
    /// Sentinels, that know the server of this name.
    Sentinel(String),
}

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const EXPECTED: &str = "expected redis://[user:password@]host[:port][/database], redis+cluster://host[:port],host[:port] or \
                        redis+sentinel://host[:port],host[:port]/service, each with rediss instead of redis for TLS";

impl Redis {
    /// Reads `redis://[user:password@]host[:port][/database]` and its likes; user and password are percent-encoded.
    ///
    /// # Errors
    /// What is wrong with it. The password is not in the message.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{what}; {EXPECTED}");
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("there is no scheme"))?;
        let (transport, layout) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match transport {
            "redis" => false,
            "rediss" => true,
            _ => return Err(wrong("the scheme is another one")),
        };
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (who, hosts) = place.rsplit_once('@').map_or((None, place), |(who, hosts)| (Some(who), hosts));
        let (service, database) = match layout {
            "sentinel" => path.split_once('/').unwrap_or((path, "")),
            _ => ("", path),
        };
        let layout = match layout {
            "" => Layout::Single,
            "cluster" => Layout::Cluster,
            "sentinel" if service.is_empty() => return Err(wrong("the name of the service is missing")),
            "sentinel" => Layout::Sentinel(service.to_owned()),
            _ => return Err(wrong("the scheme is another one")),
        };
        let usual = if matches!(layout, Layout::Sentinel(_)) { SENTINEL_PORT } else { PORT };
        let hosts: Option<Vec<_>> = hosts.split(',').map(|host| host_and_port(host, usual)).collect();
        let hosts = hosts.ok_or_else(|| wrong("a host or a port is none"))?;
        if layout == Layout::Single && hosts.len() > 1 {
            return Err(wrong("there are several hosts"));
        }
        let database = if database.is_empty() { Ok(0) } else { database.parse() };
        let database = database.map_err(|_| wrong("the database is not a number"))?;
        if layout == Layout::Cluster && database != 0 {
            return Err(wrong("a cluster has only the database 0"));
        }
        let (user, password) = match who.map(|who| who.split_once(':').unwrap_or(("", who))) {
            None => (None, None),
            Some((user, password)) => (Some(decoded(user)).filter(|user| !user.is_empty()), Some(decoded(password))),
        };
        Ok(Self { layout, tls, hosts, user, password: password.map(Secret::new), database })
    }
}

/// Where it is, without who we are.
impl fmt::Display for Redis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(out, "{}", hosts.join(","))
    }
}

fn host_and_port(text: &str, usual: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').unwrap_or(port))
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = if port.is_empty() { usual } else { port.parse().ok()? };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain)).then(|| (host.to_owned(), port))
}

/// Percent-decoded; what is no such code stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, more)) = rest.split_first() {
        let code = more.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code.filter(|_| byte == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &more[2..];
            }
            None => {
                bytes.push(byte);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_read() {
        let redis = Redis::parse("redis://127.0.0.1").unwrap();
        assert_eq!((redis.tls, redis.hosts, redis.database), (false, vec![("127.0.0.1".into(), 6379)], 0));
        let redis = Redis::parse("rediss://gate:p%40ss:w@redis.example:7000/3").unwrap();
        assert_eq!((redis.tls, redis.to_string(), redis.database), (true, "redis.example:7000".into(), 3));
        assert_eq!(redis.user.as_deref(), Some("gate"));
        assert_eq!(redis.password.unwrap().expose(), "p@ss:w");
        let redis = Redis::parse("redis+cluster://:word@a:1,[::1]:2,c").unwrap();
        assert_eq!((redis.layout, redis.user), (Layout::Cluster, None));
        assert_eq!(redis.hosts, [("a".into(), 1), ("::1".into(), 2), ("c".into(), 6379)]);
        let redis = Redis::parse("redis+sentinel://a,b:5/main/2").unwrap();
        assert_eq!((redis.layout, redis.database), (Layout::Sentinel("main".into()), 2));
        assert_eq!(redis.hosts, [("a".into(), 26379), ("b".into(), 5)]);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, what) in [
            ("127.0.0.1:6379", "no scheme"),
            ("http://:word@h", "another one"),
            ("redis+ring://h", "another one"),
            ("redis://:word@", "a host"),
            ("redis://:word@h:port", "a host or a port"),
            ("redis://:word@a,b", "several"),
            ("redis://:word@h/first", "not a number"),
            ("redis+cluster://h/1", "only the database 0"),
            ("redis+sentinel://h", "service is missing"),
        ] {
            let error = Redis::parse(url).unwrap_err();
            assert!(error.contains(what) && !error.contains(":word@"), "{url}: {error}");
        }
    }
}
