//! A database that neither answers nor ends: a machine that swaps, a disk that hangs.

use std::process::Command;

use sampan_store::testing::postgres::PostgresServer;

use crate::programs::run;

/// Every process of a Postgres server stopped by a signal, until dropped.
pub struct Frozen {
    processes: Vec<String>,
}

impl Frozen {
    /// Freezes a running server.
    pub fn all_of(server: &PostgresServer) -> Self {
        // Its father first: it would take a child that stops for nothing, but must start no other.
        const PROCESSES: &str = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid
            UNION ALL (SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid())";
        let processes = server.sql("postgres", PROCESSES).expect("the server answers before it is frozen");
        let processes: Vec<String> = processes.lines().map(str::to_owned).collect();
        signal("-STOP", &processes);
        Self { processes }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.processes);
    }
}

fn signal(name: &str, processes: &[String]) {
    // A session may have ended meanwhile: then kill fails for that one alone.
    run(Command::new("kill").arg(name).args(processes));
}
