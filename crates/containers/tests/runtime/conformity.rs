//! The promises every runtime makes.

use std::sync::Arc;

use futures::future::BoxFuture;
use sampan_containers::testing::Image;
use sampan_containers::{Config, CriRuntime};
use sampan_runtime::Runtime;
use sampan_runtime::conformance::{Commands, Guest, Guests, Subject};
use serde_json::json;

use crate::registry::Registry;
use crate::setting::{self, Setting};

struct ContainerGuests {
    registry: Arc<Registry>,
    config: Config,
}

impl ContainerGuests {
    fn guest(&self, words: &[&str]) -> Guest {
        setting::guest(&self.registry, words)
    }
}

impl Guests for ContainerGuests {
    fn exits(&self, code: i32) -> Guest {
        self.guest(&["exits", &code.to_string()])
    }
    fn prints(&self, stdout: &[&str], stderr: &[&str]) -> Guest {
        let count = stdout.len().to_string();
        self.guest(&[&["prints", count.as_str()], stdout, stderr].concat())
    }
    fn sleeps(&self) -> Guest {
        self.guest(&["sleeps"])
    }
    fn ignores_stop(&self) -> Guest {
        self.guest(&["ignores-stop"])
    }
    fn traps(&self) -> Guest {
        self.guest(&["dies"])
    }
    fn allocates(&self, bytes: u64) -> Guest {
        self.guest(&["allocates", &bytes.to_string()])
    }
    fn spins(&self) -> Guest {
        self.guest(&["spins"])
    }
    fn serves_http(&self) -> Guest {
        self.guest(&["serves", "18080"])
    }
    fn echoes(&self) -> Option<Guest> {
        Some(self.guest(&["echoes"]))
    }
    fn logs_are_bounded_later(&self) -> bool {
        true
    }
    fn broken(&self) -> Option<Guest> {
        let image = Image::of_layer(b"this is no archive".repeat(100), &json!({}));
        Some(Guest::of(&self.registry.push("broken", &image)))
    }
    fn unsupported(&self) -> Option<Guest> {
        None
    }
    fn foreign(&self) -> Option<Guest> {
        None
    }
    fn commands(&self) -> Option<Commands> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Some(Commands { cat: words(&["/guest", "cats"]), fails: words(&["/guest", "exits", "9"]), fails_with: 9 })
    }
    fn reads(&self) -> Option<Guest> {
        Some(self.guest(&["cats"]))
    }
    fn absent(&self) -> Guest {
        Guest::of(&format!("{}/absent:1", self.registry.host()))
    }
    fn restart(&self) -> Option<BoxFuture<'_, Arc<dyn Runtime>>> {
        Some(Box::pin(async { CriRuntime::new(self.config.clone()) as Arc<dyn Runtime> }))
    }
}

async fn subject() -> Option<Subject> {
    let Setting { runtime, registry, config, directory, number } = Setting::new().await?;
    Some(Subject {
        runtime,
        guests: Arc::new(ContainerGuests { registry, config }),
        directory: directory.path().to_owned(),
        // Its containers get theirs from CNI; this one tells subjects apart.
        address: std::net::Ipv4Addr::from(0x7fcc_0000 + number).into(),
        keep: Box::new(directory),
    })
}

sampan_runtime::conformance!(subject);
