//! HTTP messages to and from the core: routes, dialects, admin API. No sockets.

pub mod transcript;
