//! Images: pulled by digest, kept on disk, compiled.
//!
//! A pull asks for the manifest, sorts out what it is, fetches the one layer that holds the Wasm into the content store, has it
//! compiled and only then writes the image into the index. Nothing is believed before its digest was computed here.

mod layers;
mod manifest;
mod registry;
mod store;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_runtime::{Error, Image, ImagePull, Result};
use tokio::sync::Semaphore;

use crate::compile::agent::{Compiled, Compiler, Error as CompileError};
use crate::{Config, Limits};
use manifest::{Content, Manifest, Settings};
use registry::{Fetch, Registry};
use store::Store;

pub(crate) use store::{Record, digest_of};

/// The images of a node.
pub(crate) struct Images {
    registries: registry::Registries,
    store: Store,
    compiler: Compiler,
    limits: Limits,
    /// One at a time for each digest.
    flights: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Compilers that may run at a time: each takes a CPU or more.
    compilers: Semaphore,
}

impl Images {
    /// Opens content store, index and cache below `directory`.
    pub(crate) fn open(config: &Config, directory: &Path, compiler: Compiler) -> std::io::Result<Self> {
        Ok(Images {
            registries: registry::Registries::new(config),
            store: Store::open(directory)?,
            compiler,
            limits: config.limits.clone(),
            flights: Mutex::default(),
            compilers: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
        })
    }

    /// The image as it lies on the node, by one of its names or its digest.
    pub(crate) fn find(&self, reference: &str) -> Option<Record> {
        self.store.find(reference)
    }

    /// Whether the manifest is one of Wasm.
    pub(crate) async fn accepts(&self, image: &ImagePull) -> Result<bool> {
        let (registry, manifest) = self.manifest(image).await?;
        Ok(!matches!(self.content(&registry, &manifest).await?, Content::Foreign))
    }

    /// Fetches and compiles what is not there yet.
    pub(crate) async fn pull(&self, image: &ImagePull) -> Result<Record> {
        let (registry, manifest) = self.manifest(image).await?;
        let flight = self.flight(&manifest.digest);
        let _only_one = flight.lock().await;
        let record = match self.store.find(&manifest.digest) {
            Some(record) => record,
            None => self.fetch(&registry, &manifest).await?,
        };
        self.compiled(&record).await?;
        self.store.name(record, &image.reference).await.map_err(|error| unavailable("write the image index", &error))
    }

    /// The image's code, compiled again when the cache does not have it: after an upgrade, for example.
    pub(crate) async fn compiled(&self, record: &Record) -> Result<Compiled> {
        if let Some(compiled) = self.compiler.cached(&record.wasm).await {
            return Ok(compiled);
        }
        let flight = self.flight(&record.wasm);
        let _only_one = flight.lock().await;
        self.compile(&record.wasm, &record.digest).await
    }

    /// Code for Wasm that is no image: of these bytes, which have this digest.
    pub(crate) async fn compiled_bytes(&self, digest: &str, wasm: &[u8]) -> Result<Compiled> {
        if let Some(compiled) = self.compiler.cached(digest).await {
            return Ok(compiled);
        }
        let flight = self.flight(digest);
        let _only_one = flight.lock().await;
        self.store.put(wasm).await.map_err(|error| unavailable("write to the content store", &error))?;
        self.compile(digest, "command").await
    }

    /// Bytes a Wasm file may have.
    pub(crate) fn largest_layer(&self) -> u64 {
        self.limits.layer_bytes
    }

    async fn compile(&self, wasm: &str, image: &str) -> Result<Compiled> {
        let _turn = self.compilers.acquire().await.expect("the semaphore is never closed");
        let compiled = self.compiler.compile(wasm, &self.store.blob(wasm)).await;
        compiled.map_err(|error| match error {
            CompileError::Component(message) => bad(image, message),
            CompileError::Own(message) => Error::Unavailable(message),
        })
    }

