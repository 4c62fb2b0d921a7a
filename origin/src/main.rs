//! weir-origin
fn main() {}
