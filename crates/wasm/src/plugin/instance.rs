//! One instance of a plugin, and calls of its exports.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Func, InstancePre, Lift, Linker, Lower, TypedFunc,
};
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline, format_err};

use super::types::{Node, Pod, Usage, Verdict};
use super::{PluginOptions, PodJson, Refused};
use crate::host::compatible;
use crate::sandbox::memory::{Budget, Memory};
use crate::sandbox::outcome::describe;

/// The version of the interface, as `wit/scheduler.wit` has it.
const MINOR: &str = "0.1";

/// The best a node can be.
const MOST: u8 = 100;

/// Characters of a reason that are told.
const LONGEST_REASON: usize = 200;

type NodesArguments<'a> = (&'a [Node<'a>], &'a [u32]);
type UsageArguments<'a> = (&'a [Usage<'a>],);
type Question<'a> = (Pod<'a>, &'a [u32]);
type Configured = (Result<(), String>,);

/// What a store knows of its plugin.
pub(super) struct State {
    memory: Memory,
    /// The pod asked about.
    pod: Option<PodJson>,
    timeout: Duration,
    /// Processor time of the thread when this call was first looked at.
    since: Option<Duration>,
    timed_out: bool,
}

/// What plugins are offered.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let mut pods = linker.instance("sampan:scheduler/pods@0.1.0")?;
    pods.func_wrap("json", |store: StoreContextMut<'_, State>, ()| {
        let pod = store.data().pod.as_ref().ok_or_else(|| format_err!("it asked for a pod while there was none"))?;
        Ok((pod(),))
    })?;
    Ok(linker)
}

/// A compiled plugin and where its exports are.
pub(super) struct Code {
    linked: InstancePre<State>,
    configure: ComponentExportIndex,
    nodes: ComponentExportIndex,
    usage: ComponentExportIndex,
    pub(super) filter: Option<ComponentExportIndex>,
    pub(super) score: Option<ComponentExportIndex>,
}

impl Code {
    pub(super) fn new(mut linker: Linker<State>, component: &Component) -> Result<Self, String> {
        let needed = |name: &str, function: &str| {
            let found = export(component, name, function);
            found.ok_or_else(|| format!("it exports no function {function} of sampan:scheduler/{name}@{MINOR}"))
        };
        let (filter, score) = (export(component, "filter", "filter"), export(component, "score", "score"));
        if filter.is_none() && score.is_none() {
            return Err(format!(
                "it exports neither sampan:scheduler/filter@{MINOR} nor sampan:scheduler/score@{MINOR}"
            ));
        }
        // The libraries of some languages import WASI whether they need it or not.
        let linked = linker.define_unknown_imports_as_traps(component).and_then(|()| linker.instantiate_pre(component));
        Ok(Self {
            linked: linked.map_err(|error| format!("{error:#}"))?,
            configure: needed("plugin", "configure")?,
            nodes: needed("plugin", "tell-nodes")?,
            usage: needed("plugin", "tell-usage")?,
            filter,
            score,
        })
    }
}

fn export(component: &Component, name: &str, function: &str) -> Option<ComponentExportIndex> {
    let full = format!("sampan:scheduler/{name}");
    let kind = component.component_type();
    let exported = kind.exports(component.engine()).map(|(exported, _)| exported.to_owned());
    let exported = exported.into_iter().find(|exported| compatible(exported, &full, MINOR))?;
    let interface = component.get_export_index(None, &exported)?;
    component.get_export_index(Some(&interface), function)
}

/// An instance in a store of its own.
pub(super) struct Instance {
    store: Store<State>,
    nodes: Func,
    usage: Func,
    filter: Option<Func>,
    score: Option<Func>,
    /// It has heard of no node.
    pub(super) is_new: bool,
    /// How long it took to make it and to tell it of nodes.
    pub(super) cost: Duration,
}

impl Instance {
    pub(super) fn make(code: &Code, options: &PluginOptions) -> Result<Self, String> {
        let mut store = new_store(code, options);
        make(code, &mut store, &options.config).map_err(|error| explain(&error, store.data())).map(|functions| {
            let [nodes, usage] = functions.told;
            Self {
                nodes,
                usage,
                filter: functions.filter,
                score: functions.score,
                is_new: true,
                cost: Duration::ZERO,
                store,
            }
        })
    }

    /// Begins a call: its time is counted from here.
    pub(super) fn rearm(&mut self) {
        rearm(&mut self.store);
    }

