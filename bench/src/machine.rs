//! Facts about the machine and this run, so that a figure can be judged.

use std::path::Path;

use serde::Serialize;

/// What the figures were measured on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_mb: u64,
    pub(crate) kernel: String,
    /// Load averages over 1, 5 and 15 minutes when the run began.
    pub(crate) load_at_start: String,
    pub(crate) load_at_end: String,
    /// File system of the data folder of the durable run.
    pub(crate) file_system: String,
    pub(crate) profile: &'static str,
    pub(crate) command_line: Vec<String>,
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// Load averages now.
pub(crate) fn load() -> String {
    read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The type of the file system that holds `path`.
pub(crate) fn file_system(path: &Path) -> String {
    let mounts = read("/proc/mounts");
    let of = |line: &str| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let holding = mounts.lines().filter_map(of).filter(|(at, _)| path.starts_with(at));
    holding.max_by_key(|(at, _)| at.len()).map_or_else(String::new, |(_, kind)| kind)
}

impl Machine {
    /// Gathers the facts; those of the end are filled in at the end.
    pub(crate) fn new() -> Self {
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mb: memory.trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease"),
            load_at_start: load(),
            load_at_end: String::new(),
            file_system: String::new(),
            profile: if cfg!(debug_assertions) { "debug" } else { "optimised" },
            command_line: std::env::args().collect(),
        }
    }
}
