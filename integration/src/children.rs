//! The processes that this one starts: each in a group of its own, none left behind, whatever way this one ends.
//!
//! - It ends in order: [`Child`] kills and reaps its group when it is dropped.
//! - It is interrupted: [`stop_all`] ends every group, so whoever waits for one gets an error and returns.
//! - It is killed: the kernel kills the children, or asks them to end (`PR_SET_PDEATHSIG`). That signal comes when the *thread* that
//!   started a child ends, and test threads end early; so one thread, which lives as long as the process, starts all.

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// A running process and what it started.
#[derive(Debug)]
pub struct Child {
    group: Pid,
    /// What it was started as, for messages.
    pub name: String,
    state: Arc<State>,
    /// The pipes that its command asked for.
    pub pipes: Pipes,
}

/// The ends of the pipes that are ours.
#[derive(Debug, Default)]
pub struct Pipes {
    /// What it writes to standard output.
    pub stdout: Option<std::process::ChildStdout>,
    /// What it writes to standard error.
    pub stderr: Option<std::process::ChildStderr>,
}

#[derive(Debug, Default)]
struct State {
    exit: Mutex<Option<ExitStatus>>,
    ended: Condvar,
}

struct Order {
    command: Command,
    answer: mpsc::SyncSender<io::Result<std::process::Child>>,
}

/// How long a child may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

static STARTER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (orders, inbox) = mpsc::channel::<Order>();
    std::thread::spawn(move || {
        for mut order in inbox {
            let started = order.command.spawn();
            // Nobody waits for the answer any more: then the child is dropped, and ends with this process.
            let _ = order.answer.send(started);
        }
    });
    orders
});

#[derive(Default)]
struct Living {
    stopping: bool,
    groups: Vec<(Pid, Arc<State>)>,
}

static LIVING: LazyLock<Mutex<Living>> = LazyLock::new(Mutex::default);

/// Starts `command`, called `name` in messages.
///
/// # Errors
/// It cannot be started, or [`stop_all`] was called.
pub fn start(name: &str, command: Command) -> io::Result<Child> {
    start_mortal(name, command, Signal::SIGKILL)
}

/// The same for a program that must be asked to end, where this process is killed: it has children of its own.
///
/// # Errors
/// As [`start`].
pub fn start_mortal(name: &str, mut command: Command, at_our_end: Signal) -> io::Result<Child> {
    command.process_group(0);
    let parent = nix::unistd::getpid();
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: prctl and getppid are, and nothing
    // is allocated but in the branch that gives up.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(at_our_end)?;
            // It ended before the signal was ordered.
            if nix::unistd::getppid() != parent {
                return Err(io::Error::from_raw_os_error(nix::libc::ESRCH));
            }
            Ok(())
        });
    }
    let (answer, started) = mpsc::sync_channel(1);
    let gone = |_| io::Error::other("the starting thread has ended");
    // Held until the child is on the list, so that `stop_all` sees it or it is not started.
    let mut living = lock(&LIVING);
    if living.stopping {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
    }
    STARTER
        .send(Order { command, answer })
        .map_err(|_| gone(mpsc::RecvError))?;
    let mut child = started.recv().map_err(gone)??;
    let group = Pid::from_raw(child.id().cast_signed());
    let state = Arc::new(State::default());
    living.groups.push((group, Arc::clone(&state)));
    drop(living);
    let pipes = Pipes {
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
    };
    let reaper = Arc::clone(&state);
    std::thread::spawn(move || reap(group, &mut child, &reaper));
    Ok(Child {
        group,
        name: name.to_owned(),
        state,
        pipes,
    })
}

/// Ends everything that was started, and lets nothing more be started: asks first, so that a host can still write
/// what it holds, and kills what has not ended within [`GRACE`].
pub fn stop_all() {
    let groups = {
        let mut living = lock(&LIVING);
        living.stopping = true;
        living.groups.clone()
    };
    for (group, state) in &groups {
        kill(*group, state, Signal::SIGTERM);
    }
    let until = Instant::now() + GRACE;
    for (group, state) in &groups {
        if state.wait_until(Some(until)).is_none() {
            kill(*group, state, Signal::SIGKILL);
        }
    }
}

/// Waits without reaping, so that the id is still the child's while anybody may send it a signal.
fn reap(group: Pid, child: &mut std::process::Child, state: &State) {
    while waitid(Id::Pid(group), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        == Err(nix::errno::Errno::EINTR)
    {}
    lock(&LIVING).groups.retain(|(other, _)| *other != group);
    let mut exit = lock(&state.exit);
    // What it started itself goes with it.
    let _ = killpg(group, Signal::SIGKILL);
    *exit = Some(
        child
            .wait()
            .unwrap_or_else(|_| ExitStatus::from_raw(nix::libc::SIGKILL)),
    );
    state.ended.notify_all();
}

fn kill(group: Pid, state: &State, signal: Signal) {
    let exit = lock(&state.exit);
    if exit.is_none() {
        let _ = killpg(group, signal);
    }
}

impl Child {
    /// The process id, which is also its group's.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.group.as_raw().cast_unsigned()
    }

    /// Sends a signal to it and what it started, if it still runs.
    pub fn signal(&self, signal: Signal) {
        kill(self.group, &self.state, signal);
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<ExitStatus> {
        *lock(&self.state.exit)
    }

    /// Waits until it ends.
    #[must_use]
    pub fn wait(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.state.wait_until(None) {
                return status;
            }
        }
    }

    /// Waits at most so long.
    #[must_use]
    pub fn wait_at_most(&self, limit: Duration) -> Option<ExitStatus> {
        self.state.wait_until(Some(Instant::now() + limit))
    }
}

impl State {
    fn wait_until(&self, limit: Option<Instant>) -> Option<ExitStatus> {
        let mut exit = lock(&self.exit);
        while exit.is_none() {
            exit = match limit.map(|limit| limit.saturating_duration_since(Instant::now())) {
                None => self
                    .ended
                    .wait(exit)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => {
                    self.ended
                        .wait_timeout(exit, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        *exit
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.wait();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        command
    }

    #[test]
    fn an_ended_child_tells_how() {
        assert_eq!(start("sh", shell("exit 3")).unwrap().wait().code(), Some(3));
    }

    #[test]
    fn a_dropped_child_takes_what_it_started_with_it() {
        // The shell tells the id of a child of its own, then both would run for a long time.
        let mut child = start("sh", shell("sleep 300 & echo $!; wait")).unwrap();
        let mut line = String::new();
        BufReader::new(child.pipes.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let grandchild = Pid::from_raw(line.trim().parse().unwrap());
        drop(child);
        // The signal is sent; it ends, and whoever inherits it reaps it, in their own time.
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let stat =
                std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ") {
                return;
            }
            assert!(Instant::now() < until, "{stat}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let child = std::thread::spawn(|| start("sh", shell("sleep 300")).unwrap())
            .join()
            .unwrap();
        assert_eq!(child.wait_at_most(Duration::from_millis(50)), None);
    }

    #[test]
    fn what_cannot_be_started_says_so() {
        assert_eq!(
            start("x", Command::new("/nonexistent")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
