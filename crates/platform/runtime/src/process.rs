//! Facts about this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Highest resident memory of this process so far, in MiB; 0 where the system does not tell.
#[must_use]
pub fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .map_or(0, |kib| kib / 1024)
}

/// Lets the process have as many descriptors as the system permits it at most, and tells how many that are. Programs
/// begin with few, for the sake of old ones that cannot count further.
#[must_use]
pub fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    // A system that refuses it leaves what there was.
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => most,
        Err(_) => limit.current.unwrap_or(most),
    }
}

/// Has the system give this process its memory in small pieces. A huge page is cheaper for whoever computes, but a virtual
/// machine whose host backs memory piece by piece takes tens of milliseconds for one, in which every order waits. A
/// system that does not know the wish leaves things as they are.
pub fn take_memory_in_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_as_many_as_the_system_permits() {
        let most = raise_descriptors();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!((limit.current, limit.current.unwrap_or(u64::MAX)), (limit.maximum, most));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn huge_pages_can_be_declined() {
        take_memory_in_small_pages();
        assert!(rustix::thread::transparent_huge_pages_are_disabled().unwrap());
    }
}
