//! Transports: a service of this process, or HTTPS to another machine.

use std::path::{Path, PathBuf};

use http::{Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, Service};

/// Why no client could be made of a kubeconfig.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The file is absent, unreadable, or says something that cannot be used.
    #[error("failed to read kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file that was asked for.
        path: PathBuf,
        #[source]
        /// What kube found wrong with it.
        source: Box<kube::config::KubeconfigError>,
    },
    /// The certificates or the address in it make no usable client.
    #[error("failed to make a client of kubeconfig {}", path.display())]
    Client {
        /// The file that was asked for.
        path: PathBuf,
        #[source]
        /// What kube or rustls refused.
        source: Box<kube::Error>,
    },
}

impl TransportError {
    /// Never: the file has to change first.
    #[must_use]
    pub fn retryable(&self) -> bool {
        false
    }
}

/// Makes a client of a service in this process: no socket, no TLS; the service knows who is asking.
///
/// # Panics
/// Outside a tokio runtime: requests are passed to the service by a task.
pub fn in_process<S, B>(service: S, default_namespace: &str) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Client::new(service, default_namespace)
}

/// Makes a client of the kubeconfig at `path`, of its current context: HTTPS with rustls, client certificate or token as it says.
/// The file is read once. Requests are not repeated by the transport; who asks decides about that.
pub async fn from_kubeconfig(path: &Path) -> Result<Client, TransportError> {
    // With a provider set for the process, every rustls user in it agrees; kube's own choice is the same one.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    let unreadable = |source| TransportError::Kubeconfig { path: path.to_owned(), source: Box::new(source) };
    let unusable = |source| TransportError::Client { path: path.to_owned(), source: Box::new(source) };
    let kubeconfig = Kubeconfig::read_from(path).map_err(unreadable)?;
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(unreadable)?;
    config.default_retry = false;
    Ok(ClientBuilder::try_from(config).map_err(unusable)?.build())
}

#[cfg(test)]
mod tests;
