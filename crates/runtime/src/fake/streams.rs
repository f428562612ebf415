//! Commands and clients of imagined containers.

use futures::StreamExt;
use futures::future::BoxFuture;

use super::{FakeRuntime, run};
use crate::{ContainerState, Error, Exec, ExecOutput, Exit, ExitReason, Result, Streams};

/// Exit code of a command that is killed.
const KILLED: i32 = 137;

impl Exec for FakeRuntime {
    /// `cat` prints its input, `exit CODE` ends with that code; there are no others.
    fn run<'a>(&'a self, id: &'a str, command: Vec<String>, streams: Streams) -> BoxFuture<'a, Result<i32>> {
        Box::pin(async move {
            let mut ended = self.ended(id)?;
            let killed = async {
                let _removed = ended.wait_for(|ended| *ended).await;
            };
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            match words[..] {
                ["exit", code] => code.parse().map_err(|_| Error::Invalid(format!("{code} is no exit code"))),
                ["cat"] => tokio::select! { biased;
                    () = copy(streams) => Ok(0),
                    () = killed => Ok(KILLED),
                },
                _ => Err(Error::Invalid(format!("exec: {:?}: executable file not found in $PATH", words.first()))),
            }
        })
    }
}

impl FakeRuntime {
    /// A container with an open standard input prints what it reads, and ends with it.
    pub(super) async fn attach_to(&self, id: &str, streams: Streams) -> Result<()> {
        let mut ended = self.ended(id)?;
        let interactive = self.config(id).is_some_and(|config| config.interactive.stdin);
        if interactive {
            copy_and_log(self, id, streams).await;
            let exit = Exit { code: 0, reason: ExitReason::Completed, message: String::new() };
            run::finish(&self.shared, id, exit);
        }
        let _removed = ended.wait_for(|ended| *ended).await;
        Ok(())
    }

    /// Becomes true when a running container has ended.
    fn ended(&self, id: &str) -> Result<tokio::sync::watch::Receiver<bool>> {
        let mut state = self.shared.state();
        let container = state.container_mut(id)?;
        match container.state {
            ContainerState::Running { .. } => Ok(container.ended.subscribe()),
            _ => Err(Error::Invalid(format!("container {id} does not run"))),
        }
    }
}

async fn copy(mut streams: Streams) {
    while let Some(bytes) = streams.stdin.next().await {
        let _gone = streams.output.send(ExecOutput::Stdout(bytes)).await;
    }
}

async fn copy_and_log(runtime: &FakeRuntime, id: &str, mut streams: Streams) {
    let Some(config) = runtime.config(id) else { return };
    while let Some(bytes) = streams.stdin.next().await {
        let lines = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        let program = super::Program { stdout: lines, ..super::Program::default() };
        // What cannot be logged is still shown.
        let _unwritten = super::log::write(&config, &program, runtime.shared.now());
        let _gone = streams.output.send(ExecOutput::Stdout(bytes)).await;
    }
}
