//! Threads that wait for the disk and for which others wait; and those for which nobody waits.
#![allow(unsafe_code)]

/// The slice that such a thread asks for, in nanoseconds: it runs for some ten microseconds at a time.
const SLICE_NS: u64 = 100_000;

/// The share of a thread that works in the background, as a nice value: about a tenth of that of a usual one.
const BACKGROUND_NICE: i32 = 10;

/// Asks the system to run this thread as soon as it wakes, ahead of threads that compute: by a shorter slice, which
/// gives it no larger share of the processor. A system that does not know the wish runs it as any other; then only
/// latency suffers. Returns whether the wish was taken.
pub fn run_promptly() -> bool {
    wish(|wish| wish.sched_runtime = SLICE_NS)
}

/// Asks the system to give this thread a small share of the processor while others compute. Returns whether the wish
/// was taken.
pub fn run_in_background() -> bool {
    wish(|wish| wish.sched_nice = wish.sched_nice.max(BACKGROUND_NICE))
}

/// Asks the system to run this thread only where nothing else wants the processor: whatever wakes takes it at once, which
/// a low share alone does not give. Returns whether the wish was taken.
pub fn run_when_idle() -> bool {
    wish(|wish| wish.sched_policy = libc::SCHED_IDLE as u32)
}

/// Changes how the calling thread is scheduled, if it is scheduled in the common way.
fn wish(change: impl FnOnce(&mut libc::sched_attr)) -> bool {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut wish: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as libc::c_uint;
    // SAFETY: thread 0 is the calling one; `wish` is a writable buffer of `size` bytes that outlives the call, and the
    // kernel writes at most `size` bytes.
    let known = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut wish, size, 0) };
    // Policies that are not the common one have no slice, and a person chose them.
    if known != 0 || wish.sched_policy != libc::SCHED_OTHER as u32 {
        return false;
    }
    change(&mut wish);
    wish.sched_flags = 0;
    // SAFETY: thread 0 is the calling one; `wish` outlives the call, holds its own size, and is only read.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wish, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::{SLICE_NS, run_promptly, run_when_idle};

    /// What the kernel itself tells of this thread, if it tells.
    fn told(name: &str) -> Option<String> {
        let text = std::fs::read_to_string("/proc/thread-self/sched").ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    }

    #[test]
    fn the_thread_gets_a_short_slice_and_keeps_policy_and_priority() {
        let on_a_thread = || {
            let before = (told("policy"), told("prio"));
            let taken = run_promptly();
            assert_eq!((told("policy"), told("prio")), before);
            (taken, told("se.slice"))
        };
        let (taken, slice) = std::thread::spawn(on_a_thread).join().unwrap();
        // Kernels before 6.12 take the call and have no slice to set; a sandbox may refuse it.
        if let (true, true, Some(slice)) = (taken, knows_slices(), slice) {
            assert_eq!(slice, SLICE_NS.to_string());
        }
    }

    #[test]
    fn an_idle_thread_is_one_for_the_system() {
        let on_a_thread = || (run_when_idle(), told("policy"));
        let (taken, policy) = std::thread::spawn(on_a_thread).join().unwrap();
        // A sandbox may refuse the call or hide the file.
        if let (true, Some(policy)) = (taken, policy) {
            assert_eq!(policy, libc::SCHED_IDLE.to_string());
        }
    }

    fn knows_slices() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut numbers = release.split('.').map_while(|part| part.parse::<u32>().ok());
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        version >= (6, 12)
    }
}
