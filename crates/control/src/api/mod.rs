//! The reading side of the HTTP API: what calls there were, what became of one, and what happens now. Each handler
//! carries its own documentation, from which `/openapi.json` is made.

pub(crate) mod calls;
mod cursor;
pub(crate) mod docs;
pub(crate) mod erase;
mod event;
pub(crate) mod events;
pub(crate) mod hold;
pub(crate) mod openapi;
mod query;
pub(crate) mod recording;
mod view;
