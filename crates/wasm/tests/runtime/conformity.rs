//! The promises every runtime makes.

use std::sync::Arc;

use futures::future::BoxFuture;
use sampan_runtime::Runtime;
use sampan_runtime::conformance::{Commands, Guest, Guests, Subject};
use sampan_wasm::{Config, WasmRuntime};

use crate::registry::Registry;
use crate::setting::{Setting, next_address};
use crate::{guests, service_guest};

struct WasmGuests {
    registry: Arc<Registry>,
    config: Config,
}

impl WasmGuests {
    fn image(&self, name: &str, wasm: Vec<u8>) -> Guest {
        Guest::of(&self.registry.push(name, wasm))
    }
}

impl Guests for WasmGuests {
    fn exits(&self, code: i32) -> Guest {
        self.image(&format!("exits-{code}"), guests::exits(code))
    }
    fn prints(&self, stdout: &[&str], stderr: &[&str]) -> Guest {
        self.image("prints", guests::prints_both(stdout, stderr))
    }
    fn sleeps(&self) -> Guest {
        self.image("sleeps", guests::stays(""))
    }
    fn ignores_stop(&self) -> Guest {
        self.image("sleeps", guests::stays(""))
    }
    fn traps(&self) -> Guest {
        self.image("traps", guests::traps())
    }
    fn allocates(&self, bytes: u64) -> Guest {
        self.image("allocates", guests::allocates(bytes))
    }
    fn spins(&self) -> Guest {
        self.image("spins", guests::spins())
    }
    fn serves_http(&self) -> Guest {
        self.image("serves", service_guest::component())
    }
    fn echoes(&self) -> Option<Guest> {
        Some(self.image("echoes", guests::echoes()))
    }
    fn commands(&self) -> Option<Commands> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Some(Commands { cat: words(&["cat"]), fails: words(&["sh", "-c", "exit 3"]), fails_with: 3 })
    }
    fn reads(&self) -> Option<Guest> {
        let toolbox = include_bytes!("../../../../samples/toolbox/toolbox.wasm");
        Some(Guest { command: vec!["cat".to_owned()], ..self.image("toolbox", toolbox.to_vec()) })
    }
    fn broken(&self) -> Option<Guest> {
        let whole = service_guest::component();
        Some(self.image("broken", whole[..whole.len() / 2].to_vec()))
    }
    fn unsupported(&self) -> Option<Guest> {
        Some(self.image("unsupported", guests::imports_what_nobody_offers()))
    }
    fn foreign(&self) -> Option<Guest> {
        Some(Guest::of(&self.registry.push_container_image("foreign")))
    }
    fn absent(&self) -> Guest {
        Guest::of(&format!("{}/absent:1", self.registry.host()))
    }
    fn restart(&self) -> Option<BoxFuture<'_, Arc<dyn Runtime>>> {
        Some(Box::pin(async { WasmRuntime::new(self.config.clone()).await.unwrap() as Arc<dyn Runtime> }))
    }
}

async fn subject() -> Subject {
    let Setting { runtime, registry, directory, config } = Setting::new().await;
    let files = directory.path().join("files");
    std::fs::create_dir(&files).unwrap();
    Subject {
        runtime,
        guests: Arc::new(WasmGuests { registry, config }),
        directory: files,
        address: next_address(),
        keep: Box::new(directory),
    }
}

sampan_runtime::conformance!(subject);
