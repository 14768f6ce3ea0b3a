//! Orders on their way to the tunnel thread. None is dropped, and still few can wait: each takes the place of those that
//! it makes pointless, and requests for counters are one number.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::tunnel::TunnelGone;
use crate::tunnel::tun::Tun;
use openvpn_engine::event::Input;
use openvpn_engine::session::TunnelOrder;

/// What the tunnel thread is told.
#[derive(Debug)]
pub enum Order<D = Tun> {
    /// Carries the tunnel's traffic by this device from here on; a device attached before is closed. It stays attached
    /// over attempts.
    AttachTun(D),
    /// What the session orders.
    Attempt(TunnelOrder),
    /// Closes our end of the device.
    DetachTun,
}

/// What the thread takes from its inbox.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Somebody wants the counters of this moment: the answer carries this number.
    Asked(u64),
    /// An order.
    Order(Order),
}

/// The session's end.
#[derive(Debug)]
pub(crate) struct Outbox(Arc<Shared>);

/// The thread's end.
#[derive(Debug)]
pub(crate) struct Inbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug)]
struct Waiting<D = Tun> {
    orders: VecDeque<Order<D>>,
    /// How often the counters were asked for.
    asked: u64,
    /// Up to which of them the thread has heard.
    heard: u64,
    /// One of the ends is gone.
    closed: bool,
}

impl<D> Default for Waiting<D> {
    fn default() -> Self {
        Self {
            orders: VecDeque::new(),
            asked: 0,
            heard: 0,
            closed: false,
        }
    }
}

/// Both ends.
pub(crate) fn channel() -> (Outbox, Inbox) {
    let shared = Arc::new(Shared::default());
    (Outbox(Arc::clone(&shared)), Inbox(shared))
}

