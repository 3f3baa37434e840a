//! SIGINT, SIGTERM and SIGHUP: they end what was started, and let the rest of the program find that out and tidy up.

use std::io;
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::children;

static SIGNALLED: OnceLock<i32> = OnceLock::new();

/// From now on the first of these signals ends every child, so whoever waits for one goes on and asks [`exit_code`].
/// A second one changes nothing, so that an impatient second Ctrl-C does not leave a folder behind.
///
/// # Errors
/// The signals cannot be caught.
pub fn catch() -> io::Result<()> {
    end_with_make();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        for signal in &mut signals {
            let _ = SIGNALLED.set(signal);
            children::stop_all();
        }
    });
    Ok(())
}

/// The exit code of a program that a signal ended, as shells count it.
#[must_use]
pub fn exit_code() -> Option<u8> {
    SIGNALLED
        .get()
        .and_then(|signal| u8::try_from(128 + signal).ok())
}

/// `make` hands a SIGTERM on to what it runs, and nothing hands on a SIGKILL, or the end of a shell between the two.
fn end_with_make() {
    if std::env::var_os("MAKELEVEL").is_some() {
        // Without it we only live longer than we should.
        let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGTERM);
    }
}
