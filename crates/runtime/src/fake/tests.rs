use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;

use super::*;
use crate::conformance::{Commands, Guest, Guests, Subject};

#[allow(clippy::disallowed_methods)] // A test may look at the wall.
fn wall_clock() -> Now {
    Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as i128)
}

struct FakeGuests(FakeRuntime);

impl FakeGuests {
    fn guest(&self, name: &str, program: Program) -> Guest {
        let reference = format!("registry.test/{name}:1");
        self.0.add_image(FakeImage::new(&reference, program));
        Guest::of(&reference)
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

impl Guests for FakeGuests {
    fn exits(&self, code: i32) -> Guest {
        self.guest("exits", Program::exits(code, Duration::ZERO))
    }

    fn prints(&self, stdout: &[&str], stderr: &[&str]) -> Guest {
        let program = Program { stdout: lines(stdout), stderr: lines(stderr), ..Program::exits(0, Duration::ZERO) };
        self.guest("prints", program)
    }

    fn sleeps(&self) -> Guest {
        self.guest("sleeps", Program::sleeps())
    }

    fn ignores_stop(&self) -> Guest {
        self.guest("ignores-stop", Program { ignores_stop: true, ..Program::default() })
    }

    fn traps(&self) -> Guest {
        self.guest("traps", Program { end: End::Trap, ..Program::default() })
    }

    fn allocates(&self, bytes: u64) -> Guest {
        self.guest("allocates", Program { memory_bytes: bytes, ..Program::exits(0, Duration::ZERO) })
    }

    fn spins(&self) -> Guest {
        self.guest("spins", Program { cpu_millis: 1000, ..Program::default() })
    }

    fn serves_http(&self) -> Guest {
        self.guest("serves", Program { serves: true, ..Program::default() })
    }

    fn echoes(&self) -> Option<Guest> {
        Some(self.guest("echoes", Program { echoes: true, ..Program::exits(0, Duration::ZERO) }))
    }

    fn commands(&self) -> Option<Commands> {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        Some(Commands { cat: words("cat"), fails: words("exit 3"), fails_with: 3 })
    }

    fn reads(&self) -> Option<Guest> {
        Some(self.guest("reads", Program::sleeps()))
    }

    fn broken(&self) -> Option<Guest> {
        let guest = self.guest("broken", Program::default());
        let reference = guest.image.reference.clone();
        let error = Error::BadImage { image: reference.clone(), message: "not a component".to_owned() };
        let pulls = vec![PullStep { delay: Duration::ZERO, error: Some(error) }];
        self.0.add_image(FakeImage { pulls, ..FakeImage::new(&reference, Program::default()) });
        Some(guest)
    }

    fn foreign(&self) -> Option<Guest> {
        let guest = Guest::of("registry.test/container:1");
        self.0.add_image(FakeImage { accepted: false, ..FakeImage::new(&guest.image.reference, Program::default()) });
        Some(guest)
    }

    fn absent(&self) -> Guest {
        Guest::of("registry.test/absent:1")
    }

    fn restart(&self) -> Option<BoxFuture<'_, Arc<dyn Runtime>>> {
        let again: Arc<dyn Runtime> = Arc::new(self.0.clone());
        Some(Box::pin(async move { again }))
    }
}

/// Each subject serves on an address of its own: cases run side by side.
fn address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 201, number[2], number[3]).into()
}

async fn subject() -> Subject {
    let runtime = FakeRuntime::new("fake", wall_clock());
    let directory = tempfile::tempdir().expect("a temporary directory");
    Subject {
        runtime: Arc::new(runtime.clone()),
        guests: Arc::new(FakeGuests(runtime)),
        directory: directory.path().to_owned(),
        address: address(),
        keep: Box::new(directory),
    }
}

crate::conformance!(subject);

#[tokio::test(start_paused = true)]
async fn a_scripted_pull_takes_its_time_and_fails_as_told_then_succeeds() {
    let runtime = FakeRuntime::new("fake", wall_clock());
    let slow = PullStep { delay: Duration::from_secs(3), error: Some(Error::pull("a:1", "registry is down")) };
    runtime.add_image(FakeImage { pulls: vec![slow], ..FakeImage::new("a:1", Program::sleeps()) });
    let pull = crate::ImagePull { reference: "a:1".to_owned(), ..Default::default() };
    let begin = tokio::time::Instant::now();
    let error = runtime.pull(&pull).await.expect_err("scripted");
    assert_eq!(error.to_string(), "failed to pull image a:1: registry is down");
    assert_eq!(begin.elapsed().as_secs(), 3);
    runtime.pull(&pull).await.expect("the script is used up");
    assert_eq!(runtime.calls(Call::Pull), 2);
}

#[tokio::test(start_paused = true)]
async fn losing_a_sandbox_ends_its_containers() {
    let guests = FakeGuests(FakeRuntime::new("fake", wall_clock()));
    let guest = guests.sleeps();
    let subject = Subject { runtime: Arc::new(guests.0.clone()), ..subject().await };
    let container = subject.launch("a", &guest).await;
    guests.0.lose_sandbox("a");
    assert_eq!(subject.exit(&container).await.code, 137);
    assert!(!guests.0.sandboxes().await.expect("listed")[0].ready);
}

#[tokio::test]
async fn a_scripted_failure_is_used_once() {
    let guests = FakeGuests(FakeRuntime::new("fake", wall_clock()));
    let guest = guests.sleeps();
    guests.0.fail(Call::Pull, Error::Unavailable("no".to_owned()));
    guests.0.pull(&guest.image).await.expect_err("scripted");
    guests.0.pull(&guest.image).await.expect("only once");
}
