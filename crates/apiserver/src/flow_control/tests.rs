//! Levels, queues and waits under virtual time.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures::future::{MaybeDone, maybe_done};
use sampan_api::request::User;
use serde_json::json;

use super::*;

fn request(user: &str, group: &str, verb: &str, resource: &str) -> Attributes {
    Attributes {
        user: User::new(user, [group]),
        verb: verb.into(),
        group: if resource == "leases" { "coordination.k8s.io".into() } else { String::new() },
        version: "v1".into(),
        resource: resource.into(),
        namespace: "default".into(),
        resource_request: true,
        ..Attributes::default()
    }
}

fn alice() -> Attributes {
    request("alice", "people", "list", "pods")
}

fn control(seats: usize, wait: Duration) -> FlowControl {
    FlowControl::new(&Limits { reads: seats, writes: 0, wait, ..Limits::default() })
}

async fn enter(control: &FlowControl, request: &Attributes) -> Result<Option<Seat>, Status> {
    control.enter(request, Demand::One).await.1
}

/// Lets so many requests arrive at once; those that get a seat keep it as long as what is returned lives.
async fn begin<'a>(
    control: &'a FlowControl,
    request: &'a Attributes,
    count: usize,
) -> Vec<Pin<Box<MaybeDone<impl Future<Output = Result<Option<Seat>, Status>> + use<'a>>>>> {
    let mut all: Vec<_> = (0..count).map(|_| Box::pin(maybe_done(enter(control, request)))).collect();
    for one in &mut all {
        let _ = futures::poll!(one);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_user_leaves_nodes_leaders_and_masters_alone() {
    let control = control(600, Duration::from_secs(15));
    let alice = alice();
    let _flood = begin(&control, &alice, 5000).await;
    let began = Instant::now();
    let others = [
        request("system:node:a", "system:nodes", "update", "leases"),
        request("system:node:a", "system:nodes", "patch", "pods"),
        request("system:kube-controller-manager", "x", "update", "leases"),
        request("system:kube-scheduler", "x", "create", "pods"),
        request("system:serviceaccount:kube-system:a", "system:serviceaccounts", "list", "pods"),
        request("system:serviceaccount:default:a", "system:serviceaccounts", "list", "pods"),
        request("admin", "system:masters", "list", "pods"),
    ];
    for other in &others {
        assert!(enter(&control, other).await.is_ok(), "{}", other.user.name);
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody waited");
    assert!(enter(&control, &alice).await.is_err(), "the flood has filled its own queues");
}

#[tokio::test(start_paused = true)]
async fn a_full_level_queues_and_gives_a_free_seat_to_who_waits() {
    let control = control(1, Duration::from_secs(15));
    let alice = alice();
    let first = enter(&control, &alice).await.unwrap();
    let began = Instant::now();
    let (second, ()) = tokio::join!(enter(&control, &alice), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(first);
    });
    assert!(second.is_ok());
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_refused_and_leaves_the_queue() {
    let control = control(1, Duration::from_secs(15));
    let first = enter(&control, &alice()).await.unwrap();
    let began = Instant::now();
    let refused = enter(&control, &alice()).await.err().unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(15));
    assert_eq!(
        (refused.code, &*refused.reason, refused.details.unwrap().retry_after_seconds),
        (429, "TooManyRequests", 1)
    );
    let mut page = Page::default();
    control.report(&mut page);
    let text = page.text();
    let labels = "{priority_level=\"global-default\",flow_schema=\"global-default\"";
    for line in [
        format!("apiserver_flowcontrol_current_inqueue_requests{labels}}} 0\n"),
        format!("apiserver_flowcontrol_current_executing_requests{labels}}} 1\n"),
        format!("apiserver_flowcontrol_rejected_requests_total{labels},reason=\"time-out\"}} 1\n"),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    drop(first);
    assert!(enter(&control, &alice()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_it_waits_takes_no_seat() {
    let control = control(1, Duration::from_secs(15));
    let first = enter(&control, &alice()).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_secs(1), enter(&control, &alice())).await;
    assert!(gone.is_err());
    drop(first);
    assert!(enter(&control, &alice()).await.is_ok());
}

/// One level `l` of one seat, whose flows are users.
fn one_level(response: serde_json::Value) -> Configuration {
    let level = json!({
        "metadata": {"name": "l", "uid": "level-uid"},
        "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 100, "limitResponse": response}},
    });
    let schema = json!({
        "metadata": {"name": "s", "uid": "schema-uid"},
        "spec": {
            "priorityLevelConfiguration": {"name": "l"}, "matchingPrecedence": 500, "distinguisherMethod": {"type": "ByUser"},
            "rules": [{
                "subjects": [{"kind": "Group", "group": {"name": "people"}}],
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"]}],
            }],
        },
    });
    let dangling = json!({"metadata": {"name": "d"}, "spec": {"priorityLevelConfiguration": {"name": "none"}, "matchingPrecedence": 1,
        "rules": [{"subjects": [{"kind": "Group", "group": {"name": "*"}}], "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}]}]}});
    Configuration::from_objects([&level].into_iter(), [&schema, &dangling].into_iter())
}

fn queue(queues: u32, hand_size: u32, length: u32) -> serde_json::Value {
    json!({"type": "Queue", "queuing": {"queues": queues, "handSize": hand_size, "queueLengthLimit": length}})
}

#[tokio::test(start_paused = true)]
async fn objects_configure_and_answers_name_them() {
    let control = control(1, Duration::from_secs(15));
    control.configure(one_level(json!({"type": "Reject"})));
    let (classified, seat) = control.enter(&alice(), Demand::One).await;
    let mut headers = HeaderMap::new();
    classified.tell(&mut headers);
    assert_eq!(headers["x-kubernetes-pf-flowschema-uid"], "schema-uid");
    assert_eq!(headers["x-kubernetes-pf-prioritylevel-uid"], "level-uid");
    let began = Instant::now();
    assert!(enter(&control, &alice()).await.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO, "a level that rejects lets nobody wait");
    drop(seat);
    let masters = request("admin", "system:masters", "list", "pods");
    let (_, exempt) = control.enter(&masters, Demand::One).await;
    assert!(exempt.unwrap().is_none(), "the exempt level is there whatever the objects say");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let control = control(1, Duration::from_secs(15));
    control.configure(one_level(queue(1, 1, 2)));
    let alice = alice();
    let _one_runs_and_two_wait = begin(&control, &alice, 3).await;
    let began = Instant::now();
    assert!(enter(&control, &alice).await.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Who arrived how often with how many seats each; then every request takes 10 ms, one at a time. Says who began, in order.
fn order(configuration: &Configuration, arrivals: &[(&str, usize, u32)]) -> Vec<String> {
    let mut levels = Levels::new(configuration, 1);
    let mut names = BTreeMap::new();
    let mut now = Duration::ZERO;
    let mut running = Vec::new();
    for (user, count, seats) in arrivals {
        let found = configuration.classify(&request(user, "people", "list", "pods")).unwrap();
        for _ in 0..*count {
            match levels.arrive(now, &found, *seats) {
                Arrival::Admitted(ticket) => {
                    names.insert(ticket, (*user).to_owned());
                    running.push(ticket);
                }
                Arrival::Queued(ticket) => drop(names.insert(ticket, (*user).to_owned())),
                other => panic!("{other:?}"),
            }
        }
    }
    let mut began = Vec::new();
    while let Some(ticket) = running.pop() {
        began.push(names[&ticket].clone());
        now += Duration::from_millis(10);
        running.extend(levels.end(now, ticket));
        assert!(running.len() <= 1, "there is one seat");
    }
    assert_eq!(began.len(), names.len(), "everybody had a turn");
    began
}

#[test]
fn flows_get_equal_turns_however_much_they_ask() {
    let configuration = one_level(queue(64, 1, 1000));
    let began = order(&configuration, &[("flood", 100, 1), ("alice", 10, 1), ("bob", 10, 1)]);
    let first: Vec<&String> = began.iter().take(31).collect();
    for user in ["alice", "bob"] {
        let turns = first.iter().filter(|name| **name == user).count();
        assert!((9..=10).contains(&turns), "{user} had {turns} of the first 31 turns: {first:?}");
    }
}

#[test]
fn wide_requests_have_fewer_turns() {
    let configuration = one_level(queue(64, 1, 1000));
    let began = order(&configuration, &[("wide", 30, 4), ("narrow", 30, 1)]);
    let narrow = began.iter().take(25).filter(|name| *name == "narrow").count();
    assert!((18..=21).contains(&narrow), "{narrow} of 25 turns: {began:?}");
}

#[test]
fn seats_of_a_level_are_lent_and_come_back() {
    let configuration = Configuration::bootstrap();
    let mut levels = Levels::new(&configuration, 600);
    let find = |request: &Attributes| configuration.classify(request).unwrap();
    let people = find(&alice());
    let mut taken = Vec::new();
    while let Arrival::Admitted(ticket) = levels.arrive(Duration::ZERO, &people, 1) {
        taken.push(ticket);
    }
    let own = levels.level(people.level);
    assert_eq!((own.nominal, own.lower), (49, 24));
    assert!(own.in_use > 300 && own.in_use < 400, "what others lend was taken: {}", own.in_use);
    let accounts = find(&request("system:serviceaccount:a:b", "system:serviceaccounts", "list", "pods"));
    let kept = levels.level(accounts.level).lower;
    for _ in 0..kept {
        assert!(matches!(levels.arrive(Duration::ZERO, &accounts, 1), Arrival::Admitted(_)), "what is kept was kept");
    }
    let Arrival::Queued(waiting) = levels.arrive(Duration::ZERO, &accounts, 1) else { panic!("all is lent") };
    let started = levels.end(Duration::from_secs(1), taken[0]);
    assert_eq!(started, [waiting], "the owner of a seat comes before those who borrow");
}
