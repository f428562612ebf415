use expect_test::{Expect, expect};
use serde_json::json;
use smallvec::SmallVec;

use super::*;
use crate::plugins::{Candidate, Verdict};
use crate::profile::{Choice, Point};
use crate::testing::{asking, cluster, node, pod};
use crate::{Cursor, Profile, place};

/// What it was told and asked, and how it answers.
#[derive(Default)]
struct Script {
    said: Vec<String>,
    /// Names of nodes by number.
    names: std::collections::BTreeMap<u32, String>,
    started: bool,
    refuses: Vec<&'static str>,
    prefers: &'static str,
    fails: Option<&'static str>,
}

#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

impl Extension for Scripted {
    fn start(&mut self) -> Result<bool, String> {
        Ok(!std::mem::replace(&mut self.0.lock().started, true))
    }

    fn nodes(&mut self, changed: &[&NodeState], gone: &[u32]) -> Result<(), String> {
        let mut script = self.0.lock();
        for node in changed {
            script.names.insert(number(node.number()), node.name.clone());
        }
        let gone: Vec<_> = gone.iter().filter_map(|node| script.names.remove(node)).collect();
        let names: Vec<_> = changed.iter().map(|node| node.name.as_str()).collect();
        script.said.push(format!("nodes {names:?} gone {gone:?}"));
        Ok(())
    }

    fn usage(&mut self, changed: &[&NodeState]) -> Result<(), String> {
        let shown = |node: &&NodeState| format!("{}:{}m", node.name, node.requested.cpu);
        let shown = changed.iter().map(shown).collect::<Vec<_>>().join(" ");
        self.0.lock().said.push(format!("usage {shown}"));
        Ok(())
    }

    fn filter(&mut self, _: &PodRequest, nodes: &[u32]) -> Result<Sifted, String> {
        let mut script = self.0.lock();
        script.said.push(format!("filter of {}", nodes.len()));
        if let Some(why) = script.fails {
            script.started = false;
            return Err(why.into());
        }
        let is_refused = |node: &u32| script.refuses.iter().any(|refused| script.names[node].starts_with(refused));
        let refused = nodes.iter().enumerate().filter(|(_, node)| is_refused(node)).map(|(place, _)| place);
        Ok(Sifted { refused: refused.collect(), reason: "node(s) are not to its taste".into() })
    }

    fn score(&mut self, _: &PodRequest, nodes: &[u32]) -> Result<Vec<u8>, String> {
        let mut script = self.0.lock();
        script.said.push(format!("score of {}", nodes.len()));
        Ok(nodes.iter().map(|node| if script.names[node] == script.prefers { 100 } else { 0 }).collect())
    }
}

impl Scripted {
    fn profile(&self) -> Profile {
        let point = Point { enabled: vec![("Mine".into(), 10)], disabled: Vec::new() };
        let choice = Choice { multi_point: point, ..Choice::default() };
        Profile::chosen("p", &choice, vec![Box::new(Extended::new("Mine", Box::new(self.clone()), true, true))])
            .unwrap()
    }

    /// What it heard since it was asked last.
    fn heard(&self, expected: Expect) {
        expected.assert_eq(&std::mem::take(&mut self.0.lock().said).join("; "));
    }
}

fn goes(pod: &PodRequest, cluster: &mut Snapshot, profile: &Profile, expected: Expect) {
    let said = match place(pod, cluster, profile, &mut Cursor::default()) {
        Ok(placement) => placement.node,
        Err(failure) => failure.message(),
    };
    expected.assert_eq(&said);
}

