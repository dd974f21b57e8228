//! Instructions per order, counted by callgrind: this machine has no hardware counters.

use std::process::{Command, Stdio};

use crate::c1::{Population, Shape, execute, generate};

/// Orders of the two counted runs; their difference is free of set-up and start.
const FEW: u32 = 4_000;
const MANY: u32 = 24_000;

/// A small fixed C1 whose instructions are counted.
const fn shape(commands: u32) -> Shape {
    let mut shape = Shape::small(commands);
    (shape.accounts, shape.instruments, shape.warm_up) = (1_000, 60, 3_000);
    shape
}

/// What the counted process does: make C1 of a fixed size, execute the first `commands` of it.
pub(crate) fn counted(commands: u32) {
    let c1 = generate(Population::new(shape(MANY)), false);
    let stream = &c1.streams[0];
    let mut state = stream.start.clone();
    let mut writer = heng_engine::EventWriter::from_digest(stream.digest);
    let batches = commands as usize / crate::c1::BATCH;
    execute(&mut state, &mut writer, &stream.timed[..batches.min(stream.timed.len())], &mut Vec::new());
}

fn instructions(commands: u32) -> Option<u64> {
    let binary = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(binary)
        .args(["counted", &commands.to_string()])
        .stdout(Stdio::null())
        .output()
        .ok()?;
    // The tool tells "Collected : N" on its error stream.
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = told.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// Instructions of one C1 command; `None` without valgrind.
pub(crate) fn per_order() -> Option<f64> {
    let (few, many) = (instructions(FEW)?, instructions(MANY)?);
    let orders = (MANY as usize / crate::c1::BATCH - FEW as usize / crate::c1::BATCH) * crate::c1::BATCH;
    Some((many.checked_sub(few)?) as f64 / orders as f64)
}
