//! Which container of a pod a request means.

use sampan_meta::{Status, object};
use serde_json::Value;

/// The container asked for, or the only one there is (upstream's `validateContainer`,
/// pkg/registry/core/pod/strategy.go).
pub(super) fn container(pod: &Value, asked: Option<&str>) -> Result<String, Status> {
    let names = |field: &str| -> Vec<String> {
        let containers = object::list_at(pod, field);
        containers.iter().filter_map(|container| object::str_at(container, "/name")).map(str::to_owned).collect()
    };
    let (containers, init) = (names("/spec/containers"), names("/spec/initContainers"));
    let ephemeral = names("/spec/ephemeralContainers");
    let mut choices = format!("choose one of: [{}]", containers.join(" "));
    if !init.is_empty() {
        choices += &format!(" or one of the init containers: [{}]", init.join(" "));
    }
    if !ephemeral.is_empty() {
        choices += &format!(" or one of the ephemeral containers: [{}]", ephemeral.join(" "));
    }
    let pod_name = object::name(pod);
    match (asked, &containers[..]) {
        (None, [only]) if init.is_empty() && ephemeral.is_empty() => Ok(only.clone()),
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            Err(Status::bad_request(format!("a container name must be specified for pod {pod_name}, {choices}")))
        }
        (Some(name), _) if containers.iter().chain(&init).chain(&ephemeral).any(|known| known == name) => {
            Ok(name.to_owned())
        }
        (Some(name), _) => {
            Err(Status::bad_request(format!("container {name} is not valid for pod {pod_name}, {choices}")))
        }
    }
}
