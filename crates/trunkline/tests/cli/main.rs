//! The real program, as a person, a script or a service manager meets it: help, exit codes, messages, signals.

mod calling;
mod commands;
mod doctor;
mod proxy;
mod serving;
mod support;