    /// The manifest that counts: of an index, the one for Wasm.
    async fn manifest(&self, image: &ImagePull) -> Result<(Registry, Manifest)> {
        let registry = self.registries.connect(image)?;
        let manifest = registry.manifest(None, self.limits.manifest_bytes).await?;
        let manifest = Manifest::parse(manifest).map_err(|message| bad(&image.reference, message))?;
        let Some(digest) = manifest.wasm_of_index() else { return Ok((registry, manifest)) };
        let chosen = registry.manifest(Some(digest), self.limits.manifest_bytes).await?;
        let chosen = Manifest::parse(chosen).map_err(|message| bad(&image.reference, message))?;
        Ok((registry, chosen))
    }

    /// What the manifest says it holds; ordinary images show it only in their configuration.
    async fn content(&self, registry: &Registry, manifest: &Manifest) -> Result<Content> {
        let Some(config) = manifest.config_to_ask() else {
            return manifest.content(&Settings::default()).map_err(|message| bad(registry.image(), message));
        };
        let mut bytes = Vec::new();
        registry.blob(&Fetch { digest: &config.digest, limit: self.limits.manifest_bytes }, &mut bytes).await?;
        let settings = Settings::parse(&bytes).map_err(|message| bad(registry.image(), message))?;
        manifest.content(&settings).map_err(|message| bad(registry.image(), message))
    }

    async fn fetch(&self, registry: &Registry, manifest: &Manifest) -> Result<Record> {
        let (wasm, settings) = match self.content(registry, manifest).await? {
            Content::Foreign => {
                return Err(bad(registry.image(), "it is a container image and holds no Wasm".to_owned()));
            }
            Content::Wasm(layer) => {
                self.fetch_blob(registry, &layer.digest).await?;
                (layer.digest, Settings::default())
            }
            Content::Layers(layers, settings) => (self.unpack(registry, &layers, &settings).await?, settings),
        };
        let compiled = self.compile(&wasm, registry.image()).await?;
        let size = tokio::fs::metadata(self.store.blob(&wasm))
            .await
            .map_err(|error| unavailable("read the content store", &error))?
            .len();
        Ok(Record::new(manifest.digest.clone(), wasm, size, compiled.artifact.entry.serves(), settings))
    }

    /// Into the content store, unless it is there.
    async fn fetch_blob(&self, registry: &Registry, digest: &str) -> Result<()> {
        if self.store.has(digest).await {
            return Ok(());
        }
        let mut incoming =
            self.store.incoming().await.map_err(|error| unavailable("write to the content store", &error))?;
        registry.blob(&Fetch { digest, limit: self.limits.layer_bytes }, &mut incoming.file).await?;
        incoming.keep(digest).await.map_err(|error| unavailable("write to the content store", &error))
    }

    /// Takes the entry point's Wasm out of the layers of an ordinary image.
    async fn unpack(
        &self,
        registry: &Registry,
        layers: &[manifest::Descriptor],
        settings: &Settings,
    ) -> Result<String> {
        let path = settings
            .program()
            .ok_or_else(|| bad(registry.image(), "its configuration names no entry point".to_owned()))?
            .to_owned();
        for layer in layers {
            self.fetch_blob(registry, &layer.digest).await?;
        }
        let blobs = layers.iter().map(|layer| self.store.blob(&layer.digest)).collect();
        let limit = self.limits.layer_bytes;
        let unpacked = tokio::task::spawn_blocking(move || layers::take(blobs, &path, limit)).await;
        let wasm = unpacked.expect("unpacking does not panic").map_err(|message| bad(registry.image(), message))?;
        self.store.put(&wasm).await.map_err(|error| unavailable("write to the content store", &error))
    }

    fn flight(&self, digest: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock();
        // Those nobody holds any more are done.
        flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        flights.entry(digest.to_owned()).or_default().clone()
    }
}

impl From<Record> for Image {
    fn from(record: Record) -> Image {
        Image {
            command: record.entrypoint.iter().chain(&record.cmd).cloned().collect(),
            references: record.references,
            digest: record.digest,
            size: record.size,
            serves: record.serves,
        }
    }
}

fn bad(image: &str, message: String) -> Error {
    Error::BadImage { image: image.to_owned(), message }
}

fn unavailable(what: &str, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("failed to {what}: {error}"))
}
