//! The `heng` binary.

fn main() -> std::process::ExitCode {
    heng::cli::run()
}
