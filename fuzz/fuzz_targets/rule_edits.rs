//! The rule files of this build with one stretch of text replaced: deep in the loader, never a panic.
#![no_main]

use heng_rulebook::Rulebook;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|edit: (u8, u32, u8, String)| {
    let (file, at, cut, text) = edit;
    let mut files = Rulebook::embedded_files();
    let chosen = usize::from(file) % files.len();
    let content = &mut files[chosen].1;
    let mut from = at as usize % (content.len() + 1);
    while !content.is_char_boundary(from) {
        from -= 1;
    }
    let mut to = (from + usize::from(cut)).min(content.len());
    while !content.is_char_boundary(to) {
        to += 1;
    }
    content.replace_range(from..to, &text);
    let _ = Rulebook::parse(&files);
});
