//! The callouts that are out, and every way in which one can end.

use crate::error::StrictHostError;
use crate::host::Host;
use crate::wire::{self, Field};

type Done = Result<(), StrictHostError>;

/// A callout that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CalloutHandle {
    pub(crate) worker: usize,
    pub(crate) token: u32,
}

/// What the plugin has asked of an upstream.
#[derive(Clone, Debug)]
pub struct Callout {
    /// Its name.
    pub handle: CalloutHandle,
    /// The cluster.
    pub target: String,
    /// The value of `:method`.
    pub method: String,
    /// The value of `:path`.
    pub path: String,
    /// All of the header.
    pub fields: Vec<Field>,
    /// The body.
    pub body: Vec<u8>,
    /// The time limit.
    pub timeout_millis: u32,
    number: u64,
}

impl Host {
    /// All callouts that are out, the oldest first.
    #[must_use]
    pub fn callouts(&self) -> Vec<Callout> {
        let mut all = Vec::new();
        for (worker, vm) in self.vms.iter().enumerate() {
            for (token, pending) in &vm.peek().callouts {
                let text = |name| {
                    wire::text(&pending.fields, name)
                        .unwrap_or_default()
                        .to_owned()
                };
                all.push(Callout {
                    handle: CalloutHandle {
                        worker,
                        token: *token,
                    },
                    target: pending.target.clone(),
                    method: text(":method"),
                    path: text(":path"),
                    fields: pending.fields.clone(),
                    body: pending.body.clone(),
                    timeout_millis: pending.timeout_millis,
                    number: pending.number,
                });
            }
        }
        all.sort_by_key(|callout| callout.number);
        all
    }

    /// How many callouts are out.
    #[must_use]
    pub fn callouts_out(&self) -> usize {
        self.vms.iter().map(|vm| vm.peek().callouts.len()).sum()
    }

    /// The upstream answers. Envoy puts its own time on what an upstream said, and on nothing else.
    ///
    /// # Errors
    /// The plugin breaks a rule, or the callout is over.
    pub fn answer(
        &mut self,
        callout: CalloutHandle,
        status: u16,
        fields: &[Field],
        body: &[u8],
    ) -> Done {
        let mut all = vec![(":status".to_owned(), status.to_string().into_bytes())];
        all.extend_from_slice(fields);
        all.push(("x-envoy-upstream-service-time".to_owned(), b"1".to_vec()));
        self.call_response(callout, Some(all), body)
    }

    /// The connection is refused, or breaks before the answer: the host answers 503 itself (A15).
    ///
    /// # Errors
    /// The plugin breaks a rule, or the callout is over.
    pub fn refuse(&mut self, callout: CalloutHandle) -> Done {
        let body = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
        self.host_answers(callout, "503", body)
    }

    /// The upstream's answer breaks off, or its cluster is changed meanwhile: there is no header at all.
    ///
    /// # Errors
    /// The plugin breaks a rule, or the callout is over.
    pub fn reset(&mut self, callout: CalloutHandle) -> Done {
        self.call_response(callout, None, &[])
    }

    /// The callout's time is up: the host answers 504 itself (A15).
    ///
    /// # Errors
    /// The plugin breaks a rule, or the callout is over.
    pub fn timeout(&mut self, callout: CalloutHandle) -> Done {
        self.host_answers(callout, "504", "upstream request timeout")
    }

    /// The host forgets the callout and never tells.
    pub fn lose(&mut self, callout: CalloutHandle) {
        self.vms[callout.worker]
            .state()
            .callouts
            .remove(&callout.token);
    }

    fn host_answers(&mut self, callout: CalloutHandle, status: &str, body: &str) -> Done {
        let length = body.len().to_string();
        let fields = [
            (":status", status),
            ("content-length", length.as_str()),
            ("content-type", "text/plain"),
        ];
        self.call_response(callout, Some(wire::fields(&fields)), body.as_bytes())
    }

    fn call_response(
        &mut self,
        callout: CalloutHandle,
        fields: Option<Vec<Field>>,
        body: &[u8],
    ) -> Done {
        let vm = &mut self.vms[callout.worker];
        vm.call_response(callout.token, fields, body.to_vec())?;
        self.settle()
    }
}
