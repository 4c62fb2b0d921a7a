//! Refuses to build an edge without its pages, with a sentence that says what to do.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
    if !std::path::Path::new("web/dist/index.html").exists() {
        println!("cargo:error=edge/web/dist is missing: run `make web` first (needs Node.js)");
        std::process::exit(1);
    }
}
