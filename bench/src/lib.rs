//! What both drivers share: requests with changing parts, answers as they stand on a socket, chance, time of processors, figures.

pub mod answer;
pub mod figures;
pub mod line;
pub mod numbers;
pub mod options;
pub mod request;
