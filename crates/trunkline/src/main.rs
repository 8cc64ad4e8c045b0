//! The trunkline program; all of it lies in the library beside this file.

use std::process::ExitCode;

fn main() -> ExitCode {
    trunkline::main()
}
