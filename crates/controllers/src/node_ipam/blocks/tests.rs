//! Rows, and one property: what is given never overlaps.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn networks(cluster: &[&str], ipv4: Option<u8>, ipv6: Option<u8>) -> Result<NodeNetworks, NodeNetworksError> {
    let cluster: Vec<String> = cluster.iter().map(|text| (*text).to_owned()).collect();
    NodeNetworks::new(&cluster, (ipv4, ipv6))
}

fn give(given: &mut Given, from: &NodeNetworks, node: &str, taken: &[(&str, &[&str])]) -> String {
    let owned: Vec<(&str, Vec<String>)> =
        taken.iter().map(|(node, has)| (*node, has.iter().map(|text| (*text).to_owned()).collect())).collect();
    let taken = owned.iter().map(|(node, has)| (*node, has.as_slice())).collect();
    let networks = given.give(from, node, &taken);
    networks.map_or_else(
        || "nothing".to_owned(),
        |networks| networks.iter().map(Network::to_string).collect::<Vec<_>>().join(" "),
    )
}

fn refused(cluster: &[&str], ipv4: Option<u8>, ipv6: Option<u8>, expected: Expect) {
    expected.assert_eq(&networks(cluster, ipv4, ipv6).expect_err("it is wrong").to_string());
}

#[test]
fn networks_that_nothing_can_be_given_of_are_refused() {
    refused(&["10.244.0.0"], None, None, expect![[r#""10.244.0.0" is no network; write it as 10.244.0.0/16"#]]);
    refused(&["10.244.0.0/33"], None, None, expect![[r#""10.244.0.0/33" is no network; write it as 10.244.0.0/16"#]]);
    refused(&[], None, None, expect!["networks of the cluster are one, or two of different families, and not 0"]);
    let families = expect!["networks of the cluster are one, or two of different families, and not 2"];
    refused(&["10.0.0.0/16", "10.1.0.0/16"], None, None, families);
    let large = expect!["networks of nodes in 10.244.0.0/16 must have a prefix from 16 to 32, and not 12"];
    refused(&["10.244.0.0/16"], Some(12), None, large);
    let small = expect!["networks of nodes in fd00::/40 must have a prefix from 40 to 56, and not 64"];
    refused(&["fd00::/40"], None, None, small);
}

#[test]
fn nodes_get_one_block_after_the_other_and_the_same_when_asked_again() {
    let from = networks(&["10.244.3.4/16", "fd00:1::/48"], None, None).expect("two families");
    let mut given = Given::default();
    assert_eq!(give(&mut given, &from, "a", &[]), "10.244.0.0/24 fd00:1::/64");
    assert_eq!(give(&mut given, &from, "a", &[]), "10.244.0.0/24 fd00:1::/64");
    assert_eq!(give(&mut given, &from, "b", &[]), "10.244.1.0/24 fd00:1:0:1::/64");
    // Given again as late as possible.
    given.forget("a");
    assert_eq!(give(&mut given, &from, "c", &[]), "10.244.2.0/24 fd00:1:0:2::/64");
}

#[test]
fn what_a_node_has_is_not_given_to_another_whatever_its_size() {
    let from = networks(&["10.0.0.0/24"], Some(26), None).expect("four blocks");
    let mut given = Given::default();
    // A part of the first block, and all of the second and third.
    let taken: &[(&str, &[&str])] =
        &[("a", &["10.0.0.8/29"]), ("b", &["10.0.0.64/26", "fd00::/64"]), ("c", &["10.0.0.128/26"])];
    assert_eq!(give(&mut given, &from, "d", taken), "10.0.0.192/26");
    assert_eq!(give(&mut given, &from, "e", taken), "nothing");
    assert_eq!(give(&mut given, &from, "e", &taken[1..]), "10.0.0.0/26");
    assert_eq!(give(&mut Given::default(), &from, "f", &[("whole", &["10.0.0.0/8"])]), "nothing");
}

#[test]
fn the_networks_of_services_are_left_out() {
    let services = Network::parse("10.0.0.0/25").expect("a network");
    let from = networks(&["10.0.0.0/24"], Some(26), None).expect("four blocks").without([services]);
    assert_eq!(give(&mut Given::default(), &from, "a", &[]), "10.0.0.128/26");
}

#[test]
fn a_cluster_of_one_block_has_one_node() {
    let from = networks(&["0.0.0.0/0"], Some(0), None).expect("everything");
    let mut given = Given::default();
    assert_eq!(give(&mut given, &from, "a", &[]), "0.0.0.0/0");
    assert_eq!(give(&mut given, &from, "b", &[]), "nothing");
    let from = networks(&["::/0"], None, Some(16)).expect("everything");
    assert_eq!(give(&mut Given::default(), &from, "a", &[]), "::/16");
}

proptest! {
    #[test]
    fn what_is_given_lies_within_and_never_overlaps(
        first in any::<u32>(), prefix in 8_u8..=24, more in 0_u8..=8, seen in prop::collection::vec((any::<u32>(), 8_u8..=32), 0..6), nodes in 1_usize..12,
    ) {
        let network = |(address, prefix)| format!("{}/{prefix}", Ipv4Addr::from(address));
        let cluster = network((first, prefix));
        let from = NodeNetworks::new(std::slice::from_ref(&cluster), (Some(prefix + more), None)).expect("the prefix fits");
        let seen: Vec<String> = seen.into_iter().map(network).collect();
        let mut used: Vec<Network> = seen.iter().filter_map(|text| Network::parse(text)).collect();
        let mut given = Given::default();
        for node in 0..nodes {
            let Some(networks) = given.give(&from, &node.to_string(), &BTreeMap::from([("seen", seen.as_slice())])) else { break };
            let [network] = networks.as_slice() else { panic!("one range, one network") };
            prop_assert!(network.overlaps(Network::parse(&cluster).expect("a network")) && network.prefix == prefix + more);
            prop_assert!(used.iter().all(|other| !other.overlaps(*network)), "{network} overlaps");
            used.push(*network);
        }
    }
}
