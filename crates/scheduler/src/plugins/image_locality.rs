//! Nodes that already have the pod's images start it sooner.

use super::score::MOST;
use super::{Plugin, Score};
use crate::{NodeState, PodRequest, Snapshot};

/// Images together smaller than this count for nothing.
const LEAST: i64 = 23 << 20;
/// Per container: images larger than this count no more.
const LARGEST: i64 = 1000 << 20;

pub(super) struct ImageLocality;

impl Plugin for ImageLocality {
    fn name(&self) -> &'static str {
        "ImageLocality"
    }

    fn filters(&self) -> bool {
        false
    }

    fn pre_score<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> Option<Score<'a>> {
        let spec = pod.spec()?;
        let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
        let images: Vec<_> = containers.map(|container| normalized(container.image.as_deref().unwrap_or(""))).collect();
        let spread: Vec<_> =
            images.iter().map(|image| i64::try_from(cluster.nodes_with_image(image)).unwrap_or(i64::MAX)).collect();
        if spread.iter().all(|nodes| *nodes == 0) {
            return None;
        }
        let all = i64::try_from(cluster.order().len()).unwrap_or(i64::MAX).max(1);
        let most = LARGEST.saturating_mul(i64::try_from(images.len()).unwrap_or(i64::MAX));
        let score = move |node: &&NodeState| {
            // An image that few nodes have counts for less, or they would draw all pods to themselves.
            let sizes = images.iter().zip(&spread).filter_map(|(image, nodes)| {
                let size = *node.images.get(image)?;
                i64::try_from(i128::from(size) * i128::from(*nodes) / i128::from(all)).ok()
            });
            MOST * (sizes.sum::<i64>().clamp(LEAST, most) - LEAST) / (most - LEAST)
        };
        Some(Box::new(move |nodes| Ok(nodes.iter().map(&score).collect())))
    }
}

/// With the tag that is meant when none is given.
fn normalized(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') { image.to_owned() } else { format!("{image}:latest") }
}
