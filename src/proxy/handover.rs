//! Handing the listening socket to a new binary, so that no connection is refused meanwhile.
//!
//! On SIGQUIT the old process starts the binary that now lies where it was started from, with the same arguments and one
//! end of a socket pair as standard input. It sends the listening socket over the pair and waits for one byte that says
//! that the new process accepts connections. Only then does it drain. A new process that fails to start changes nothing.
//! Where there is a data directory its lock goes over with the socket: both processes hold it, and it is never free.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::iter;
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Set in the environment of a successor.
const TAKEOVER: &str = "TOLLGATE_TAKEOVER";
/// How long a successor may take to accept connections.
const READY_WITHIN: Duration = Duration::from_secs(60);
const READY: u8 = b'R';
/// The socket and the lock.
const DESCRIPTORS_MAX: usize = 2;

/// The new process' side: the socket it was given, and whom to tell when it is ready.
#[derive(Debug)]
pub struct Inheritance {
    pub(super) listener: TcpListener,
    lock: Option<OwnedFd>,
    predecessor: UnixStream,
}

/// What goes from process to process beside the connections.
#[derive(Debug, Default)]
pub struct Succession {
    /// What this process was given by the one before it.
    pub inherited: Option<Inheritance>,
    /// What this process gives to the next one beside the socket: the lock of its data directory.
    pub lock: Option<OwnedFd>,
}

impl Inheritance {
    /// Takes the socket over; `None` when this process was not started by a predecessor.
    ///
    /// # Errors
    /// The predecessor sent no socket.
    pub fn receive() -> io::Result<Option<Self>> {
        if std::env::var_os(TAKEOVER).is_none() {
            return Ok(None);
        }
        let predecessor = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        predecessor.set_read_timeout(Some(READY_WITHIN))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        recvmsg(&predecessor, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut sent = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let mut next = || sent.as_mut().and_then(Iterator::next);
        let socket: OwnedFd = next().ok_or_else(|| io::Error::other("the process before this one sent no socket"))?;
        let lock = next();
        Ok(Some(Self { listener: TcpListener::from(socket), lock, predecessor }))
    }

    /// The lock of the data directory, if the predecessor had one.
    pub fn take_lock(&mut self) -> Option<OwnedFd> {
        self.lock.take()
    }

    /// Tells the predecessor that connections are accepted here.
    ///
    /// # Errors
    /// The predecessor is gone.
    pub(super) fn ready(mut self) -> io::Result<()> {
        self.predecessor.write_all(&[READY])
    }
}

/// The old process' side: starts the successor and waits until it accepts connections.
///
/// # Errors
/// The binary cannot be started, ended early, or was not ready in time; it is stopped in that case.
pub(super) fn hand_over(binary: &Path, socket: BorrowedFd<'_>, lock: Option<BorrowedFd<'_>>) -> io::Result<u32> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut successor = Command::new(binary)
        .args(std::env::args_os().skip(1))
        .env(TAKEOVER, "1")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    let ready = send(&ours, socket, lock).and_then(|()| wait_until_ready(&mut ours));
    match ready {
        Ok(()) => Ok(successor.id()),
        Err(error) => Err(stop(&mut successor, error)),
    }
}

fn send(to: &UnixStream, socket: BorrowedFd<'_>, lock: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let descriptors: smallvec::SmallVec<[BorrowedFd<'_>; DESCRIPTORS_MAX]> = iter::once(socket).chain(lock).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for two descriptors"));
    }
    sendmsg(to, &[IoSlice::new(b"L")], &mut control, SendFlags::empty())?;
    Ok(())
}

fn wait_until_ready(successor: &mut UnixStream) -> io::Result<()> {
    successor.set_read_timeout(Some(READY_WITHIN))?;
    let mut byte = [0];
    match successor.read(&mut byte)? {
        1 if byte == [READY] => Ok(()),
        _ => Err(io::Error::other("the new process ended before it accepted connections; its own log says why")),
    }
}

fn stop(successor: &mut Child, error: io::Error) -> io::Error {
    // It may be gone already: both calls then have nothing to do.
    if successor.kill().is_ok() {
        let _gone = successor.wait();
    }
    error
}
