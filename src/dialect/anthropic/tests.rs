//! Requests, answers and streams of the messages API.

mod encoder;
mod read;
mod relay;
