//! Buffers that go from the sequencer to another thread and come back, so that a batch asks the allocator for nothing
//! and its memory is mapped already.

use std::sync::Mutex;

/// Buffers that are kept: as many as batches may be under way.
const KEPT_MAX: usize = 64;
/// A larger buffer is let go: it served a batch that was out of the ordinary.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Buffers that wait to be used again.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// A buffer that holds `bytes`.
    pub(crate) fn holding(&self, bytes: &[u8]) -> Vec<u8> {
        let kept = self.0.lock().expect("no holder of this lock panics").pop();
        let mut buffer = kept.unwrap_or_default();
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// Takes a buffer back that nobody reads any more.
    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() > KEPT_BYTES_MAX {
            return;
        }
        buffer.clear();
        let mut kept = self.0.lock().expect("no holder of this lock panics");
        if kept.len() < KEPT_MAX {
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffers, KEPT_BYTES_MAX, KEPT_MAX};

    #[test]
    fn a_buffer_comes_back_empty_and_the_stock_is_bounded() {
        let buffers = Buffers::default();
        let first = buffers.holding(&[7; 1_000]);
        let at = first.as_ptr();
        buffers.give_back(first);
        let again = buffers.holding(&[8; 10]);
        assert_eq!((again.as_ptr(), again.as_slice()), (at, &[8; 10][..]));
        buffers.give_back(vec![0; KEPT_BYTES_MAX + 1]);
        (0..2 * KEPT_MAX).for_each(|_| buffers.give_back(vec![1; 10]));
        let kept = buffers.0.lock().unwrap();
        assert_eq!(kept.len(), KEPT_MAX);
        assert!(kept.iter().all(|buffer| buffer.is_empty() && buffer.capacity() <= KEPT_BYTES_MAX));
    }
}
