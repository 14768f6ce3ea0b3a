//! The runtime of a process that runs a session.

use std::future::Future;
use std::io;

/// Runs the work of a process on this thread, to its end. A name that is still being looked up then, which nothing can cut
/// short, holds nobody up.
///
/// # Errors
///
/// There is no runtime, or the work fails.
pub fn run<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_blocks_in_the_background_is_not_waited_for() {
        let (end, until_end) = mpsc::channel::<()>();
        let outcome = run(async {
            drop(tokio::task::spawn_blocking(move || until_end.recv()));
            Ok(7)
        });
        assert_eq!(outcome.ok(), Some(7));
        // It would not have come to its end before this.
        drop(end);
    }
}
