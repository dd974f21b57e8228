//! The numbers of a session and the messages that it may have to send again.

use std::io;

/// Keeps a session's two sequence numbers and its outgoing messages.
///
/// Numbers begin at 1. What was kept survives the end of the process once [`Self::flush`] returned; the session calls
/// it before the bytes of a message leave.
pub trait MessageStore: Send {
    /// The number of the next message to send.
    fn outgoing(&self) -> u64;

    /// The number of the next message expected.
    fn incoming(&self) -> u64;

    /// Keeps the message that has the number [`Self::outgoing`], which thereby grows by one. An empty one stands for
    /// a message of the session itself, which is never sent again.
    ///
    /// # Errors
    /// If it cannot be kept; then nothing changed.
    fn keep(&mut self, message: &[u8]) -> io::Result<()>;

    /// Sets the number of the next message expected.
    ///
    /// # Errors
    /// If it cannot be kept.
    fn set_incoming(&mut self, number: u64) -> io::Result<()>;

    /// Puts the message of this number into `out`, in place of what was there; empty if there is none to send again.
    ///
    /// # Errors
    /// If it cannot be read.
    fn load(&mut self, number: u64, out: &mut Vec<u8>) -> io::Result<()>;

    /// Forgets everything; both numbers are 1 again.
    ///
    /// # Errors
    /// If the store cannot be emptied.
    fn reset(&mut self) -> io::Result<()>;

    /// Hands what was kept to the operating system.
    ///
    /// # Errors
    /// If it cannot be written.
    fn flush(&mut self) -> io::Result<()>;
}

/// A store that lives as long as the process, for tests and for sessions that begin anew with each logon.
///
/// It holds the last messages up to a number of bytes; older ones are answered with a gap fill.
#[derive(Debug)]
pub struct MemoryStore {
    incoming: u64,
    outgoing: u64,
    messages: std::collections::VecDeque<Box<[u8]>>,
    bytes: usize,
    bytes_max: usize,
}

impl MemoryStore {
    /// An empty store that holds at most this many bytes of messages.
    #[must_use]
    pub const fn new(bytes_max: usize) -> Self {
        Self { incoming: 1, outgoing: 1, messages: std::collections::VecDeque::new(), bytes: 0, bytes_max }
    }
}

impl MessageStore for MemoryStore {
    fn outgoing(&self) -> u64 {
        self.outgoing
    }

    fn incoming(&self) -> u64 {
        self.incoming
    }

    fn keep(&mut self, message: &[u8]) -> io::Result<()> {
        self.messages.push_back(message.into());
        self.outgoing += 1;
        // What a message without bytes costs is counted too, so that they are bounded as well.
        self.bytes += message.len() + size_of::<Box<[u8]>>();
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.len() + size_of::<Box<[u8]>>();
        }
        Ok(())
    }

    fn set_incoming(&mut self, number: u64) -> io::Result<()> {
        self.incoming = number;
        Ok(())
    }

    fn load(&mut self, number: u64, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        let back = self.outgoing.checked_sub(number).and_then(|back| usize::try_from(back).ok());
        let at = back.and_then(|back| self.messages.len().checked_sub(back));
        if let Some(message) = at.and_then(|at| self.messages.get(at)) {
            out.extend_from_slice(message);
        }
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        *self = Self::new(self.bytes_max);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
