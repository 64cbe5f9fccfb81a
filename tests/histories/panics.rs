//! Panics of a history's own thread, wherever a task swallows them.

use std::cell::RefCell;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// From now on the panics of this thread are noted, as well as told.
pub fn note() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            SEEN.with_borrow_mut(|seen| seen.push(info.to_string()));
            before(info);
        }));
    });
    SEEN.take();
}

/// The panics of this thread since then.
pub fn noted() -> Vec<String> {
    SEEN.take()
}
