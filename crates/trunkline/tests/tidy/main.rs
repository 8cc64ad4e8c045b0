//! The rules of the house that no compiler checks: which crate may see which, what a pure crate may not pull in, how
//! long things may be, what a file must open with, and that the documents say what the program does. Each message names
//! the place and what to do about it.

mod arrows;
mod documents;
mod source;
mod style;

use std::path::{Path, PathBuf};

/// The folder of the whole project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate lies two folders under the root")
        .to_path_buf()
}

/// Fails with all problems at once, so that one run shows the whole work to do.
#[track_caller]
fn report(rule: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{rule}: {} problem(s)\n  {}\n", problems.len(), problems.join("\n  "));
}
