//! One database server as a process sees it: a thread that drives its connections, and those that are open.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio_postgres::{AsyncMessage, Connection};

use super::Address;
use super::client::{Client, Link};
use crate::store::session::{Failed, Session};
use crate::store::{Durability, StoreError};

/// A server that does not take a connection in this time is away.
const CONNECT: Duration = Duration::from_secs(3);
/// A server that does not answer a statement in this time is away. Lists of rows have it for each row.
const ANSWER: Duration = Duration::from_secs(10);
/// Open connections that wait to be used for reading.
const IDLE_MAX: usize = 4;

/// A database server.
pub(in crate::store) struct Server {
    address: Address,
    durability: Durability,
    /// Whose rows are counted for metrics, of those that are written here.
    counted: Option<String>,
    /// None: it is being dropped.
    runtime: Option<Runtime>,
    idle: Mutex<Vec<Link>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Server").field("address", &self.address.shown()).finish_non_exhaustive()
    }
}

/// Whoever holds it last may be a task: connections end by themselves.
impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Server {
    /// Starts the thread; connects to nothing yet.
    pub(in crate::store) fn new(address: Address, durability: Durability) -> Result<Arc<Self>, StoreError> {
        Self::counting(address, durability, None)
    }

    /// The same, for a node whose rows are counted: a word of letters and digits.
    pub(in crate::store) fn counting(
        address: Address,
        durability: Durability,
        counted: Option<String>,
    ) -> Result<Arc<Self>, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("tollgate-database")
            .enable_all()
            .build()
            .map_err(|error| StoreError::new(format!("a thread cannot be started: {error}")))?;
        Ok(Arc::new(Self { address, durability, counted, runtime: Some(runtime), idle: Mutex::default() }))
    }

    /// Host and database.
    pub(in crate::store) fn shown(&self) -> String {
        self.address.shown()
    }

    /// A session of its own, connected when it is first used.
    pub(in crate::store) fn session(self: &Arc<Self>) -> Session {
        Session::Server(Client::new(self.clone()))
    }

    /// Reads with one of the connections that wait for that.
    pub(in crate::store) fn read<T>(
        self: &Arc<Self>,
        read: impl FnOnce(&mut Session) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let mut client = Client::new(self.clone());
        let waiting = self.idle.lock().pop();
        client.take(waiting);
        let mut session = Session::Server(client);
        let done = read(&mut session);
        if let Session::Server(client) = session
            && let Some(link) = client.give_back()
        {
            let mut idle = self.idle.lock();
            if idle.len() < IDLE_MAX {
                idle.push(link);
            }
        }
        done
    }

    /// Waits for something the server does; an error after [`ANSWER`].
    pub(super) fn wait<T>(&self, done: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failed> {
        let runtime = self.runtime.as_ref().ok_or_else(|| Failed::new("the process is ending"))?;
        match runtime.block_on(async { tokio::time::timeout(ANSWER, done).await }) {
            Ok(done) => done.map_err(Failed::from),
            Err(_) => Err(Failed::silent(format!("{} does not answer", self.shown()))),
        }
    }

    /// Opens a connection. What it is notified of goes to `news`, which is dropped when the connection ends.
    pub(super) fn connect(&self, news: Option<Sender<()>>) -> Result<Link, Failed> {
        let runtime = self.runtime.as_ref().ok_or_else(|| Failed::new("the process is ending"))?;
        let setting = match self.durability {
            Durability::Strict => "SET search_path TO tollgate",
            Durability::Relaxed => "SET search_path TO tollgate; SET synchronous_commit TO off",
        };
        let opened = runtime.block_on(async {
            let opening = async {
                let (client, connection) = self.address.config.connect(self.address.tls.clone()).await?;
                tokio::spawn(drive(connection, news));
                client.batch_execute(setting).await?;
                if let Some(node) = &self.counted {
                    client.execute("SELECT set_config('tollgate.node', $1, false)", &[node]).await?;
                }
                Ok::<_, tokio_postgres::Error>(client)
            };
            tokio::time::timeout(CONNECT, opening).await
        });
        match opened {
            Ok(Ok(client)) => Ok(Link::new(client)),
            Ok(Err(error)) => Err(Failed::new(format!("{}: {}", self.shown(), super::client::described(&error)))),
            Err(_) => Err(Failed::new(format!("{} does not take a connection", self.shown()))),
        }
    }
}

/// Moves bytes and hears notifications until the connection ends. Why it ended, whoever uses it is told.
async fn drive<S, T>(connection: Connection<S, T>, news: Option<Sender<()>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = pin!(connection);
    while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
        if let (AsyncMessage::Notification(_), Some(news)) = (message, &news)
            && news.send(()).is_err()
        {
            return;
        }
    }
}
