//! The real program, as a person, a script or a service manager meets it: help, exit codes, messages, signals.

mod commands;
mod serving;
mod support;
