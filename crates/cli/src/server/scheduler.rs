//! How pods are scheduled: a `KubeSchedulerConfiguration` of `kubescheduler.config.k8s.io/v1`, upstream's form
//! (kube-scheduler/config/v1), of which profiles are read: their names, plugins, weights. A plugin of one's own is a component: its entry
//! in `pluginConfig` says where that lies.

mod extension;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sampan_meta::Quantity;
use sampan_scheduler::profile::{Choice, Point};
use sampan_scheduler::{Plugin, Profile};
use sampan_wasm::plugin::{PluginHost, PluginOptions};
use serde::Deserialize;

use super::duration;

const API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
const KIND: &str = "KubeSchedulerConfiguration";
const DEFAULT_NAME: &str = "default-scheduler";
/// What a plugin may take where nothing is said: much more than it needs, and little enough to be waited for.
const TIMEOUT: Duration = Duration::from_millis(10);
const MEMORY: u64 = 64 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    api_version: String,
    kind: String,
    percentage_of_nodes_to_score: Option<usize>,
    #[serde(default)]
    profiles: Vec<ProfileConfiguration>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProfileConfiguration {
    scheduler_name: Option<String>,
    percentage_of_nodes_to_score: Option<usize>,
    #[serde(default)]
    plugins: Plugins,
    #[serde(default)]
    plugin_config: Vec<PluginConfig>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Plugins {
    multi_point: PluginSet,
    filter: PluginSet,
    score: PluginSet,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PluginSet {
    enabled: Vec<PluginName>,
    disabled: Vec<PluginName>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginName {
    name: String,
    #[serde(default)]
    weight: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginConfig {
    name: String,
    args: Args,
}

/// Of a plugin that is a component.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    /// Seen from the configuration's directory.
    file: PathBuf,
    timeout: Option<String>,
    memory: Option<String>,
    config: Option<serde_json::Value>,
}

/// The profiles of the file; the default one without a file.
pub(super) fn profiles(path: Option<&Path>) -> Result<Vec<Profile>> {
    let Some(path) = path else { return Ok(vec![Profile::new(DEFAULT_NAME)]) };
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("failed to read the scheduler's configuration {}", path.display()))?;
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let profiles = parse(&text).and_then(|read| read.profiles(directory));
    profiles.with_context(|| format!("the scheduler's configuration {} cannot be used", path.display()))
}

fn parse(text: &str) -> Result<Configuration> {
    let read: Configuration = serde_saphyr::from_str(text).with_context(|| format!("it is no {KIND}"))?;
    if read.api_version != API_VERSION || read.kind != KIND {
        bail!("it is a {} of {}, not a {KIND} of {API_VERSION}", read.kind, read.api_version);
    }
    Ok(read)
}

impl Configuration {
    fn profiles(mut self, directory: &Path) -> Result<Vec<Profile>> {
        if self.profiles.is_empty() {
            self.profiles.push(ProfileConfiguration::default());
        }
        let only = self.profiles.len() == 1;
        let (mut names, mut host, mut profiles) = (BTreeSet::new(), None, Vec::new());
        for (at, profile) in self.profiles.into_iter().enumerate() {
            let default = only.then(|| DEFAULT_NAME.to_owned());
            let name = profile.scheduler_name.clone().or(default).filter(|name| !name.is_empty());
            let name = name.with_context(|| format!("profiles[{at}].schedulerName: Required value"))?;
            if !names.insert(name.clone()) {
                bail!("profiles[{at}].schedulerName: Duplicate value: {name:?}");
            }
            let percentage = profile.percentage_of_nodes_to_score.or(self.percentage_of_nodes_to_score);
            let made = profile.make(&name, directory, &mut host).with_context(|| format!("profile {name:?}"))?;
            profiles.push(with_percentage(made, percentage)?);
        }
        Ok(profiles)
    }
}

/// 0, as upstream has it, is the same as nothing.
fn with_percentage(profile: Profile, percentage: Option<usize>) -> Result<Profile> {
    match percentage {
        None | Some(0) => Ok(profile),
        Some(percentage @ 1..=100) => Ok(profile.percentage_of_nodes_to_score(percentage)),
        Some(percentage) => bail!("percentageOfNodesToScore is {percentage}, not in the range [0-100]"),
    }
}

impl ProfileConfiguration {
    fn make(self, name: &str, directory: &Path, host: &mut Option<PluginHost>) -> Result<Profile> {
        let Plugins { multi_point, filter, score } = self.plugins;
        let choice = Choice { multi_point: multi_point.into(), filter: filter.into(), score: score.into() };
        let (mut names, mut extensions) = (BTreeSet::new(), Vec::new());
        for plugin in self.plugin_config {
            if !names.insert(plugin.name.clone()) {
                bail!("pluginConfig: Duplicate value: {:?}", plugin.name);
            }
            let cannot = format!("plugin {:?}", plugin.name);
            extensions.push(plugin.load(directory, host).context(cannot)?);
        }
        Ok(Profile::chosen(name, &choice, extensions)?)
    }
}

impl PluginConfig {
    fn load(self, directory: &Path, host: &mut Option<PluginHost>) -> Result<Box<dyn Plugin>> {
        let Args { file, timeout, memory, config } = self.args;
        let options = PluginOptions {
            timeout: timeout
                .as_deref()
                .map_or(Ok(TIMEOUT), duration)
                .context("args.timeout is no time such as 10ms")?,
            memory_bytes: memory.as_deref().map_or(Ok(MEMORY), bytes)?,
            config: config.unwrap_or_else(|| serde_json::json!({})).to_string(),
        };
        if options.timeout.is_zero() {
            bail!("args.timeout has to be greater than 0");
        }
        let file = directory.join(file);
        let component = std::fs::read(&file).with_context(|| format!("failed to read args.file {}", file.display()))?;
        let host = match host {
            Some(host) => host,
            None => host.insert(PluginHost::start()?),
        };
        let plugin = host.load(&component, options).with_context(|| format!("{} is no plugin", file.display()))?;
        Ok(extension::plugin(&self.name, plugin))
    }
}

fn bytes(text: &str) -> Result<u64> {
    let quantity = Quantity::parse(text).ok().and_then(|quantity| u64::try_from(quantity.value()).ok());
    quantity.with_context(|| format!("args.memory {text:?} is no amount such as 64Mi"))
}

impl From<PluginSet> for Point {
    fn from(set: PluginSet) -> Self {
        Self {
            enabled: set.enabled.into_iter().map(|plugin| (plugin.name, plugin.weight)).collect(),
            disabled: set.disabled.into_iter().map(|plugin| plugin.name).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