impl Outbox {
    /// Gives an order. It is never refused for want of room.
    pub(crate) fn give(&self, order: Order) -> Result<(), TunnelGone> {
        let mut waiting = self.0.lock();
        if waiting.closed {
            return Err(TunnelGone);
        }
        waiting.push(order);
        drop(waiting);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Asks for the counters of this moment. The answer is the number that they will carry, or a higher one.
    pub(crate) fn ask(&self) -> Result<u64, TunnelGone> {
        let mut waiting = self.0.lock();
        if waiting.closed {
            return Err(TunnelGone);
        }
        waiting.asked += 1;
        let number = waiting.asked;
        drop(waiting);
        self.0.changed.notify_one();
        Ok(number)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Inbox {
    /// The next order; counters are told when all are carried out. `None` when the session's end is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Incoming> {
        loop {
            if let Some(taken) = self.0.lock().take() {
                return taken;
            }
            self.0.changed.notified().await;
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here can panic half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }
}

impl Waiting {
    /// What the thread is to do now; `Some(None)`: leave.
    fn take(&mut self) -> Option<Option<Incoming>> {
        if let Some(order) = self.orders.pop_front() {
            return Some(Some(Incoming::Order(order)));
        }
        if self.heard < self.asked {
            self.heard = self.asked;
            return Some(Some(Incoming::Asked(self.asked)));
        }
        self.closed.then_some(None)
    }
}

impl<D> Waiting<D> {
    fn push(&mut self, order: Order<D>) {
        self.orders.retain(|earlier| !supersedes(&order, earlier));
        self.orders.push_back(order);
    }
}

/// Whether an order makes one pointless that was given before it and is not carried out yet.
fn supersedes<D>(later: &Order<D>, earlier: &Order<D>) -> bool {
    match (later, earlier) {
        (Order::AttachTun(_) | Order::DetachTun, Order::AttachTun(_) | Order::DetachTun) => true,
        // There is one attempt at a time: whoever begins or abandons one has no interest in another any more. But the
        // server of that one is still to hear the exit notification.
        (
            Order::Attempt(TunnelOrder::Abandon(_) | TunnelOrder::Begin(_)),
            Order::Attempt(earlier),
        ) => !matches!(earlier, TunnelOrder::Input(Input::Stop)),
        (
            Order::Attempt(TunnelOrder::Input(later)),
            Order::Attempt(TunnelOrder::Input(earlier)),
        ) => repeats(later, earlier),
        (
            Order::AttachTun(_) | Order::DetachTun | Order::Attempt(_),
            Order::AttachTun(_) | Order::DetachTun | Order::Attempt(_),
        ) => false,
    }
}

/// Whether an input says all that an earlier one says.
fn repeats(later: &Input, earlier: &Input) -> bool {
    match later {
        // Each has its own content, and answers something that the thread itself has said.
        Input::Answer(_) | Input::AppControl { .. } | Input::TransportFailed(_) => false,
        Input::PathChanged | Input::PathLost => {
            matches!(earlier, Input::PathChanged | Input::PathLost)
        }
        Input::Deadline | Input::Renegotiate | Input::Stop | Input::Woke => {
            mem::discriminant(later) == mem::discriminant(earlier)
        }
    }
}

#[cfg(test)]
mod tests {
    use openvpn_engine::session::AttemptId;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_attempt_that_is_abandoned_at_once_still_sends_its_exit_notification() {
        let mut waiting = Waiting::<u8>::default();
        for input in [Input::Woke, Input::Stop] {
            waiting.push(Order::Attempt(TunnelOrder::Input(input)));
        }
        waiting.push(Order::Attempt(TunnelOrder::Abandon(AttemptId(1))));
        let [first, second] = [0, 1].map(|at| &waiting.orders[at]);
        assert!(matches!(
            first,
            Order::Attempt(TunnelOrder::Input(Input::Stop))
        ));
        assert!(matches!(second, Order::Attempt(TunnelOrder::Abandon(_))));
        assert_eq!(waiting.orders.len(), 2);
    }

    /// Any order but the beginning of an attempt; those are tested with the thread.
    fn order() -> impl Strategy<Value = Order<u8>> {
        prop_oneof![
            any::<u8>().prop_map(Order::AttachTun),
            Just(()).prop_map(|()| Order::DetachTun),
            (0_u64..4).prop_map(|id| Order::Attempt(TunnelOrder::Abandon(AttemptId(id)))),
            (0_u8..5).prop_map(|input| Order::Attempt(TunnelOrder::Input(match input {
                0 => Input::PathChanged,
                1 => Input::PathLost,
                2 => Input::Renegotiate,
                3 => Input::Stop,
                _ => Input::Woke,
            }))),
        ]
    }

    proptest! {
        #[test]
        fn however_many_orders_are_given_few_wait_and_the_last_of_each_kind_is_among_them(
            orders in proptest::collection::vec(order(), 0..200)
        ) {
            let mut waiting = Waiting::<u8>::default();
            let (mut device, mut abandoned, mut path) = (None, None, None);
            for order in orders {
                match &order {
                    Order::AttachTun(number) => device = Some(Some(*number)),
                    Order::DetachTun => device = Some(None),
                    Order::Attempt(TunnelOrder::Abandon(id)) => {
                        abandoned = Some(*id);
                        path = None;
                    }
                    Order::Attempt(TunnelOrder::Input(Input::PathChanged)) => path = Some(true),
                    Order::Attempt(TunnelOrder::Input(Input::PathLost)) => path = Some(false),
                    Order::Attempt(_) => {}
                }
                waiting.push(order);
                prop_assert!(waiting.orders.len() <= 6, "{waiting:?}");
            }
            let mut left = (None, None, None);
            for order in waiting.orders {
                match order {
                    Order::AttachTun(number) => left.0 = Some(Some(number)),
                    Order::DetachTun => left.0 = Some(None),
                    Order::Attempt(TunnelOrder::Abandon(id)) => left.1 = Some(id),
                    Order::Attempt(TunnelOrder::Input(Input::PathChanged)) => left.2 = Some(true),
                    Order::Attempt(TunnelOrder::Input(Input::PathLost)) => left.2 = Some(false),
                    Order::Attempt(_) => {}
                }
            }
            prop_assert_eq!(left, (device, abandoned, path));
        }
    }

    #[test]
    fn answers_of_a_person_are_all_kept() {
        let mut waiting = Waiting::<u8>::default();
        for answer in ["1", "2"] {
            let input = Input::Answer(openvpn_engine::secret::SecretText::from(answer));
            waiting.push(Order::Attempt(TunnelOrder::Input(input)));
        }
        assert_eq!(waiting.orders.len(), 2);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_was_given_before_the_end_is_still_carried_out() {
        let (outbox, mut inbox) = channel();
        outbox.give(Order::DetachTun).unwrap();
        assert_eq!((outbox.ask(), outbox.ask()), (Ok(1), Ok(2)));
        drop(outbox);
        assert!(matches!(
            inbox.next().await,
            Some(Incoming::Order(Order::DetachTun))
        ));
        assert!(matches!(inbox.next().await, Some(Incoming::Asked(2))));
        assert!(inbox.next().await.is_none());
    }

    #[test]
    fn a_thread_that_is_gone_takes_nothing() {
        let (outbox, inbox) = channel();
        drop(inbox);
        assert_eq!(outbox.give(Order::DetachTun), Err(TunnelGone));
        assert_eq!(outbox.ask(), Err(TunnelGone));
    }
}
