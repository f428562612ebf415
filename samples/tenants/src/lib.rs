//! A scheduler plugin: nodes that carry a tenant's label take that tenant's pods alone, and pods of a tenant run nowhere else; of the
//! nodes that will do, the fullest is best, so that others can be switched off.

use std::cell::RefCell;
use std::rc::Rc;

wit_bindgen::generate!({ path: "../../wit/scheduler.wit", world: "filters-and-scores" });

use exports::sampan::scheduler::{filter, plugin, score};
use sampan::scheduler::types::{Node, Pod, Resources, Usage, Verdict};

struct Tenants;

export!(Tenants);

/// What is known of the cluster, by node number.
#[derive(Default)]
struct Known {
    /// The label whose value is the tenant.
    label: String,
    /// Tenants that nodes or pods have named. A tenant is a place in here: numbers are compared quicker than words.
    tenants: Vec<Rc<str>>,
    nodes: Vec<Place>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    /// 0: everybody's.
    tenant: u32,
    cpu: i64,
    memory: i64,
    /// How much of it is in use, in hundredths.
    full: u8,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut Known) -> T) -> T {
    KNOWN.with_borrow_mut(work)
}

impl plugin::Guest for Tenants {
    /// The configuration is the label, as a JSON string.
    fn configure(config: String) -> Result<(), String> {
        let label = config.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|label| !label.is_empty());
        let label = label.ok_or_else(|| format!("{config} is not the name of a label"))?;
        with(|known| known.label = label.to_owned());
        Ok(())
    }

    fn tell_nodes(changed: Vec<Node>, _gone: Vec<u32>) {
        with(|known| changed.iter().for_each(|node| known.set(node)));
    }

    fn tell_usage(changed: Vec<Usage>) {
        with(|known| changed.iter().for_each(|usage| known.use_up(usage.number, &usage.requested)));
    }
}

impl filter::Guest for Tenants {
    fn filter(pod: Pod, nodes: Vec<u32>) -> Verdict {
        with(|known| {
            let tenant = known.tenant(&pod.labels);
            let fits = nodes.chunks(64).map(|nodes| {
                let bit = |(place, node): (usize, &u32)| u64::from(known.nodes[*node as usize].tenant == tenant) << place;
                nodes.iter().enumerate().map(bit).sum()
            });
            Verdict { fits: fits.collect(), reason: "node(s) belong to another tenant".to_owned() }
        })
    }
}

impl score::Guest for Tenants {
    fn score(_pod: Pod, nodes: Vec<u32>) -> Vec<u8> {
        with(|known| nodes.iter().map(|node| known.nodes[*node as usize].full).collect())
    }
}

impl Known {
    fn set(&mut self, node: &Node) {
        let tenant = self.tenant(&node.labels);
        let Resources { cpu, memory, .. } = node.allocatable;
        let number = node.number as usize;
        if self.nodes.len() <= number {
            self.nodes.resize(number + 1, Place::default());
        }
        self.nodes[number] = Place { tenant, cpu, memory, full: 0 };
    }

    fn use_up(&mut self, number: u32, requested: &Resources) {
        let node = &mut self.nodes[number as usize];
        let share = |part: i64, whole: i64| if whole > 0 { (part * 100 / whole).clamp(0, 100) } else { 0 };
        let mean = (share(requested.cpu, node.cpu) + share(requested.memory, node.memory)) / 2;
        node.full = u8::try_from(mean).unwrap_or(100);
    }

    fn tenant(&mut self, labels: &[(String, String)]) -> u32 {
        let Some((_, name)) = labels.iter().find(|(key, _)| *key == self.label) else { return 0 };
        let known = self.tenants.iter().position(|tenant| **tenant == **name);
        let place = known.unwrap_or_else(|| {
            self.tenants.push(name.as_str().into());
            self.tenants.len() - 1
        });
        u32::try_from(place + 1).unwrap_or(u32::MAX)
    }
}
