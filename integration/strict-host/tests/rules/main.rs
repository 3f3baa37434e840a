//! The strict host itself: each of its rules really fails by name, shown by a plugin of a few lines that breaks it.

mod answers;
mod misuse;
mod sharing;
mod surroundings;

/// What a test ends with.
type Outcome = Result<(), goproxy_strict_host::StrictHostError>;
