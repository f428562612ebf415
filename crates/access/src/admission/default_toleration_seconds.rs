//! A pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise (upstream's
//! `plugin/pkg/admission/defaulttolerationseconds`).

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use super::{Context, Plugin, append, writes};

const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const SECONDS: i64 = 300;

pub(super) struct DefaultTolerationSeconds;

impl Plugin for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn mutate(&self, _: &Context, request: &AdmissionRequest<'_>, object: &mut Value) -> Result<(), Status> {
        if !writes(request, "", "pods", &[Operation::Create, Operation::Update]) {
            return Ok(());
        }
        for taint in TAINTS {
            if !tolerates(object, taint) {
                let toleration =
                    json!({ "key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS });
                append(object, &["spec", "tolerations"], toleration);
            }
        }
        Ok(())
    }
}

fn tolerates(pod: &Value, taint: &str) -> bool {
    let says = |toleration: &Value, member: &str, expected: &str| {
        let text = toleration.get(member).and_then(Value::as_str).unwrap_or_default();
        text.is_empty() || text == expected
    };
    let mut tolerations = object::list_at(pod, "/spec/tolerations").iter();
    tolerations.any(|toleration| says(toleration, "key", taint) && says(toleration, "effect", "NoExecute"))
}
