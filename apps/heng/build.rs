//! Puts the built console where the binary embeds it from. Without a built console an empty folder is embedded.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../console/dist");
    let target = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("console");
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed=build.rs");
    if target.exists() {
        fs::remove_dir_all(&target).expect("the folder of an earlier build can be removed");
    }
    fs::create_dir_all(&target).expect("the folder can be made");
    if root.is_dir() {
        copy(&root, &target);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the built console can be read") {
        let entry = entry.expect("the built console can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file has a type").is_dir() {
            fs::create_dir_all(&target).expect("the folder can be made");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("the file can be copied");
        }
    }
}
