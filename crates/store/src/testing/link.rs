//! A network between a client and a server that a test can break.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of the connections made so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Flows,
    /// Nothing comes through any more and nobody is told, as when a firewall forgets a connection.
    Stalled,
    Cut,
}

/// Passes connections to a port of this machine on to another. Dropping it cuts them all.
pub struct Link {
    address: SocketAddr,
    fates: Arc<Mutex<Vec<watch::Sender<Fate>>>>,
    accepting: JoinHandle<()>,
}

impl Link {
    /// Begins to pass on what comes to a free port to `server`. Runs on the runtime it is called on.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let fates = Arc::new(Mutex::new(vec![watch::channel(Fate::Flows).0]));
        let accepting = tokio::spawn(accept(listener, server, fates.clone()));
        Ok(Link { address, fates, accepting })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the connections there are. New ones are made as before.
    pub fn cut(&self) {
        let mut fates = self.fates.lock();
        for fate in std::mem::replace(&mut *fates, vec![watch::channel(Fate::Flows).0]) {
            fate.send_replace(Fate::Cut);
        }
    }

    /// Lets the connections there are fall silent, open as they are. New ones are made as before.
    pub fn stall(&self) {
        let mut fates = self.fates.lock();
        if let Some(fate) = fates.last() {
            fate.send_replace(Fate::Stalled);
        }
        fates.push(watch::channel(Fate::Flows).0);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, fates: Arc<Mutex<Vec<watch::Sender<Fate>>>>) {
    while let Ok((client, _)) = listener.accept().await {
        let Some(fate) = fates.lock().last().map(watch::Sender::subscribe) else { return };
        tokio::spawn(pass(client, server, fate));
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr, mut fate: watch::Receiver<Fate>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    tokio::select! {
        biased;
        // An error means that the link is gone.
        _ = fate.wait_for(|fate| *fate != Fate::Flows) => {}
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
    }
    let _ = fate.wait_for(|fate| *fate == Fate::Cut).await;
}
