//! Which plugins a profile has, as a KubeSchedulerConfiguration says it: by name, at all points or at one, with weights. Upstream's
//! `mergePlugins` (pkg/scheduler/apis/config/v1) and `expandMultiPointPlugins` (pkg/scheduler/framework/runtime).

use std::collections::BTreeSet;

use super::{Enabled, PluginSet, Profile};
use crate::plugins::{self, Plugin};

/// Stands for all plugins that are on by default.
const EVERY: &str = "*";

/// Plugins that are no files here but parts of the scheduler itself.
const BUILT_IN: [&str; 5] =
    ["SchedulingGates", "PrioritySort", "DefaultPreemption", "DefaultBinder", "DynamicResources"];

/// What is said of one point where plugins take part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Names with their weights; 0: the default of 1.
    pub enabled: Vec<(String, i32)>,
    /// Names, or `*` for all that are on by default.
    pub disabled: Vec<String>,
}

/// What a profile says of plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// At every point where the plugin has something to say.
    pub multi_point: Point,
    /// Which nodes fit; goes before what `multi_point` says.
    pub filter: Point,
    /// Which nodes are better; goes before what `multi_point` says.
    pub score: Point,
}

/// Why plugins cannot be chosen so. The first half is upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No plugin has that name.
    #[error("plugin {0:?} does not exist; one of your own needs an entry with args.file in pluginConfig")]
    Unknown(String),
    /// It is always there.
    #[error("plugin {0:?} is a part of the scheduler and can be neither enabled nor disabled")]
    BuiltIn(String),
    /// It is named twice at one point.
    #[error("plugin {0:?} already registered as {1:?}; name it once")]
    Twice(String, &'static str),
    /// It has nothing to say there.
    #[error("plugin {0:?} does not extend {1} plugin")]
    OutOfPlace(String, &'static str),
    /// A weight below nothing.
    #[error("plugin {0:?} has the weight {1}; weights are positive")]
    Weight(String, i32),
    /// An extension has the name of a plugin that is there already.
    #[error("plugin {0:?} takes no args here; give a plugin of your own another name")]
    Taken(String),
    /// An extension that no point enables.
    #[error("plugin {0:?} has an entry in pluginConfig and is enabled nowhere; name it in plugins.multiPoint.enabled")]
    Unused(String),
    /// There are more than can be told apart.
    #[error("there are {0} plugins; a profile has {max} at most", max = PluginSet::BITS)]
    TooMany(usize),
}

impl Profile {
    /// The default plugins as `choice` changes them, and `extensions`, which are on where it names them.
    pub fn chosen(name: &str, choice: &Choice, extensions: Vec<Box<dyn Plugin>>) -> Result<Self, ChoiceError> {
        let mut profile = Self::new(name);
        for plugin in extensions {
            if profile.plugins.iter().any(|other| other.plugin.name() == plugin.name()) {
                return Err(ChoiceError::Taken(plugin.name().to_owned()));
            }
            profile.plugins.push(Enabled { plugin, weight: 0, filters: false });
        }
        if profile.plugins.len() > PluginSet::BITS as usize {
            return Err(ChoiceError::TooMany(profile.plugins.len()));
        }
        let defaults = plugins::all().len();
        profile.check("MultiPointPlugin", &choice.multi_point, |_| true)?;
        profile.check("FilterPlugin", &choice.filter, filters)?;
        profile.check("ScorePlugin", &choice.score, scores)?;
        for (number, enabled) in profile.plugins.iter_mut().enumerate() {
            let everywhere = everywhere(enabled, number < defaults, &choice.multi_point);
            let name = enabled.plugin.name();
            let filter = at(name, &choice.filter, everywhere).filter(|_| filters(enabled));
            let score = at(name, &choice.score, everywhere).filter(|_| scores(enabled));
            if number >= defaults && filter.or(score).is_none() {
                return Err(ChoiceError::Unused(name.to_owned()));
            }
            (enabled.filters, enabled.weight) = (filter.is_some(), score.unwrap_or(0));
        }
        Ok(profile)
    }

    fn check(&self, kind: &'static str, point: &Point, extends: impl Fn(&Enabled) -> bool) -> Result<(), ChoiceError> {
        let mut seen = BTreeSet::new();
        for (name, weight) in &point.enabled {
            if !extends(self.named(name)?) {
                return Err(ChoiceError::OutOfPlace(name.clone(), kind));
            }
            if *weight < 0 {
                return Err(ChoiceError::Weight(name.clone(), *weight));
            }
            if !seen.insert(name) {
                return Err(ChoiceError::Twice(name.clone(), kind));
            }
        }
        for name in point.disabled.iter().filter(|name| *name != EVERY) {
            self.named(name)?;
        }
        Ok(())
    }

    fn named(&self, name: &str) -> Result<&Enabled, ChoiceError> {
        let found = self.plugins.iter().find(|enabled| enabled.plugin.name() == name);
        found.ok_or_else(|| match BUILT_IN.contains(&name) {
            true => ChoiceError::BuiltIn(name.to_owned()),
            false => ChoiceError::Unknown(name.to_owned()),
        })
    }
}

/// Of the default plugins those score that have a weight.
fn scores(enabled: &Enabled) -> bool {
    enabled.plugin.scores() && (enabled.weight != 0 || !is_default(enabled.plugin.name()))
}

fn filters(enabled: &Enabled) -> bool {
    enabled.plugin.filters()
}

fn is_default(name: &str) -> bool {
    plugins::all().iter().any(|(plugin, _)| plugin.name() == name)
}

/// The weight where nothing more is said of a single point; `None`: it is off.
fn everywhere(enabled: &Enabled, default: bool, point: &Point) -> Option<i64> {
    let name = enabled.plugin.name();
    let off = point.disabled.iter().any(|disabled| disabled == name || disabled == EVERY);
    given(name, point).or_else(|| (default && !off).then_some(enabled.weight))
}

/// The weight at a point; `None`: it is off there.
fn at(name: &str, point: &Point, everywhere: Option<i64>) -> Option<i64> {
    let off = point.disabled.iter().any(|disabled| disabled == name || disabled == EVERY);
    given(name, point).or_else(|| everywhere.filter(|_| !off))
}

fn given(name: &str, point: &Point) -> Option<i64> {
    let (_, weight) = point.enabled.iter().find(|(enabled, _)| enabled == name)?;
    Some(i64::from(*weight).max(1))
}

#[cfg(test)]
mod tests;
