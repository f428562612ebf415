use expect_test::{Expect, expect};

use super::*;

struct Extension(&'static str, bool, bool);

impl Plugin for Extension {
    fn name(&self) -> &str {
        self.0
    }

    fn filters(&self) -> bool {
        self.1
    }

    fn scores(&self) -> bool {
        self.2
    }
}

fn point(enabled: &[(&str, i32)], disabled: &[&str]) -> Point {
    let enabled = enabled.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
    Point { enabled, disabled: disabled.iter().map(|name| (*name).to_owned()).collect() }
}

/// The plugins that take part and are not as they are by default: `-Name` off, `Name/` no filter, `Name*3` scores with 3.
fn check(choice: &Choice, extensions: Vec<Box<dyn Plugin>>, expected: Expect) {
    let said = match Profile::chosen("p", choice, extensions) {
        Err(error) => error.to_string(),
        Ok(profile) => {
            let plain = Profile::new("p");
            let differs = |enabled: &&Enabled| {
                let default = plain.plugins.iter().find(|default| default.plugin.name() == enabled.plugin.name());
                default.is_none_or(|default| {
                    (default.weight, default.filters && default.plugin.filters()) != (enabled.weight, enabled.filters)
                })
            };
            profile.plugins.iter().filter(differs).map(shown).collect::<Vec<_>>().join(" ")
        }
    };
    expected.assert_eq(&said);
}

fn shown(enabled: &Enabled) -> String {
    let name = enabled.plugin.name();
    match (enabled.filters, enabled.weight) {
        (false, 0) => format!("-{name}"),
        (true, 0) => format!("{name}+"),
        (true, weight) => format!("{name}+*{weight}"),
        (false, weight) => format!("{name}*{weight}"),
    }
}

#[test]
fn nothing_said_is_the_default() {
    check(&Choice::default(), vec![], expect![""]);
}

#[test]
fn a_weight_at_one_point_goes_before_that_at_all() {
    let choice = Choice {
        multi_point: point(&[("NodeAffinity", 5), ("ImageLocality", 0)], &[]),
        score: point(&[("ImageLocality", 7)], &["TaintToleration"]),
        ..Choice::default()
    };
    check(&choice, vec![], expect!["TaintToleration+ NodeAffinity+*5 ImageLocality*7"]);
}

#[test]
fn a_star_turns_all_off_but_those_named() {
    let choice = Choice { multi_point: point(&[("NodeResourcesFit", 4)], &["*"]), ..Choice::default() };
    check(
        &choice,
        vec![],
        expect![
            "-NodeUnschedulable -NodeName -TaintToleration -NodeAffinity -NodePorts NodeResourcesFit+*4 -VolumeRestrictions -NodeVolumeLimits -VolumeBinding -VolumeZone -PodTopologySpread -InterPodAffinity -NodeResourcesBalancedAllocation -ImageLocality"
        ],
    );
}

#[test]
fn disabled_at_one_point_it_stays_at_the_other() {
    let choice = Choice { filter: point(&[], &["NodeAffinity"]), ..Choice::default() };
    check(&choice, vec![], expect!["NodeAffinity*2"]);
}

#[test]
fn an_extension_is_on_where_it_is_named_and_has_something_to_say() {
    let both = || -> Vec<Box<dyn Plugin>> { vec![Box::new(Extension("Mine", true, true))] };
    let everywhere = Choice { multi_point: point(&[("Mine", 0)], &[]), ..Choice::default() };
    check(&everywhere, both(), expect!["Mine+*1"]);
    check(&everywhere, vec![Box::new(Extension("Mine", false, true))], expect!["Mine*1"]);
    let score = Choice { score: point(&[("Mine", 9)], &[]), ..Choice::default() };
    check(&score, both(), expect!["Mine*9"]);
    check(
        &score,
        vec![Box::new(Extension("Mine", true, false))],
        expect![[r#"plugin "Mine" does not extend ScorePlugin plugin"#]],
    );
}

#[test]
fn what_cannot_be_chosen_is_said() {
    let enabled = |list: &[(&str, i32)]| Choice { multi_point: point(list, &[]), ..Choice::default() };
    let none = Vec::new;
    check(
        &enabled(&[("Nothing", 0)]),
        none(),
        expect![[r#"plugin "Nothing" does not exist; one of your own needs an entry with args.file in pluginConfig"#]],
    );
    check(
        &enabled(&[("NodeName", 0), ("NodeName", 0)]),
        none(),
        expect![[r#"plugin "NodeName" already registered as "MultiPointPlugin"; name it once"#]],
    );
    check(
        &enabled(&[("NodeAffinity", -1)]),
        none(),
        expect![[r#"plugin "NodeAffinity" has the weight -1; weights are positive"#]],
    );
    let off = Choice { multi_point: point(&[], &["DefaultPreemption"]), ..Choice::default() };
    check(
        &off,
        none(),
        expect![[r#"plugin "DefaultPreemption" is a part of the scheduler and can be neither enabled nor disabled"#]],
    );
    let score = Choice { score: point(&[("NodePorts", 1)], &[]), ..Choice::default() };
    check(&score, none(), expect![[r#"plugin "NodePorts" does not extend ScorePlugin plugin"#]]);
    let extension = |name| -> Vec<Box<dyn Plugin>> { vec![Box::new(Extension(name, true, true))] };
    check(
        &Choice::default(),
        extension("NodeName"),
        expect![[r#"plugin "NodeName" takes no args here; give a plugin of your own another name"#]],
    );
    check(
        &Choice::default(),
        extension("Mine"),
        expect![[
            r#"plugin "Mine" has an entry in pluginConfig and is enabled nowhere; name it in plugins.multiPoint.enabled"#
        ]],
    );
}
