//! weir-edge
fn main() {}
