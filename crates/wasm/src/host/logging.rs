//! `wasi:logging`: lines of the container's log.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift};

use super::Package;
use crate::sandbox::guest::Guest;
use crate::sandbox::log::{Sink as _, Stream};

pub(super) const PACKAGE: Package = Package {
    interfaces: &["wasi:logging/logging@0.1.0-draft"],
    link: |linker| {
        let mut logging = linker.instance("wasi:logging/logging@0.1.0-draft")?;
        logging.func_wrap_async(
            "log",
            |store: StoreContextMut<'_, Guest>, (level, context, message): (Level, String, String)| {
                let log = Arc::clone(&store.data().services.log);
                Box::new(async move {
                    // A guest that logs more than the disk takes waits, as one that prints does.
                    std::future::poll_fn(|context| log.poll_room(context)).await;
                    log.write(Stream::Stderr, line(level, &context, &message).as_bytes());
                    Ok(())
                })
            },
        )
    },
};

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "guests make them")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

/// `warn [context] message`.
fn line(level: Level, context: &str, message: &str) -> String {
    let level = match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Critical => "critical",
    };
    let message = message.trim_end_matches('\n');
    if context.is_empty() { format!("{level} {message}\n") } else { format!("{level} [{context}] {message}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_line_that_begins_with_its_level() {
        assert_eq!(line(Level::Warn, "db", "slow\n"), "warn [db] slow\n");
        assert_eq!(line(Level::Critical, "", "over"), "critical over\n");
    }
}
