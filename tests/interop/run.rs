//! Fills the cells, several at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Instant;

use super::cell::Cell;
use super::namespace::World;
use super::release::Release;
use super::row::{Outcome, Row};

/// What came of each cell, by the numbers of its row and its column.
pub(crate) type Outcomes = BTreeMap<(usize, usize), Outcome>;

/// Tries everything with everyone.
pub(crate) fn all(rows: &[&Row], releases: &[Release], jobs: usize) -> Outcomes {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        PLACE.with_borrow_mut(|last| *last = place.unwrap_or_default());
    }));
    let mut queue: Vec<(usize, usize)> = (0..rows.len())
        .flat_map(|row| (0..releases.len()).map(move |column| (row, column)))
        .collect();
    queue.reverse();
    let (queue, total) = (Mutex::new(queue), rows.len() * releases.len());
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || work(queue, rows, releases, &sender));
        }
        drop(sender);
        let mut outcomes = Outcomes::new();
        for (row, column, outcome, seconds) in receiver {
            let (title, release) = (rows[row].title(), releases[column]);
            let done = outcomes.len() + 1;
            eprintln!("[{done}/{total}] {title}, {release}: {outcome} ({seconds:.1} s)");
            outcomes.insert((row, column), outcome);
        }
        outcomes
    })
}

type Done = (usize, usize, Outcome, f32);

fn work(
    queue: &Mutex<Vec<(usize, usize)>>,
    rows: &[&Row],
    releases: &[Release],
    done: &mpsc::Sender<Done>,
) {
    let mut world: Option<World> = None;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some((row, column)) = next else { return };
        let (feature, release, began) = (rows[row], releases[column], Instant::now());
        let outcome = if feature.exists_in(release) {
            let here = world.take().unwrap_or_else(World::new);
            let outcome = attempt(feature, release, &here);
            // A world in which something went wrong may be in disorder.
            world = Some(here).filter(|_| !matches!(outcome, Outcome::Failed(_)));
            outcome
        } else {
            Outcome::NotApplicable
        };
        let seconds = began.elapsed().as_secs_f32();
        if done.send((row, column, outcome, seconds)).is_err() {
            return;
        }
    }
}

fn attempt(row: &Row, release: Release, world: &World) -> Outcome {
    let tried = catch_unwind(AssertUnwindSafe(|| {
        let cell = Cell::new(release, world);
        row.try_with(&cell)
    }));
    tried.unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("something that cannot be shown");
        let place = PLACE.with_borrow(Clone::clone);
        Outcome::Failed(format!("{place}: {what}"))
    })
}

thread_local! {
    /// Where this thread panicked last.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}
