//! Time: nothing happens by itself; a test lets it pass, and timers that are due then go off in their order.

use std::time::Duration;

use crate::callouts::CalloutHandle;
use crate::error::StrictHostError;
use crate::host::Host;

type Done = Result<(), StrictHostError>;

/// What goes off next.
enum Timer {
    Tick { worker: usize, root: u32 },
    Timeout(CalloutHandle),
}

impl Host {
    /// Every root context that has asked for ticks gets one now, whether it is due or not.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn tick(&mut self) -> Done {
        for worker in 0..self.vms.len() {
            for root in self.vms[worker].roots() {
                self.vms[worker].tick(root)?;
            }
        }
        self.settle()
    }

    /// Lets time pass: ticks come when they are due, and callouts reach their time limit.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn advance(&mut self, by: Duration) -> Done {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let end = self.process.borrow().monotonic.saturating_add(by);
        while let Some((due, timer)) = self.next_timer().filter(|(due, _)| *due <= end) {
            let mut process = self.process.borrow_mut();
            process.monotonic = process.monotonic.max(due);
            drop(process);
            match timer {
                Timer::Tick { worker, root } => self.vms[worker].tick(root)?,
                Timer::Timeout(callout) => self.timeout(callout)?,
            }
            self.settle()?;
        }
        self.process.borrow_mut().monotonic = end;
        Ok(())
    }

    /// The wall clock is set forward or, with a negative number, back. Timers do not notice.
    pub fn step_clock(&mut self, seconds: i64) {
        let mut process = self.process.borrow_mut();
        process.step = process
            .step
            .saturating_add(seconds.saturating_mul(1_000_000_000));
    }

    /// Whether callouts end by themselves when their time is up. If not, they stay out until the test ends them: a host
    /// that has forgotten them, or an answer that comes much too late.
    pub fn time_out_callouts(&mut self, automatically: bool) {
        self.automatic_timeouts = automatically;
    }

    fn next_timer(&mut self) -> Option<(u64, Timer)> {
        let mut next: Option<(u64, Timer)> = None;
        for (worker, vm) in self.vms.iter_mut().enumerate() {
            let mut timers = Vec::new();
            if let Some((due, root)) = vm.next_tick() {
                timers.push((due, Timer::Tick { worker, root }));
            }
            if self.automatic_timeouts {
                let first = vm
                    .peek()
                    .callouts
                    .iter()
                    .min_by_key(|(_, pending)| pending.due);
                timers.extend(first.map(|(token, pending)| {
                    (
                        pending.due,
                        Timer::Timeout(CalloutHandle {
                            worker,
                            token: *token,
                        }),
                    )
                }));
            }
            for (due, timer) in timers {
                if next.as_ref().is_none_or(|(known, _)| due < *known) {
                    next = Some((due, timer));
                }
            }
        }
        next
    }
}
