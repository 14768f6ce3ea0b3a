//! How long a session takes to be there and to be connected, beside the stock backend's in the same root and run.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use rustix::time::ClockId;

use crate::front::FrontEnd;
use crate::manager::Manager;

/// Times of each backend, in blocks by turns.
const BLOCKS: usize = 2;
const IN_A_BLOCK: usize = 7;
/// Somebody else may keep the machine busy for a while.
const TRIES: usize = 6;
/// What a session may take from the call to the starter to its request to be registered, on a machine with nothing else to
/// do.
const THERE: Duration = Duration::from_millis(100);
/// From here on others decide how long things take.
const CROWDED: f32 = 1.5;
/// Work enough to see how much of the machine is ours.
const SAMPLE: Duration = Duration::from_millis(20);

/// Times of one backend.
#[derive(Debug, Default)]
struct Times {
    /// From the call to the starter to the request to be registered.
    there: Vec<Duration>,
    /// From the call to connect to the status connected.
    connected: Vec<Duration>,
    /// How many times as long as alone things took meanwhile.
    crowds: Vec<f32>,
}

/// By the medians of one run.
pub(crate) fn a_session_is_there_soon_and_connects_no_slower_than_the_stock_one(
    front: &FrontEnd<'_>,
) {
    let _server = front.serve(1194, 20, "");
    let mut manager = Manager::in_place_of_the_stock_one(front);
    let config = manager.config("plain");
    for _ in 0..TRIES {
        let (mut ours, mut theirs) = (Times::default(), Times::default());
        for _ in 0..BLOCKS {
            ours.take_block(&mut manager, &config);
            front.to_the_stock_backend();
            theirs.take_block(&mut manager, &config);
            front.to_our_backend();
        }
        let (there, connected) = (median(&ours.there), median(&ours.connected));
        let (there_stock, connected_stock) = (median(&theirs.there), median(&theirs.connected));
        let crowd = median(&ours.crowds);
        println!(
            "StartClient to RegistrationRequest: {there:.1?}, stock {there_stock:.1?}; \
             Connect to CONNECTED: {connected:.1?}, stock {connected_stock:.1?}; crowd {crowd:.1}"
        );
        // Where others want the machine too, everything takes so many times as long; in a crowd more, because each of the
        // processes that take part waits for its turn.
        let slack = if crowd > CROWDED { 2.0 * crowd } else { crowd };
        if there < THERE.mul_f32(slack) && connected <= connected_stock.mul_f32(slack) {
            return;
        }
    }
    panic!("it takes too long, {TRIES} times");
}

impl Times {
    fn take_block(&mut self, manager: &mut Manager<'_>, config: &str) {
        // The first one may have to wake others.
        round(manager, config);
        for _ in 0..IN_A_BLOCK {
            let (there, connected) = round(manager, config);
            self.there.push(there);
            self.connected.push(connected);
            self.crowds.push(crowd());
        }
    }
}

fn round(manager: &mut Manager<'_>, config: &str) -> (Duration, Duration) {
    let mut session = manager.start();
    manager
        .confirm(&session, config)
        .granted("the confirmation");
    manager.call(&session, "Ready").granted("Ready");
    let connected = manager.connect(&mut session);
    manager.disconnect(&session);
    (session.took, connected)
}

fn median<T: PartialOrd + Copy>(values: &[T]) -> T {
    let mut values = values.to_vec();
    values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(Ordering::Equal));
    values[values.len() / 2]
}

/// How many times as long as alone a piece of work takes.
fn crowd() -> f32 {
    let (began, before) = (Instant::now(), worked());
    while worked() - before < SAMPLE {
        std::hint::spin_loop();
    }
    began.elapsed().div_duration_f32(worked() - before).max(1.0)
}

/// The time that this thread has worked for.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("time goes on")
}
