//! The host interfaces: what a component may import. One file per package, one line in [`all`].

mod cli;
mod clocks;
mod config;
mod filesystem;
mod http;
mod io;
mod keyvalue;
mod logging;
mod preview1;
mod random;
mod sockets;

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::sandbox::guest::Guest;

/// A package of interfaces and how a linker gets them.
pub(crate) struct Package {
    /// Its interfaces with the highest version offered, `package/interface@version`.
    pub(crate) interfaces: &'static [&'static str],
    /// Puts them into a linker.
    pub(crate) link: fn(&mut Linker<Guest>) -> wasmtime::Result<()>,
}

/// Every package offered to guests.
pub(crate) fn all() -> [&'static Package; 10] {
    [
        &cli::PACKAGE,
        &clocks::PACKAGE,
        &config::PACKAGE,
        &filesystem::PACKAGE,
        &http::PACKAGE,
        &io::PACKAGE,
        &keyvalue::PACKAGE,
        &logging::PACKAGE,
        &random::PACKAGE,
        &sockets::PACKAGE,
    ]
}

/// A linker with all of them.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    for package in all() {
        (package.link)(&mut linker)?;
    }
    Ok(linker)
}

/// A linker for core modules, with WASI 0.1.
pub(crate) fn module_linker(engine: &Engine) -> wasmtime::Result<wasmtime::Linker<Guest>> {
    let mut linker = wasmtime::Linker::new(engine);
    preview1::link(&mut linker)?;
    Ok(linker)
}

/// Whether an import of that name finds something here. Versions match as wasmtime's linker matches them: the same minor version
/// below 1.0.
pub(crate) fn offers(import: &str) -> bool {
    if import.starts_with(preview1::NAMESPACE) {
        return true;
    }
    all().iter().flat_map(|package| package.interfaces).any(|offered| {
        let (interface, version) = offered.split_once('@').expect("every offer in the tables has a version");
        // Drafts are compatible with nothing but themselves.
        if version.contains('-') {
            return import == *offered;
        }
        let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
        compatible(import, interface, minor)
    })
}

/// Whether `name` is `interface@minor` or `interface@minor.patch`.
pub(crate) fn compatible(name: &str, interface: &str, minor: &str) -> bool {
    let Some((found, version)) = name.split_once('@') else { return false };
    let patch = version.strip_prefix(minor);
    found == interface && patch.is_some_and(|patch| patch.is_empty() || patch.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_match_within_a_minor_version() {
        assert!(compatible("wasi:cli/run@0.2.0", "wasi:cli/run", "0.2"));
        assert!(compatible("wasi:cli/run@0.2.99", "wasi:cli/run", "0.2"));
        assert!(!compatible("wasi:cli/run@0.20.0", "wasi:cli/run", "0.2"));
        assert!(!compatible("wasi:cli/run@0.3.0-rc-2025-09-16", "wasi:cli/run", "0.2"));
        assert!(!compatible("wasi:cli/run", "wasi:cli/run", "0.2"));
    }

    #[test]
    fn a_draft_is_offered_in_its_own_version_only() {
        assert!(offers("wasi:keyvalue/store@0.2.0-draft"));
        assert!(!offers("wasi:keyvalue/store@0.2.0-draft2"));
        assert!(!offers("wasi:keyvalue/store@0.2.0"));
        assert!(!offers("wasi:config/store@0.2.0-rc.2"));
    }

    #[test]
    fn every_interface_in_the_tables_is_in_the_linker() {
        let engine = crate::engine::on_demand().unwrap();
        let linker = linker(&engine).unwrap();
        for interface in all().iter().flat_map(|package| package.interfaces) {
            let text = format!("(component (import \"{interface}\" (instance)))");
            let component = wasmtime::component::Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
            linker.instantiate_pre(&component).unwrap_or_else(|error| panic!("{interface}: {error:#}"));
        }
    }
}