    pub(super) fn nodes(&mut self, changed: &[Node<'_>], gone: &[u32]) -> wasmtime::Result<()> {
        typed::<NodesArguments<'_>, ()>(self.nodes).call(&mut self.store, (changed, gone))
    }

    pub(super) fn usage(&mut self, changed: &[Usage<'_>]) -> wasmtime::Result<()> {
        typed::<UsageArguments<'_>, ()>(self.usage).call(&mut self.store, (changed,))
    }

    pub(super) fn filter(&mut self, pod: Pod<'_>, json: PodJson, nodes: &[u32]) -> wasmtime::Result<Refused> {
        let function = self.filter.ok_or_else(|| format_err!("it does not filter"))?;
        self.store.data_mut().pod = Some(json);
        let (verdict,) = typed::<Question<'_>, (Verdict,)>(function).call(&mut self.store, (pod, nodes))?;
        self.store.data_mut().pod = None;
        refused(verdict, nodes.len())
    }

    pub(super) fn score(&mut self, pod: Pod<'_>, json: PodJson, nodes: &[u32]) -> wasmtime::Result<Vec<u8>> {
        let function = self.score.ok_or_else(|| format_err!("it does not score"))?;
        self.store.data_mut().pod = Some(json);
        let (scores,) = typed::<Question<'_>, (Vec<u8>,)>(function).call(&mut self.store, (pod, nodes))?;
        self.store.data_mut().pod = None;
        if scores.len() != nodes.len() {
            return Err(format_err!("it gave {} scores for {} nodes", scores.len(), nodes.len()));
        }
        match scores.iter().find(|score| **score > MOST) {
            Some(score) => Err(format_err!("it gave a node the score {score}; scores end at {MOST}")),
            None => Ok(scores),
        }
    }

    /// What went wrong and what to do about it.
    pub(super) fn explain(&self, error: &wasmtime::Error) -> String {
        explain(error, self.store.data())
    }
}

/// It will not do with this configuration.
#[derive(Debug, thiserror::Error)]
#[error("it refuses its args.config: {0}")]
struct Refusal(String);

/// A call with types that [`make`] has compared with those of the component.
fn typed<P, R>(function: Func) -> TypedFunc<P, R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    // SAFETY: every pair of types this is called with was checked by `make` on the function it is called with; they differ from those
    // checked in lifetimes alone.
    unsafe { TypedFunc::new_unchecked(function) }
}

struct Functions {
    told: [Func; 2],
    filter: Option<Func>,
    score: Option<Func>,
}

fn make(code: &Code, store: &mut Store<State>, config: &str) -> wasmtime::Result<Functions> {
    let instance = code.linked.instantiate(&mut *store)?;
    let mut find = |index: &ComponentExportIndex| {
        instance.get_func(&mut *store, index).ok_or_else(|| format_err!("one of its exports is no function"))
    };
    let [configure, nodes, usage] = [find(&code.configure)?, find(&code.nodes)?, find(&code.usage)?];
    let filter = code.filter.as_ref().map(&mut find).transpose()?;
    let score = code.score.as_ref().map(&mut find).transpose()?;
    nodes.typed::<NodesArguments<'static>, ()>(&*store)?;
    usage.typed::<UsageArguments<'static>, ()>(&*store)?;
    if let Some(filter) = filter {
        filter.typed::<Question<'static>, (Verdict,)>(&*store)?;
    }
    if let Some(score) = score {
        score.typed::<Question<'static>, (Vec<u8>,)>(&*store)?;
    }
    rearm(store);
    let (configured,) = configure.typed::<(&str,), Configured>(&*store)?.call(&mut *store, (config,))?;
    configured.map_err(|why| wasmtime::Error::new(Refusal(shortened(why))))?;
    Ok(Functions { told: [nodes, usage], filter, score })
}

fn new_store(code: &Code, options: &PluginOptions) -> Store<State> {
    let state = State {
        memory: Memory::new(Budget::new(Some(options.memory_bytes))),
        pod: None,
        timeout: options.timeout,
        since: None,
        timed_out: false,
    };
    let mut store = Store::new(code.linked.component().engine(), state);
    store.limiter(|state| &mut state.memory);
    store.epoch_deadline_callback(|mut store| Ok(look_at_the_clock(store.data_mut())));
    rearm(&mut store);
    store
}

fn rearm(store: &mut Store<State>) {
    store.data_mut().since = None;
    store.set_epoch_deadline(1);
}

/// Each millisecond. It is the thread's processor time that counts: on a busy machine a plugin is not blamed for what others took.
fn look_at_the_clock(state: &mut State) -> UpdateDeadline {
    let now = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let since = *state.since.get_or_insert(now);
    if now.saturating_sub(since) < state.timeout {
        return UpdateDeadline::Continue(1);
    }
    state.timed_out = true;
    UpdateDeadline::Interrupt
}

fn explain(error: &wasmtime::Error, state: &State) -> String {
    if state.timed_out {
        let most = state.timeout.as_millis();
        return format!(
            "it took more than {most} ms of processor time; make it quicker or raise args.timeout in its pluginConfig"
        );
    }
    if let Some(denied) = state.memory.denied() {
        let (wanted, limit) = (denied.wanted, denied.limit);
        return format!(
            "it wanted {wanted} bytes of memory, over its limit of {limit}; raise args.memory in its pluginConfig"
        );
    }
    match error.downcast_ref::<Refusal>() {
        Some(refusal) => refusal.to_string(),
        None => format!("{}; mend its component", describe(error)),
    }
}

fn refused(verdict: Verdict, nodes: usize) -> wasmtime::Result<Refused> {
    let Verdict { fits, reason } = verdict;
    if fits.len() != nodes.div_ceil(64) {
        return Err(format_err!("it answered {} numbers for {nodes} nodes, of 64 bits each", fits.len()));
    }
    let mut places = Vec::new();
    for (at, word) in fits.into_iter().enumerate() {
        let first = at * 64;
        let mut others = !word & (u64::MAX >> (64 - (nodes - first).min(64)));
        while others != 0 {
            places.push(first + others.trailing_zeros() as usize);
            others &= others - 1;
        }
    }
    let reason = match (places.is_empty(), reason.is_empty()) {
        (true, _) => String::new(),
        (false, true) => "node(s) were refused without a reason".to_owned(),
        (false, false) => shortened(reason),
    };
    Ok(Refused { places, reason })
}

/// It becomes a part of an event.
fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_REASON) {
        text.truncate(end);
        text.push('…');
    }
    text
}
