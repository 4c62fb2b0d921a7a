//! weir-loadtest
fn main() {}
