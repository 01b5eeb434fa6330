//! The `caigunn-bridge` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    caigunn_bridge::cli::main()
}
