//! The reference store keeps everything in memory: the executable meaning of [`Store`].
pub struct MemoryStore;
