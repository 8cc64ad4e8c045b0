//! The recogniser's helper as a program of its own, for the tests of this crate. In service `trunkline` starts
//! itself.

fn main() -> std::process::ExitCode {
    providers::local::sphinx::worker_main()
}
