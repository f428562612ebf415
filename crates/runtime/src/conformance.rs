//! What every [`Runtime`] promises, as tests. A runtime's crate writes
//!
//! ```ignore
//! sampan_runtime::conformance!(subject);      // async fn subject() -> sampan_runtime::conformance::Subject, or Option of it
//! ```
//!
//! in a test module and gets one `#[tokio::test]` per case below. Each case gets a subject of its own. Cases wait for events with a
//! generous limit and never sleep to let something happen.

mod cases;
mod steps;

use std::any::Any;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

pub use cases::*;

use crate::{ImagePull, Runtime};

/// A runtime to be tested, fresh and empty, with what the cases need around it.
pub struct Subject {
    /// The runtime.
    pub runtime: Arc<dyn Runtime>,
    /// Programs it can run.
    pub guests: Arc<dyn Guests>,
    /// An existing directory for logs and mounts, empty.
    pub directory: PathBuf,
    /// An address its pods may use, one the machine lets anyone bind and no other subject has.
    pub address: IpAddr,
    /// Whatever has to live as long as the case: temporary directories, registries, child processes.
    pub keep: Box<dyn Any + Send>,
}

/// One program: an image and how it is called.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    /// The image, to be pulled first.
    pub image: ImagePull,
    /// The container's command; empty means the image's own.
    pub command: Vec<String>,
    /// The container's arguments.
    pub args: Vec<String>,
}

impl Guest {
    /// An image called without command or arguments.
    pub fn of(reference: &str) -> Self {
        Self { image: ImagePull { reference: reference.to_owned(), ..ImagePull::default() }, ..Self::default() }
    }
}

/// Command lines that run beside a container.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// Prints its standard input, and ends with 0 at its end.
    pub cat: Vec<String>,
    /// Ends at once with [`fails_with`](Self::fails_with).
    pub fails: Vec<String>,
    /// Neither 0 nor a killed command's 137.
    pub fails_with: i32,
}

/// Programs for the cases, made by who tests a runtime: `None` where the runtime has no way to do such a thing, which skips the cases.
pub trait Guests: Send + Sync {
    /// Ends at once with that exit code.
    fn exits(&self, code: i32) -> Guest;
    /// Prints the lines, each followed by a line break, to stdout and stderr, then ends with 0.
    fn prints(&self, stdout: &[&str], stderr: &[&str]) -> Guest;
    /// Waits until it is stopped, using no CPU, and does not mind being stopped.
    fn sleeps(&self) -> Guest;
    /// Cannot be asked to stop: only killed.
    fn ignores_stop(&self) -> Guest;
    /// Ends in a trap (or the signal a container dies of).
    fn traps(&self) -> Guest;
    /// Takes that many bytes of memory and touches them, then ends with 0.
    fn allocates(&self, bytes: u64) -> Guest;
    /// Uses all CPU it gets, for ever.
    fn spins(&self) -> Guest;
    /// Answers every HTTP request on the first container port with 200.
    fn serves_http(&self) -> Guest;
    /// Prints its arguments without the program's name, one a line, then its environment as `NAME=value` lines.
    fn echoes(&self) -> Option<Guest> {
        None
    }
    /// Whether logs are bounded only some time after they grew, because another program writes them.
    fn logs_are_bounded_later(&self) -> bool {
        false
    }
    /// An image whose content is broken, or not what its digest says.
    fn broken(&self) -> Option<Guest> {
        None
    }
    /// An image that is fine in itself but needs something no node offers.
    fn unsupported(&self) -> Option<Guest> {
        None
    }
    /// An image of a kind this runtime does not run.
    fn foreign(&self) -> Option<Guest> {
        None
    }
    /// Commands for [`Runtime::exec`].
    fn commands(&self) -> Option<Commands> {
        None
    }
    /// Prints what it reads from its standard input, and ends with 0 at its end.
    fn reads(&self) -> Option<Guest> {
        None
    }
    /// A reference that no registry knows.
    fn absent(&self) -> Guest;
    /// A new front end over what the subject's runtime left behind, as after the agent's restart (the old one is dropped by then).
    fn restart(&self) -> Option<BoxFuture<'_, Arc<dyn Runtime>>> {
        None
    }
}

/// Makes one test of each case from `$subject`, an `async fn() -> Subject`, or one to an `Option`: `None` skips the case.
#[macro_export]
macro_rules! conformance {
    ($subject:path) => {
        $crate::conformance_cases! { $subject;
            the_handler_is_a_short_name
            a_runtime_says_its_version
            an_opened_sandbox_is_listed_ready
            opening_a_sandbox_twice_changes_nothing
            opening_a_sandbox_twice_gives_the_same_address
            closing_an_unknown_sandbox_is_fine
            closing_a_sandbox_twice_is_fine
            closing_a_sandbox_kills_and_forgets_its_containers
            closing_one_sandbox_leaves_its_neighbour_running
            its_own_images_are_accepted
            foreign_images_are_not_accepted
            an_image_never_pulled_is_not_on_the_node
            a_pulled_image_is_found_by_reference_and_by_digest
            pulling_twice_gives_the_same_image
            many_pulls_at_once_all_succeed
            pulling_an_absent_image_fails_and_names_it
            pulling_a_broken_image_is_not_retryable
            a_created_container_is_listed_as_created
            creating_twice_changes_nothing
            creating_in_an_unknown_sandbox_fails
            creating_from_an_image_never_pulled_fails
            creating_what_the_node_does_not_offer_fails_and_says_so
            starting_an_unknown_container_fails
            starting_twice_changes_nothing
            exit_code_zero_is_completed
            another_exit_code_is_an_error
            a_trap_is_an_error_with_a_message
            taking_too_much_memory_is_oom_killed
            staying_below_the_memory_limit_is_fine
            a_sleeper_runs_until_stopped
            a_container_that_ignores_stop_is_killed_after_its_grace
            stopping_twice_is_fine
            stopping_what_has_ended_keeps_its_exit
            stopping_an_unknown_container_fails
            a_container_never_started_can_be_removed
            removing_twice_is_fine
            a_running_container_is_not_removed
            a_further_attempt_leaves_the_earlier_one_alone
            output_is_logged_in_cri_format
            a_long_line_is_logged_in_parts
            an_empty_line_is_logged
            logs_are_rotated_and_bounded
            a_log_outlives_its_container
            arguments_and_environment_arrive
            start_and_end_are_hinted
            every_listener_hears_of_an_end
            one_container_is_asked_for_as_it_is_listed
            a_spinner_uses_cpu_and_can_be_stopped
            a_cpu_limit_binds
            figures_of_an_unknown_container_fail
            a_server_answers_until_stopped
            a_command_gets_its_input_and_its_exit_code_is_told
            much_output_arrives_whole_however_slow_its_reader
            commands_that_cannot_be_run_are_errors
            a_command_ends_with_its_container
            an_attached_client_speaks_and_listens
            a_running_container_outlives_the_agent
            an_exit_during_the_agents_absence_is_known_afterwards
        }
    };
}

/// Expands to the tests; use `conformance!`.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($subject:path; $($case:ident)*) => {
        mod conformance {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(subject) = $subject().await.into() {
                        $crate::conformance::$case(subject).await;
                    }
                }
            )*
        }
    };
}
