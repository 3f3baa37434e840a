//! What is remembered for a while of an object, a version or an upstream: a bounded number, the least recently used forgotten.
//!
//! All of them are one kind of cache behind a type, since in the plugin each kind of `LruCache` is some kilobytes of code.

use std::any::Any;
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::rc::Rc;

use lru::LruCache;

/// Of each name one `T`.
pub(crate) struct Memo<T> {
    known: LruCache<Rc<str>, Box<dyn Any>>,
    of: PhantomData<T>,
}

impl<T: 'static> Memo<T> {
    /// At most so many.
    pub(crate) fn new(most: usize) -> Self {
        let known = LruCache::new(NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN));
        let of = PhantomData;
        Self { known, of }
    }

    /// It is the most recently used one now.
    pub(crate) fn get(&mut self, name: &impl Borrow<str>) -> Option<&T> {
        self.get_mut(name).map(|known| &*known)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, name: &impl Borrow<str>) -> Option<&mut T> {
        find(&mut self.known, name.borrow())?.downcast_mut()
    }

    /// The one of that name, made by its default where there is none.
    pub(crate) fn get_or_default(&mut self, name: &Rc<str>) -> Option<&mut T>
    where
        T: Default,
    {
        if !self.contains(name) {
            self.put(name.clone(), T::default());
        }
        self.get_mut(name)
    }

    /// The same as [`Memo::get`], and nothing is changed by it.
    pub(crate) fn peek(&self, name: &impl Borrow<str>) -> Option<&T> {
        look(&self.known, name.borrow())?.downcast_ref()
    }

    pub(crate) fn contains(&self, name: &impl Borrow<str>) -> bool {
        look(&self.known, name.borrow()).is_some()
    }

    /// Remembers it in place of what was known under that name.
    pub(crate) fn put(&mut self, name: impl Into<Rc<str>>, value: T) {
        keep(&mut self.known, name.into(), Box::new(value));
    }

    /// Forgets it.
    pub(crate) fn pop(&mut self, name: &impl Borrow<str>) -> Option<T> {
        let value = forget(&mut self.known, name.borrow())?;
        value.downcast().ok().map(|value| *value)
    }
}

// What is the same for every type, once.

type Known = LruCache<Rc<str>, Box<dyn Any>>;

#[inline(never)]
fn find<'a>(known: &'a mut Known, name: &str) -> Option<&'a mut dyn Any> {
    known.get_mut(name).map(|value| &mut **value)
}

#[inline(never)]
fn look<'a>(known: &'a Known, name: &str) -> Option<&'a dyn Any> {
    known.peek(name).map(|value| &**value)
}

#[inline(never)]
fn keep(known: &mut Known, name: Rc<str>, value: Box<dyn Any>) {
    known.put(name, value);
}

#[inline(never)]
fn forget(known: &mut Known, name: &str) -> Option<Box<dyn Any>> {
    known.pop(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn what_was_used_least_recently_is_forgotten() {
        let mut memo = Memo::new(2);
        memo.put("a", 1);
        memo.put("b", 2);
        assert_eq!(memo.get(&"a"), Some(&1));
        memo.put("c", 3);
        assert_eq!((memo.peek(&"a"), memo.peek(&"b")), (Some(&1), None));
        assert!(memo.contains(&"c") && !memo.contains(&"b"));
        assert_eq!((memo.pop(&"c"), memo.pop(&"c")), (Some(3), None));
    }

    #[test]
    fn what_is_not_known_yet_is_made_once() {
        let mut memo: Memo<Vec<u8>> = Memo::new(2);
        let name = "a".into();
        memo.get_or_default(&name).unwrap().push(1);
        memo.get_or_default(&name).unwrap().push(2);
        assert_eq!(memo.peek(&name), Some(&vec![1, 2]));
    }
}
