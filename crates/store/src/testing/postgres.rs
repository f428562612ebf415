//! A real Postgres server for a test: made by `initdb` in a directory of its own, gone with the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::free_port;

/// Makes a cluster and starts it; stops it and removes everything once its input ends, which it does when the test's process
/// ends, however it ends. Arguments: where the programs are, the directory, the port.
const KEEPER: &str = r#"
set -e
trap '' PIPE
bin=$1 directory=$2 port=$3
cd "$directory"
"$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync >initdb.log 2>&1 || { cat initdb.log; exit 1; }
cat >>data/postgresql.conf <<EOF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$directory'
shared_buffers = 32MB
max_connections = 100
fsync = on
EOF
"$bin/pg_ctl" -D data -l server.log -w start >pg_ctl.log 2>&1 || { cat pg_ctl.log server.log; exit 1; }
set +e
echo ready
cat >/dev/null
"$bin/pg_ctl" -D data -m immediate -w stop >/dev/null 2>&1
cd /
rm -rf "$directory"
"#;

/// A running server. Dropping it, or ending the process in any way, stops the server and removes its files.
pub struct PostgresServer {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    databases: AtomicU64,
    keeper: Child,
    alive: Option<ChildStdin>,
}

impl PostgresServer {
    /// Starts a server on a free loopback port. As root it runs as the user `postgres`, for Postgres
    /// refuses root. The error says what is missing or what the server said.
    pub fn start() -> Result<Self, String> {
        let programs = programs().ok_or("no Postgres server found: install the Debian package postgresql")?;
        let mut failure = String::new();
        for _ in 0..3 {
            // Somebody may take the port before the server does: then another.
            match PostgresServer::start_in(&programs, &make_directory()?, free_port()) {
                Ok(server) => return Ok(server),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// The server that all tests of this process share; each makes its own databases.
    pub fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<PostgresServer, String>> = OnceLock::new();
        SHARED.get_or_init(PostgresServer::start).as_ref().map_err(Clone::clone)
    }

    fn start_in(programs: &Path, directory: &Path, port: u16) -> Result<Self, String> {
        let arguments = [programs.as_os_str(), directory.as_os_str()];
        let mut keeper = as_server_user("sh")
            .args(["-c", KEEPER, "sh"])
            .args(arguments)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Whoever interrupts the tests must not interrupt the cleaning up.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot run the Postgres server: {error}"))?;
        let alive = keeper.stdin.take();
        let output = keeper.stdout.take().ok_or("the server's keeper has no output")?;
        let mut said = String::new();
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|error| error.to_string())?;
            if line == "ready" {
                let directory = directory.to_owned();
                let databases = AtomicU64::new(0);
                return Ok(PostgresServer { programs: programs.to_owned(), directory, port, databases, keeper, alive });
            }
            said.push_str(&line);
            said.push('\n');
        }
        let _ = keeper.wait();
        let _ = fs::remove_dir_all(directory);
        Err(format!("the Postgres server does not start:\n{said}"))
    }

    /// Makes an empty database and returns its URL.
    pub fn create_database(&self) -> Result<String, String> {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Runs SQL with `psql` and returns the rows it prints.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url(database)]);
        run(psql)
    }

    /// Stops the server as a crash would: nothing is flushed that had not been.
    pub fn crash(&self) -> Result<(), String> {
        self.control(&["-m", "immediate", "stop"])
    }

    /// Stops the server in good order, ending every session.
    pub fn stop(&self) -> Result<(), String> {
        self.control(&["-m", "fast", "stop"])
    }

    /// Starts the server again on the same port.
    pub fn start_again(&self) -> Result<(), String> {
        self.control(&["-l", "server.log", "start"])
    }

    fn control(&self, arguments: &[&str]) -> Result<(), String> {
        let mut control = as_server_user(self.programs.join("pg_ctl"));
        control.current_dir(&self.directory).args(["-D", "data", "-w"]).args(arguments);
        // What the server inherits it keeps open: a pipe would never end.
        control.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match control.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("pg_ctl {}: {status}", arguments.join(" "))),
            Err(error) => Err(format!("pg_ctl cannot be run: {error}")),
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.alive.take());
        let _ = self.keeper.wait();
    }
}

fn run(mut command: Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Where `initdb`, `pg_ctl` and `psql` are: in the path, or where Debian puts those of the newest version.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    debian.reverse();
    std::env::split_paths(&path)
        .chain(debian)
        .find(|directory| ["initdb", "pg_ctl", "psql"].iter().all(|program| directory.join(program).is_file()))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn as_server_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn make_directory() -> Result<PathBuf, String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("sampan-postgres-{}-{number}", std::process::id()));
    fs::create_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    if is_root() {
        let mut id = Command::new("id");
        id.args(["-u", "postgres"]);
        let user = run(id).map_err(|_| "there is no user postgres: install the Debian package postgresql")?;
        let user = user.parse().map_err(|error| format!("user id {user}: {error}"))?;
        chown(&directory, Some(user), None).map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    Ok(directory)
}
