//! Builds the program again when the page was built again.

use std::path::Path;

fn main() {
    // Without this, a page built after the program would not be noticed.
    let page = if Path::new("../../web/dist").exists() { "../../web/dist" } else { "../../web" };
    println!("cargo:rerun-if-changed={page}");
}
