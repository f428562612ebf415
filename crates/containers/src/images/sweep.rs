//! Making room: images that nothing uses go once the disk they are on fills, those unused longest first, as the kubelet's image manager
//! (pkg/kubelet/images/image_gc_manager.go). It runs after a pull, which is when a disk fills: nothing polls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sampan_runtime::{Error, Result};
use tokio::time::Instant;

use super::Images;
use crate::cri;

/// Percent of the disk in use above which images go, and down to which.
const HIGH: u64 = 85;
const LOW: u64 = 80;

/// A new image may be waiting for its container.
const YOUNG: Duration = Duration::from_secs(120);

/// When images were last seen in use, or for the first time.
pub(super) type Seen = BTreeMap<String, Instant>;

/// How full a disk is, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    pub(super) size: u64,
    pub(super) used: u64,
}

impl Disk {
    fn percent(self, percent: u64) -> u64 {
        self.size / 100 * percent
    }

    /// Bytes to be freed; none while it is not full.
    fn excess(self) -> u64 {
        if self.used > self.percent(HIGH) { self.used - self.percent(LOW) } else { 0 }
    }
}

fn note(seen: &mut Seen, images: &[cri::Image], used: &BTreeSet<String>, now: Instant) {
    seen.retain(|id, _| images.iter().any(|image| image.id == *id));
    for image in images {
        let last = seen.entry(image.id.clone()).or_insert(now);
        if names(image).any(|name| used.contains(name)) {
            *last = now;
        }
    }
}

/// Which images go, by containerd's ids.
pub(super) fn plan(
    images: &[cri::Image],
    used: &BTreeSet<String>,
    seen: &Seen,
    disk: Disk,
    now: Instant,
) -> Vec<String> {
    let mut idle: Vec<(Instant, &cri::Image)> = images
        .iter()
        .filter(|image| !image.pinned && !names(image).any(|name| used.contains(name)))
        .map(|image| (seen.get(&image.id).copied().unwrap_or(now), image))
        .filter(|(since, _)| now.duration_since(*since) >= YOUNG)
        .collect();
    idle.sort_by(|(one, image), (other, another)| one.cmp(other).then_with(|| image.id.cmp(&another.id)));
    let (mut going, mut freed) = (Vec::new(), 0);
    for (_, image) in idle {
        if freed >= disk.excess() {
            break;
        }
        freed += image.size;
        going.push(image.id.clone());
    }
    going
}

fn names(image: &cri::Image) -> impl Iterator<Item = &String> {
    [&image.id].into_iter().chain(&image.repo_tags).chain(&image.repo_digests)
}

impl Images {
    /// Removes what has to go.
    pub(crate) async fn sweep(&self) -> Result<()> {
        let images = self.client.call(cri::ListImagesRequest {}, "").await?.images;
        let used = self.used().await?;
        let Some(disk) = self.disk().await? else { return Ok(()) };
        let now = Instant::now();
        let going = {
            let mut seen = self.seen.lock();
            note(&mut seen, &images, &used, now);
            plan(&images, &used, &seen, disk, now)
        };
        for image in going {
            tracing::info!(image, "the disk is nearly full: removing an image that nothing uses");
            let request = cri::RemoveImageRequest { image: Some(cri::ImageSpec { image: image.clone() }) };
            match self.client.call(request, &format!("image {image}")).await {
                Ok(_) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What containers were made from, those of others included, and what every sandbox is.
    async fn used(&self) -> Result<BTreeSet<String>> {
        let containers = self.client.call(cri::ListContainersRequest { filter: None }, "").await?.containers;
        let of = |container: cri::Container| [container.image_ref, container.image.unwrap_or_default().image];
        let mut used: BTreeSet<String> = containers.into_iter().flat_map(of).collect();
        if let Some(name) = self.sandbox_image().await? {
            // Before containerd 2 it is not marked as pinned.
            used.extend(self.known(&name).await?.map(|image| image.id));
        }
        Ok(used)
    }

    async fn disk(&self) -> Result<Option<Disk>> {
        let answer = self.client.call(cri::ImageFsInfoRequest {}, "").await?;
        let place = answer.image_filesystems.into_iter().next().and_then(|usage| usage.fs_id);
        let Some(place) = place.map(|place| place.mountpoint).filter(|place| !place.is_empty()) else {
            return Ok(None);
        };
        let disk = rustix::fs::statvfs(place.as_str());
        let disk = disk.map_err(|error| Error::Unavailable(format!("failed to see how full {place} is: {error}")))?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Ok(Some(Disk { size: bytes(disk.f_blocks), used: bytes(disk.f_blocks.saturating_sub(disk.f_bavail)) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, size: u64) -> cri::Image {
        cri::Image { id: id.to_owned(), size, repo_tags: vec![format!("r.test/{id}:1")], ..cri::Image::default() }
    }

    /// Images a, b and c, unused for three, two and one hours; `used` by name.
    fn check(used: &[&str], percent: u64, expected: &[&str]) {
        let now = Instant::now() + Duration::from_secs(100_000);
        let hours = |hours: u64| now - Duration::from_secs(hours * 3600);
        let images = [image("a", 40), image("b", 40), image("c", 40), image("new", 40)];
        let seen: Seen = [("a", hours(3)), ("b", hours(2)), ("c", hours(1)), ("new", now)]
            .map(|(id, since)| (id.to_owned(), since))
            .into();
        let used = used.iter().map(|&name| name.to_owned()).collect();
        let disk = Disk { size: 1000, used: percent * 10 };
        assert_eq!(plan(&images, &used, &seen, disk, now), expected);
    }

    #[tokio::test]
    async fn nothing_goes_while_there_is_room() {
        check(&[], 85, &[]);
    }

    #[tokio::test]
    async fn those_unused_longest_go_until_there_is_room() {
        check(&[], 86, &["a", "b"]);
        check(&[], 84, &[]);
        check(&[], 90, &["a", "b", "c"]);
    }

    #[tokio::test]
    async fn what_is_used_by_any_name_stays_and_what_is_new_too() {
        check(&["a", "r.test/b:1"], 99, &["c"]);
    }
}