#[test]
fn it_is_told_of_all_nodes_once_and_then_of_changes() {
    let (mine, plain) = (Scripted::default(), asking("a", "1"));
    let profile = mine.profile();
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({})), node("n3", json!({}))]);
    mine.0.lock().prefers = "n2";
    goes(&plain, &mut cluster, &profile, expect!["n2"]);
    mine.heard(expect![[r#"nodes ["n1", "n2", "n3"] gone []; usage n1:0m n2:0m n3:0m; filter of 3; score of 3"#]]);
    cluster.place(plain.clone(), "n2");
    cluster.place(asking("b", "500m"), "n2");
    goes(&plain, &mut cluster, &profile, expect!["n3"]);
    mine.heard(expect!["usage n2:1500m; filter of 2; score of 2"]);
    cluster.remove_node("n3");
    let labelled = node("n1", json!({"metadata": {"labels": {"disk": "fast"}}}));
    cluster.set_node(Arc::new(serde_json::from_value(labelled).unwrap()));
    goes(&plain, &mut cluster, &profile, expect!["n1"]);
    mine.heard(expect![[r#"nodes ["n1"] gone ["n3"]; usage n1:0m; filter of 1"#]]);
}

#[test]
fn what_it_refuses_is_told_with_its_reason_beside_those_of_others() {
    let mine = Scripted::default();
    let profile = mine.profile();
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({"spec": {"unschedulable": true}}))]);
    mine.0.lock().refuses = vec!["n"];
    goes(
        &asking("a", "1"),
        &mut cluster,
        &profile,
        expect!["0/2 nodes are available: 1 node(s) are not to its taste, 1 node(s) were unschedulable."],
    );
    let failure = place(&asking("a", "1"), &mut cluster, &profile, &mut Cursor::default()).unwrap_err();
    assert_eq!(profile.members(failure.plugins).map(Plugin::name).collect::<Vec<_>>(), ["NodeUnschedulable", "Mine"]);
    assert!(failure.resolvable.is_empty(), "no pod that goes changes its mind");
}

#[test]
fn of_many_nodes_as_many_are_asked_about_as_are_needed() {
    let mine = Scripted::default();
    let profile = mine.profile();
    let nodes: Vec<_> = (0..1000).map(|number| node(&format!("n{number:04}"), json!({}))).collect();
    let mut cluster = cluster(&nodes);
    mine.0.lock().prefers = "n0007";
    goes(&asking("a", "1"), &mut cluster, &profile, expect!["n0007"]);
    mine.0.lock().said.drain(..2);
    mine.heard(expect!["filter of 420; score of 420"]);
    mine.0.lock().refuses = vec!["n00", "n01", "n02", "n03", "n040"];
    mine.0.lock().prefers = "n0555";
    goes(&asking("a", "1"), &mut cluster, &profile, expect!["n0555"]);
    mine.heard(expect!["filter of 420; filter of 410; score of 420"]);
}

#[test]
fn a_failure_decides_nothing_and_the_next_one_hears_of_all_nodes_anew() {
    let mine = Scripted::default();
    let profile = mine.profile();
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({}))]);
    mine.0.lock().fails = Some("it trapped");
    goes(&asking("a", "1"), &mut cluster, &profile, expect![[r#"running "Mine" filter plugin: it trapped"#]]);
    let failure = place(&asking("a", "1"), &mut cluster, &profile, &mut Cursor::default()).unwrap_err().failure;
    assert_eq!(failure.as_deref(), Some(&Failure("running \"Mine\" filter plugin: it trapped".into())));
    mine.0.lock().fails = None;
    mine.0.lock().said.clear();
    mine.0.lock().prefers = "n1";
    goes(&asking("a", "1"), &mut cluster, &profile, expect!["n1"]);
    mine.heard(expect![[r#"nodes ["n1", "n2"] gone []; usage n1:0m n2:0m; filter of 2; score of 2"#]]);
}

#[test]
fn a_node_by_itself_is_asked_about_where_room_is_made() {
    let mine = Scripted::default();
    let profile = mine.profile();
    let mut cluster = cluster(&[node("n1", json!({}))]);
    let high = pod("high", json!({"priority": 10}));
    cluster.prepare(&high);
    mine.0.lock().refuses = vec!["n1"];
    let filters = crate::place::Filters::new(&high, &cluster, &profile);
    let candidate = Candidate { node: cluster.node("n1").unwrap(), gone: &[], come: &[] };
    let reason = SmallVec::from_buf(["node(s) are not to its taste".into()]);
    assert_eq!(filters.check(&candidate).1, Verdict::Impossible(reason));
}
