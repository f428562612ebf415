//! `wasi:cli`: arguments, environment, standard streams, exit.

use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::p2::bindings::cli;

use super::Package;
use crate::sandbox::guest::Guest;

pub(super) const PACKAGE: Package = Package {
    interfaces: &[
        "wasi:cli/environment@0.2.12",
        "wasi:cli/exit@0.2.12",
        "wasi:cli/stdin@0.2.12",
        "wasi:cli/stdout@0.2.12",
        "wasi:cli/stderr@0.2.12",
        "wasi:cli/terminal-input@0.2.12",
        "wasi:cli/terminal-output@0.2.12",
        "wasi:cli/terminal-stdin@0.2.12",
        "wasi:cli/terminal-stdout@0.2.12",
        "wasi:cli/terminal-stderr@0.2.12",
        "wasi:cli/types@0.3.0",
        "wasi:cli/environment@0.3.0",
        "wasi:cli/exit@0.3.0",
        "wasi:cli/stdin@0.3.0",
        "wasi:cli/stdout@0.3.0",
        "wasi:cli/stderr@0.3.0",
        "wasi:cli/terminal-input@0.3.0",
        "wasi:cli/terminal-output@0.3.0",
        "wasi:cli/terminal-stdin@0.3.0",
        "wasi:cli/terminal-stdout@0.3.0",
        "wasi:cli/terminal-stderr@0.3.0",
    ],
    link: |linker| {
        cli::environment::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        cli::exit::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        cli::stdin::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        cli::stdout::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        cli::stderr::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        cli::terminal_input::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        cli::terminal_output::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
        wasmtime_wasi::p3::cli::add_to_linker(linker)
    },
};
