//! Panics that are nobody's fault: when a runtime ends under its tasks, timers and sockets panic where they are polled.

use std::any::Any;

/// Whether a panic says no more than that the runtime ends. What it hit is cut off, not failed: it goes on at the next start.
pub(crate) fn is_the_end(panic: &(dyn Any + Send)) -> bool {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    // Tokio's words, which are no constant of its interface; a test holds on to them.
    text.is_some_and(|text| text.contains("context was found, but it is being shutdown"))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use super::is_the_end;

    #[test]
    fn the_end_of_a_runtime_is_told_from_a_fault() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut sleep = {
            let _inside = runtime.enter();
            Box::pin(tokio::time::sleep(Duration::from_secs(60)))
        };
        drop(runtime);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let panic = catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(&mut context).is_ready())).unwrap_err();
        assert!(is_the_end(&*panic), "{:?}", panic.downcast_ref::<String>());
        let fault = catch_unwind(|| panic!("at the disco")).unwrap_err();
        assert!(!is_the_end(&*fault));
    }
}
