//! Texts that one process writes while others read them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A short byte string in atomic words, so that a reader in another process races with nobody.
#[repr(C)]
pub(super) struct Text<const WORDS: usize> {
    length: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Text<WORDS> {
    #[inline]
    pub fn store(&self, text: &[u8]) {
        let text = text.get(..WORDS * 8).unwrap_or(text);
        self.length.store(text.len() as u64, Relaxed);
        let mut chunks = text.chunks_exact(8);
        let mut words = self.words.iter();
        for (chunk, word) in chunks.by_ref().zip(words.by_ref()) {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(chunk);
            word.store(u64::from_ne_bytes(bytes), Relaxed);
        }
        let rest = chunks.remainder();
        if let Some(word) = self.words.get(text.len() / 8) {
            let mut bytes = [0; 8];
            for (to, from) in bytes.iter_mut().zip(rest) {
                *to = *from;
            }
            word.store(u64::from_ne_bytes(bytes), Relaxed);
        }
    }

    pub fn load(&self) -> Vec<u8> {
        let length = (self.length.load(Relaxed) as usize).min(WORDS * 8);
        let mut text: Vec<u8> = self
            .words
            .iter()
            .take(length.div_ceil(8))
            .flat_map(|word| word.load(Relaxed).to_ne_bytes())
            .collect();
        text.truncate(length);
        text
    }
}
