//! A thread that writes lines in batches, so that no exchange waits for a disk or a pipe.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that may wait to be written. Lines beyond are dropped and counted.
pub(super) const PENDING_BYTES_MAX: usize = 4 << 20;

/// After a batch the thread rests, so that a busy gateway wakes it a few hundred times a second and not for each line.
/// The first line after a pause is written at once.
const REST: Duration = Duration::from_millis(5);

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Writer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There are lines, or the end has come.
    work: Condvar,
    /// There is nothing left to write.
    done: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    writing: bool,
    asleep: bool,
    stop: bool,
}

impl Writer {
    /// Starts the thread. If there can be none, lines are dropped and counted.
    pub(super) fn start(sink: Box<dyn Write + Send>) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || theirs.run(sink));
        if thread.is_err() {
            shared.locked().stop = true;
        }
        Self(shared)
    }

    /// Queues a line, or drops and counts it if too much waits.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.0.locked();
        if state.stop || state.pending.len().saturating_add(line.len()) > PENDING_BYTES_MAX {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.pending.extend_from_slice(line);
        if std::mem::take(&mut state.asleep) {
            self.0.work.notify_one();
        }
    }

    /// Lines that were not written.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything queued so far is written, at most this long.
    pub(super) fn flush(&self, at_most: Duration) -> bool {
        let busy = |state: &mut State| !state.stop && (state.writing || !state.pending.is_empty());
        let waited = self.0.done.wait_timeout_while(self.0.locked(), at_most, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.locked().stop = true;
        self.0.work.notify_one();
    }
}

impl Shared {
    /// The state is bytes and flags: whole whatever panicked.
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut sink: Box<dyn Write + Send>) {
        let mut batch = Vec::new();
        while self.next(&mut batch) {
            if sink.write_all(&batch).and_then(|()| sink.flush()).is_err() {
                let lines = memchr::memchr_iter(b'\n', &batch).count();
                self.dropped.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
            batch.clear();
            self.rest();
        }
    }

    /// Lets lines gather, unless the writer is gone.
    fn rest(&self) {
        let mut state = self.locked();
        state.writing = false;
        if state.pending.is_empty() {
            self.done.notify_all();
        }
        if !state.stop {
            drop(state);
            std::thread::sleep(REST);
        }
    }

    /// Waits for lines and takes them all. False: the writer is gone and nothing is left.
    fn next(&self, batch: &mut Vec<u8>) -> bool {
        let mut state = self.locked();
        state.writing = false;
        while state.pending.is_empty() {
            self.done.notify_all();
            if state.stop {
                return false;
            }
            state.asleep = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.asleep = false;
        state.writing = true;
        std::mem::swap(&mut state.pending, batch);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A sink that passes a batch on only when it is told to.
    struct Gate {
        open: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.open.recv().map_err(std::io::Error::other)?;
            self.written.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_sink_blocks_nobody_and_what_is_lost_is_counted() {
        let (open, gate) = channel();
        let (sent, written) = channel();
        let writer = Writer::start(Box::new(Gate { open: gate, written: sent }));
        let line = [b'x'; 1024];
        let pushed = 3 * PENDING_BYTES_MAX / line.len();
        (0..pushed).for_each(|_| writer.push(&line));
        assert!(!writer.flush(Duration::ZERO));
        assert!(writer.dropped() > 0);
        (0..2).for_each(|_| open.send(()).unwrap());
        let mut kept = written.recv().unwrap().len();
        if writer.dropped() as usize + kept / line.len() < pushed {
            kept += written.recv().unwrap().len();
        }
        assert_eq!(writer.dropped() as usize + kept / line.len(), pushed);
    }

    #[test]
    fn lines_come_out_in_order_and_a_failed_write_is_counted() {
        let (open, gate) = channel();
        let (sent, written) = channel();
        let writer = Writer::start(Box::new(Gate { open: gate, written: sent }));
        writer.push(b"one\n");
        open.send(()).unwrap();
        assert_eq!(written.recv().unwrap(), b"one\n");
        drop(open);
        writer.push(b"two\nthree\n");
        assert!(writer.flush(Duration::from_secs(60)));
        assert_eq!(writer.dropped(), 2);
    }
}
