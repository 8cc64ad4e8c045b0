//! Has the crate built again when a migration is added: the macro that takes them in sees only those that were there.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
