//! Asking a component's own `sampan:pod/probe` export, in an instance made for the question: the one that runs is busy, and what it
//! knows it can share through its files.

use std::time::Duration;

use sampan_runtime::ProbeKind;

use super::code::{Instantiated, Placement};
use super::container::Container;
use super::outcome;

/// The node has its own, usually shorter, patience.
const DEADLINE: Duration = Duration::from_secs(10);

/// `None` when the component has no such export. A trap or silence is a no, and is explained in the log.
pub(crate) async fn ask(container: &Container, probe: ProbeKind) -> Option<bool> {
    let interface = container.create.artifact.probe.as_deref()?;
    let function = match probe {
        ProbeKind::Live => "live",
        ProbeKind::Ready => "ready",
    };
    let answer = container.share.run(call(container, interface, function));
    let result = tokio::select! {
        biased;
        result = answer => result.map_err(|error| outcome::describe(&error)),
        () = tokio::time::sleep(DEADLINE) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        () = container.killed.cancelled() => return Some(false),
    };
    Some(result.unwrap_or_else(|message| {
        container.log.note(&format!("sampan: probe {function} failed: {message}"));
        false
    }))
}

async fn call(container: &Container, interface: &str, function: &str) -> wasmtime::Result<bool> {
    let instantiated = container.code.instantiate(Placement::Pooled, || container.guest()).await;
    let Instantiated { mut store, instance } = instantiated.map_err(|failed| failed.error)?;
    let missing = || wasmtime::format_err!("export {interface} has no function {function}");
    let exported = instance.get_export_index(&mut store, None, interface).ok_or_else(missing)?;
    let index = instance.get_export_index(&mut store, Some(&exported), function).ok_or_else(missing)?;
    let function = instance.get_typed_func::<(), (bool,)>(&mut store, index)?;
    let (answer,) = function.call_async(&mut store, ()).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use crate::artifact::Artifact;

    #[test]
    fn the_interface_is_the_one_in_the_wit_directory() {
        let mut resolve = wit_parser::Resolve::default();
        let package = resolve.push_str("probe.wit", include_str!("../../../../wit/probe.wit")).unwrap();
        let world = resolve.select_world(&[package], Some("probed")).unwrap();
        let exports: Vec<_> = resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect();
        let artifact = Artifact::new(Vec::new(), &[exports[0].clone(), "wasi:cli/run@0.2.0".to_owned()]).unwrap();
        assert_eq!(artifact.probe.as_ref(), Some(&exports[0]));
        let interface = resolve.packages[package].interfaces["probe"];
        let functions: Vec<_> = resolve.interfaces[interface].functions.keys().map(String::as_str).collect();
        assert_eq!(functions, ["live", "ready"]);
    }
}
