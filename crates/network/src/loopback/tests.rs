use std::path::Path;

use super::*;

fn pod(uid: &str) -> PodRef {
    PodRef { namespace: "default".into(), name: format!("web-{uid}"), uid: uid.into() }
}

fn open(directory: &Path) -> LoopbackNetwork {
    LoopbackNetwork::open(directory, Ipv4Addr::new(127, 70, 0, 0)).unwrap()
}

#[test]
fn each_pod_gets_its_own_address_and_keeps_it_when_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let network = open(directory.path());
    let first = network.allocate(&pod("a")).unwrap();
    let second = network.allocate(&pod("b")).unwrap();
    assert_eq!(first, Ipv4Addr::new(127, 70, 0, 16));
    assert_ne!(first, second);
    assert_eq!(network.allocate(&pod("a")).unwrap(), first);
}

#[test]
fn a_restarted_agent_finds_the_addresses_it_gave() {
    let directory = tempfile::tempdir().unwrap();
    let before = open(directory.path()).allocate(&pod("a")).unwrap();
    let network = open(directory.path());
    assert_eq!(network.allocate(&pod("a")).unwrap(), before);
    assert_ne!(network.allocate(&pod("b")).unwrap(), before);
}

#[test]
fn a_released_address_is_not_given_to_the_very_next_pod() {
    let directory = tempfile::tempdir().unwrap();
    let network = open(directory.path());
    let before = network.allocate(&pod("a")).unwrap();
    network.release(&pod("a")).unwrap();
    network.release(&pod("a")).unwrap();
    assert_ne!(network.allocate(&pod("b")).unwrap(), before);
}

#[test]
fn a_full_range_says_so_and_recovers_when_an_address_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let network = open(directory.path());
    {
        let mut addresses = network.addresses.lock();
        for offset in RESERVED..0xffff {
            addresses.insert(Ipv4Addr::from(network.base + offset), format!("uid-{offset}"));
        }
    }
    let error = network.allocate(&pod("late")).unwrap_err();
    assert!(error.to_string().contains("no pod address left in 127.70.0.0/16 for pod default/web-late"), "{error}");
    network.release(&pod("uid-300")).unwrap();
    assert_eq!(network.allocate(&pod("late")).unwrap(), Ipv4Addr::from(network.base + 300));
}

#[test]
fn an_allocation_cut_short_by_a_crash_is_free_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("addresses"), "127.70.0.16\ta-u").unwrap();
    let network = open(directory.path());
    assert_eq!(network.allocate(&pod("a")).unwrap(), Ipv4Addr::new(127, 70, 0, 16));
}
