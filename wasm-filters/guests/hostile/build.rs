//! Lets the function table grow, so that the test can try to make it do so without end.

fn main() {
    println!("cargo::rustc-link-arg=--growable-table");
    println!("cargo::rerun-if-changed=build.rs");
}
