//! Copies of archives that pass, made to be kept: bounded one by one and all together.

use std::cell::Cell;
use std::rc::Rc;

/// All copies of a namespace that are being made may hold so many bytes. A client that reads slowly holds its copy long.
const ALL_COPIES: usize = 8 << 20;

/// What the copies of a namespace hold together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copies(Rc<Cell<usize>>);

/// A copy in the making.
#[derive(Debug)]
pub(super) struct Copy {
    bytes: Vec<u8>,
    all: Copies,
}

impl Copy {
    pub(super) fn start(all: &Copies) -> Self {
        // Nothing is reserved: a client that opens many streams and reads none must cost nothing.
        Self {
            bytes: Vec::new(),
            all: all.clone(),
        }
    }

    /// Adds a piece, unless the copy or all copies would get too large; then this one is given up.
    pub(super) fn with(mut self, piece: &[u8], max_object: usize) -> Option<Self> {
        let all = self.all.0.get().saturating_add(piece.len());
        if self.bytes.len().saturating_add(piece.len()) > max_object || all > ALL_COPIES {
            return None;
        }
        self.all.0.set(all);
        self.bytes.extend_from_slice(piece);
        Some(self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.all
            .0
            .set(self.all.0.get().saturating_sub(self.bytes.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn all_copies_together_are_bounded_and_what_is_dropped_is_free_again() {
        let all = Copies::default();
        let piece = vec![0; 1 << 20];
        let mut copies: Vec<Copy> = (0..20)
            .filter_map(|_| Copy::start(&all).with(&piece, usize::MAX))
            .collect();
        assert_eq!(copies.len(), 8);
        copies.pop();
        assert!(Copy::start(&all).with(&piece, usize::MAX).is_some());
        drop(copies);
        assert_eq!(all.0.get(), 0);
    }

    #[test]
    fn a_copy_larger_than_an_object_may_be_is_given_up() {
        let all = Copies::default();
        let copy = Copy::start(&all).with(b"12", 3).unwrap();
        assert!(copy.with(b"34", 3).is_none());
        assert_eq!(all.0.get(), 0);
    }
}
