//! Scheduler plugins: components that say on which nodes a pod may run and which are better, by the interface of `wit/scheduler.wit`.
//!
//! They run in the process that asks, because a decision takes some tens of microseconds and a plugin may cost a tenth of that. Whoever
//! starts the scheduler names their files, so they are trusted not to attack the compiler; beyond that they are trusted with nothing: they
//! get no WASI, a limit of memory, and for each call so much processor time. What breaks its word in any way is thrown away with all it
//! knows, and stays away for twenty times as long as it took: a plugin that always fails costs at most a twentieth of the scheduler's time.

mod instance;
mod rest;
mod types;

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::engine;
use crate::sandbox::ticker::Ticker;
use instance::{Code, Instance, State};
use rest::Rest;

pub use types::{Node, Pod, Resources, Usage};

/// What a plugin is held to.
#[derive(Clone, Debug)]
pub struct PluginOptions {
    /// Processor time for each call.
    pub timeout: Duration,
    /// All memories and tables together.
    pub memory_bytes: u64,
    /// JSON, for its `configure`.
    pub config: String,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The machine gives no engine or no thread.
    #[error("failed to start the host of scheduler plugins: {0}")]
    Host(String),
    /// It is no component, or not one of these.
    #[error("{0}")]
    Component(String),
    /// It failed, or said that its configuration will not do.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A plugin did not do as it should: what, and what to do about it, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// What a plugin says of the nodes it was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Their places in the question, ascending.
    pub places: Vec<usize>,
    /// Why, in the plugin's words.
    pub reason: String,
}

/// The engine of all plugins, and the clock that takes the processor back from them.
pub struct PluginHost {
    linker: Linker<State>,
    ticker: Ticker,
}

impl PluginHost {
    /// Makes the engine and starts the clock's thread, which sleeps while no plugin runs.
    pub fn start() -> Result<Self, LoadError> {
        let cannot = |error: &dyn std::fmt::Display| LoadError::Host(error.to_string());
        let engine = engine::plugins().map_err(|error| cannot(&error))?;
        let ticker = Ticker::start().map_err(|error| cannot(&error))?;
        ticker.add(engine.clone());
        let linker = instance::linker(&engine).map_err(|error| cannot(&error))?;
        Ok(Self { linker, ticker })
    }

    /// Compiles a component, makes an instance and configures it.
    pub fn load(&self, component: &[u8], options: PluginOptions) -> Result<Plugin, LoadError> {
        let wrong = |error: wasmtime::Error| LoadError::Component(format!("{error:#}"));
        let component = Component::new(self.engine(), component).map_err(wrong)?;
        let code = Code::new(self.linker.clone(), &component).map_err(LoadError::Component)?;
        let mut plugin =
            Plugin { code: Arc::new(code), options, ticker: self.ticker.clone(), live: None, rest: Rest::default() };
        plugin.renew()?;
        Ok(plugin)
    }

    fn engine(&self) -> &Engine {
        self.linker.engine()
    }
}

/// A plugin with its instance, if it has one at present.
///
/// After a [`Failure`] there is none, and what it knew is gone; [`Plugin::start`] makes another when it is time.
pub struct Plugin {
    code: Arc<Code>,
    options: PluginOptions,
    ticker: Ticker,
    live: Option<Instance>,
    rest: Rest,
}

impl Plugin {
    /// Whether it exports `filter`.
    pub fn filters(&self) -> bool {
        self.code.filter.is_some()
    }

    /// Whether it exports `score`.
    pub fn scores(&self) -> bool {
        self.code.score.is_some()
    }

    /// Sees that there is an instance. Returns whether it is new and knows no node; fails with what the last one failed with for as long
    /// as the plugin is left alone.
    pub fn start(&mut self) -> Result<bool, Failure> {
        if self.live.is_none() {
            if let Some(why) = self.rest.lasts(Instant::now()) {
                return Err(why.clone());
            }
            self.renew()?;
        }
        Ok(self.live.as_mut().is_some_and(|live| std::mem::take(&mut live.is_new)))
    }

    /// Tells of nodes that came or changed, and of numbers that mean no node any more.
    pub fn nodes(&mut self, changed: &[Node<'_>], gone: &[u32]) -> Result<(), Failure> {
        self.call(true, |instance| instance.nodes(changed, gone))
    }

    /// Tells what runs on nodes.
    pub fn usage(&mut self, changed: &[Usage<'_>]) -> Result<(), Failure> {
        self.call(false, |instance| instance.usage(changed))
    }

    /// Asks which of the nodes do not fit. `json` is the whole pod, should the plugin ask for it.
    pub fn filter(&mut self, pod: Pod<'_>, json: PodJson, nodes: &[u32]) -> Result<Refused, Failure> {
        self.call(false, |instance| instance.filter(pod, json, nodes))
    }

    /// Asks how good the nodes are, each from 0 to 100.
    pub fn score(&mut self, pod: Pod<'_>, json: PodJson, nodes: &[u32]) -> Result<Vec<u8>, Failure> {
        self.call(false, |instance| instance.score(pod, json, nodes))
    }

    fn renew(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        self.ticker.enter();
        let made = Instance::make(&self.code, &self.options);
        self.ticker.leave();
        match made {
            Ok(mut instance) => {
                instance.cost = began.elapsed();
                self.live = Some(instance);
                Ok(())
            }
            Err(why) => Err(self.rest.begin(why, began.elapsed())),
        }
    }

    /// One call. `counts`: making another instance costs this call again.
    fn call<T>(&mut self, counts: bool, work: impl FnOnce(&mut Instance) -> wasmtime::Result<T>) -> Result<T, Failure> {
        let Some(instance) = &mut self.live else { return Err(self.rest.last()) };
        let began = Instant::now();
        self.ticker.enter();
        instance.rearm();
        let result = work(instance);
        self.ticker.leave();
        match result {
            Ok(answer) => {
                if counts {
                    instance.cost += began.elapsed();
                }
                Ok(answer)
            }
            Err(error) => {
                let why = instance.explain(&error);
                let cost = instance.cost + began.elapsed();
                self.live = None;
                Err(self.rest.begin(why, cost))
            }
        }
    }
}

/// Makes the whole pod as JSON.
pub type PodJson = Arc<dyn Fn() -> String + Send + Sync>;

#[cfg(test)]
mod tests;
