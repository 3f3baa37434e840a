//! Whose rules are played. What hosts differ in is asked here, so that another host is another variant.

/// A host's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// Envoy 1.40, as it was measured.
    #[default]
    Envoy,
}

impl Rules {
    /// Streams that may be answered or resumed in one call of the VM.
    ///
    /// Envoy runs each answer nested in the one before; V8's stack is full at about 300 (measured: 287 to 310).
    #[must_use]
    pub const fn most_answers(self) -> u32 {
        match self {
            Self::Envoy => 64,
        }
    }

    /// The how manieth answer to one stream is fatal; those between the first and this one are swallowed.
    #[must_use]
    pub const fn fatal_answer(self) -> u32 {
        match self {
            Self::Envoy => 3,
        }
    }
}
