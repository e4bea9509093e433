//! The part of a connection's driver that other threads reach: the write half of its socket, its
//! mailbox, and the waker of its task.

use natsd_base::LeveledMutex;
use natsd_broker::Wake;
use natsd_links::{Control, SocketWriter};
use parking_lot::RwLock;
use std::io;
use std::sync::Arc;
use std::task::Waker;
use tokio::net::tcp::OwnedWriteHalf;

#[derive(Debug, Default)]
struct Mail {
    waker: Option<Waker>,
    woken: bool,
    controls: Vec<Control>,
}

/// Reached by everybody who delivers to the connection.
#[derive(Debug)]
pub(crate) struct Socket {
    /// `None` where only the driver can write (TLS), and once the connection is closed: others may
    /// still hold the socket then, but the descriptor must go.
    write: RwLock<Option<OwnedWriteHalf>>,
    mail: LeveledMutex<50, Mail>,
}

impl Socket {
    pub(crate) fn new(write: Option<OwnedWriteHalf>) -> Arc<Socket> {
        Arc::new(Socket { write: RwLock::new(write), mail: LeveledMutex::default() })
    }

    /// Ends writing; the descriptor is closed when the driver lets go of the read half.
    pub(crate) fn shut(&self) {
        drop(self.write.write().take());
    }

    /// Leaves a message for the driver. At most a few are ever on their way: one for each change of
    /// INFO, one password answer, one close.
    pub(crate) fn control(&self, control: Control) {
        self.mail.lock().controls.push(control);
        self.wake();
    }

    /// Whether the driver was woken since the last call; if not, it will be through `waker`.
    pub(crate) fn take_woken(&self, waker: &Waker) -> bool {
        let mut mail = self.mail.lock();
        if std::mem::take(&mut mail.woken) {
            return true;
        }
        if !mail.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            mail.waker = Some(waker.clone());
        }
        false
    }

    /// The messages for the driver.
    pub(crate) fn take_controls(&self) -> Vec<Control> {
        std::mem::take(&mut self.mail.lock().controls)
    }
}

impl Wake for Socket {
    fn wake(&self) {
        let waker = {
            let mut mail = self.mail.lock();
            mail.woken = true;
            mail.waker.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A [`Socket`] as the links see it.
#[derive(Debug)]
pub(crate) struct Writer(pub(crate) Arc<Socket>);

impl SocketWriter for Writer {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &*self.0.write.read() {
            Some(write) => write.try_write(bytes),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn wake_driver(&self) {
        self.0.wake();
    }
}
