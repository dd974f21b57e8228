//! Huge pages for the core's tables: a look-up among millions of rows otherwise waits for the page table as well.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What the C library reads at the start of a process.
const TUNABLES: &str = "GLIBC_TUNABLES";
const ASK: &str = "glibc.malloc.hugetlb=1";
/// Where Linux tells whether programs may ask.
const SETTING: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Has the C library ask for huge pages, where the system leaves that to programs. The library decides at the start of
/// a process, so this one begins again, once, with the same arguments and the same process id; call it first. Where it
/// cannot, or the user has decided (the variable names the tunable already), the process simply goes on.
pub fn begin_with_huge_pages() {
    let setting = std::fs::read_to_string(SETTING).unwrap_or_default();
    let Some(tunables) = wanted(&setting, std::env::var_os(TUNABLES)) else { return };
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // Returns only if it fails, and then nothing is lost but speed.
    let _ = again.args(arguments).env(TUNABLES, tunables).exec();
}

/// The tunables to begin again with; `None` if there is nothing to do.
fn wanted(setting: &str, present: Option<OsString>) -> Option<OsString> {
    let for_us = cfg!(all(target_os = "linux", target_env = "gnu")) && setting.contains("[madvise]");
    let mut tunables = present.unwrap_or_default();
    if !for_us || tunables.to_string_lossy().contains("glibc.malloc.hugetlb") {
        return None;
    }
    if !tunables.is_empty() {
        tunables.push(":");
    }
    tunables.push(ASK);
    Some(tunables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_again_once_and_only_where_the_system_leaves_it_to_programs() {
        let left = "always [madvise] never\n";
        assert_eq!(wanted(left, None), Some(ASK.into()));
        assert_eq!(
            wanted(left, Some("glibc.rtld.nns=4".into())),
            Some("glibc.rtld.nns=4:glibc.malloc.hugetlb=1".into())
        );
        assert_eq!(wanted(left, Some("glibc.malloc.hugetlb=0".into())), None);
        assert_eq!(wanted(left, wanted(left, None)), None);
        assert_eq!(wanted("[always] madvise never\n", None), None);
        assert_eq!(wanted("", None), None);
    }
}
