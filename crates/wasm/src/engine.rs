//! The one place that configures wasmtime. Compile children and sandboxes must agree on every setting that shapes machine code, so
//! all engines start from [`base`]; they differ only in how instances get their memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Stack of a guest: what a deep but sane recursion needs, and no more than a runaway one may touch.
const GUEST_STACK: usize = 512 << 10;

/// Guest stack, and what host functions need on the same stack.
const FIBER_STACK: usize = 1 << 20;

/// Settings shared by all.
fn base() -> Config {
    let mut config = Config::new();
    // The only way to take the CPU back from a guest that loops.
    config.epoch_interruption(true);
    config.wasm_component_model(true);
    // WASI 0.3.
    config.wasm_component_model_async(true);
    config.max_wasm_stack(GUEST_STACK);
    config.async_stack_size(FIBER_STACK);
    // Whole 32-bit memories are reserved as address space: no bounds checks in the code, no copying when a memory grows.
    config.memory_reservation(4 << 30);
    config.memory_guard_size(32 << 20);
    config
}

/// For instances that live long (commands) and for what the pool has no place for: memory is mapped as asked.
pub(crate) fn on_demand() -> wasmtime::Result<Engine> {
    Engine::new(&base())
}

/// For instances that live for one request: places are prepared, so that making an instance costs microseconds.
pub(crate) fn pooling(places: u32) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        .total_core_instances(places.saturating_mul(4))
        .total_memories(places.saturating_mul(2))
        .total_tables(places.saturating_mul(4))
        .total_stacks(places)
        .max_memories_per_module(4)
        .max_tables_per_module(8)
        .max_core_instances_per_component(200)
        .max_memories_per_component(16)
        .max_tables_per_component(64)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        // Kept between requests instead of being given back to the kernel and faulted in again.
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(32 << 10)
        .max_unused_warm_slots(8);
    let mut config = base();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// For scheduler plugins: compiled in the process that runs them, and called without waiting.
pub(crate) fn plugins() -> wasmtime::Result<Engine> {
    let mut config = base();
    // Nothing in them waits, and what lets guests wait costs each call.
    config.wasm_component_model_async(false);
    config.concurrency_support(false);
    Engine::new(&config)
}

/// Names the machine code that this program's engines can load: wasmtime's version, its settings and this CPU.
pub(crate) fn compatibility(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The version of wasmtime inside.
pub(crate) const WASMTIME_VERSION: &str = "48.0.8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_told_is_the_one_built_with() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"")));
    }

    #[test]
    fn both_engines_load_the_same_code() {
        let on_demand = on_demand().unwrap();
        let pooling = pooling(4).unwrap();
        assert_eq!(compatibility(&on_demand), compatibility(&pooling));
        let code = on_demand.precompile_component(b"\0asm\x0d\0\x01\0").unwrap();
        // SAFETY: the code was made one line above by an engine with the same settings.
        unsafe { wasmtime::component::Component::deserialize(&pooling, &code) }.unwrap();
    }
}
