//! The statuses of host calls, as the ABI numbers them.

/// A status other than OK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Status {
    NotFound = 1,
    BadArgument = 2,
    Empty = 7,
    CasMismatch = 8,
    InternalFailure = 10,
}

/// The number that the VM gets.
pub(crate) fn number(result: Result<(), Status>) -> u32 {
    match result {
        Ok(()) => 0,
        Err(status) => status as u32,
    }
}
