//! Refuses to build an origin without its page, with a sentence that says what to do.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
    if !std::path::Path::new("web/dist/admin/streams.html").exists() {
        println!("cargo:error=origin/web/dist is missing: run `make web` first (needs Node.js)");
        std::process::exit(1);
    }
}
