//! Links, addresses, routes, sleep and resume, as reports.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{debug, info};
use zbus::Connection;
use zbus::fdo::DBusProxy;

use crate::bus;
use crate::network::{Kernel, Listener, Notice, Outside, outside_way};
use crate::systemd::resolved;

/// What has changed around us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkChange {
    /// No way leads to the server any more.
    Lost,
    /// The server is reached by another way than before: another interface, router or source address; or again at all.
    Moved,
    /// systemd-resolved has started again and knows nothing of our link.
    ResolverRestarted,
    /// Routes or rules of the host have changed, while the way to the server is as before.
    RoutesChanged,
    /// The machine has slept for so long.
    Resumed(Duration),
    /// The machine is about to sleep.
    Suspending,
}

/// Whose way is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watched {
    /// The server's address.
    pub server: Option<IpAddr>,
    /// The index of our own device, through which no way counts.
    pub tunnel: Option<u32>,
}

/// Watches the world; stops when dropped.
#[derive(Debug)]
pub struct NetworkMonitor {
    reports: mpsc::Receiver<NetworkChange>,
    watched: watch::Sender<Watched>,
    tasks: [JoinHandle<()>; 2],
}

impl NetworkMonitor {
    /// Begins to watch, in the network namespace of this thread. Needs a running tokio runtime. `bus` is the system
    /// bus; without it sleep is noticed by the clock alone, and a restarted resolver not at all.
    ///
    /// # Errors
    ///
    /// The kernel gives no netlink socket.
    pub fn start(bus: Option<Connection>) -> io::Result<Self> {
        let (kernel, changed) = Kernel::listen()?;
        let (reporter, reports) = mpsc::channel(REPORTS);
        let (watched, to_watch) = watch::channel(Watched::default());
        let (teller, told) = mpsc::channel(REPORTS);
        let watcher = Watcher {
            kernel,
            reporter,
            to_watch,
            server: None,
            way: None,
            losses: 0,
            clock: SleepClock::start(),
            suspending: false,
            disturbed: false,
        };
        Ok(Self {
            reports,
            watched,
            // What the bus tells is heard while the network is being looked at.
            tasks: [
                tokio::spawn(watcher.run(changed, told)),
                tokio::spawn(listen(bus, teller)),
            ],
        })
    }

    /// Says whose way is to be watched from now on. What is found first is no change.
    pub fn watch(&self, watched: Watched) {
        self.watched.send_if_modified(|now| {
            let other = *now != watched;
            *now = watched;
            other
        });
    }

    /// The next change. Cancel-safe: a change that is not taken stays.
    pub async fn next(&mut self) -> Option<NetworkChange> {
        self.reports.recv().await
    }
}

impl Drop for NetworkMonitor {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

struct Watcher {
    kernel: Kernel,
    reporter: mpsc::Sender<NetworkChange>,
    to_watch: watch::Receiver<Watched>,
    /// Whose way is known.
    server: Option<IpAddr>,
    way: Option<Outside>,
    /// How often in a row our own route was found to be gone.
    losses: u8,
    clock: SleepClock,
    /// logind has announced a sleep that is not over.
    suspending: bool,
    /// Routes or rules have changed since that was reported.
    disturbed: bool,
}

impl Watcher {
    async fn run(mut self, mut changed: Listener, mut signals: mpsc::Receiver<NetworkChange>) {
        loop {
            tokio::select! {
                told = self.to_watch.changed() => {
                    let Ok(()) = told else { return };
                    self.heed().await;
                }
                more = changed.next() => {
                    let Some(notice) = more else { return };
                    self.hear_of(notice);
                    self.settle(&mut changed).await;
                    if !self.compare().await && std::mem::take(&mut self.disturbed) {
                        self.report(NetworkChange::RoutesChanged).await;
                    }
                    self.disturbed = false;
                }
                Some(change) = signals.recv() => self.hear(change).await,
                () = self.clock.jumped() => self.wake(false).await,
            }
        }
    }

    async fn hear(&mut self, signal: NetworkChange) {
        match signal {
            NetworkChange::Resumed(_) => self.wake(self.suspending).await,
            NetworkChange::Suspending => {
                self.suspending = true;
                self.report(signal).await;
            }
            NetworkChange::Lost
            | NetworkChange::Moved
            | NetworkChange::ResolverRestarted
            | NetworkChange::RoutesChanged => {
                self.report(signal).await;
            }
        }
    }

    /// Reports a sleep once, whether the clock or logind tells of it first; a sleep that was announced and did not
    /// happen has lasted for no time.
    async fn wake(&mut self, announced: bool) {
        let slept = self.clock.slept();
        if slept.is_some() || announced {
            self.suspending = false;
            self.report(NetworkChange::Resumed(slept.unwrap_or_default()))
                .await;
            self.compare().await;
        }
    }

    /// Finds the way anew if it is one to another server than that to be watched; another tunnel does not change the way
    /// outside of it. The answer is whether it was.
    async fn begin_anew(&mut self) -> bool {
        let server = self.to_watch.borrow_and_update().server;
        let is_another = server != std::mem::replace(&mut self.server, server);
        if is_another {
            self.way = self.look().await;
        }
        is_another
    }

    /// Whose way is to be watched was said anew. If it is the same server, our own routes were just put in force: from
    /// here on their loss is a change.
    async fn heed(&mut self) {
        if self.begin_anew().await {
            return;
        }
        if let (Some(present), Some(way)) = (self.look().await, &mut self.way) {
            way.guard_as(&present);
        }
    }

    async fn look(&self) -> Option<Outside> {
        let watched = *self.to_watch.borrow();
        let found = outside_way(&self.kernel, watched.server?, watched.tunnel).await;
        found.unwrap_or_else(|error| {
            debug!(%error, "the route to the server cannot be determined");
            self.way.clone()
        })
    }

    /// Takes note of what may take traffic out of the tunnel. What the kernel does to the tunnel's own subnet is not.
    fn hear_of(&mut self, notice: Notice) {
        let tunnel = self.to_watch.borrow().tunnel;
        let counts = match notice {
            Notice::Other => false,
            Notice::Subnet(interface) => interface != tunnel,
            Notice::Route | Notice::Rule => true,
        };
        self.disturbed |= counts && tunnel.is_some();
    }

    /// Reports what has become of the way to the server. The answer is whether there was something to report.
    async fn compare(&mut self) -> bool {
        if self.begin_anew().await {
            return false;
        }
        let mut way = self.look().await;
        let changed = match (&self.way, &way) {
            (None, None) => false,
            (Some(before), Some(now)) => now.has_changed(before),
            (None, Some(_)) | (Some(_), None) => true,
        };
        if let (Some(before), Some(now)) = (&self.way, &mut way) {
            // Whoever hears of the loss puts the route back, and it may be lost again before that is seen.
            let lost = now.expect_as(before, self.losses < MOST_LOSSES);
            self.losses = if lost {
                self.losses.saturating_add(1)
            } else {
                0
            };
        }
        if !changed {
            self.way = way;
            return false;
        }
        info!(
            interface = way.as_ref().map(Outside::interface),
            "the path to the server has changed"
        );
        let change = if way.is_some() {
            NetworkChange::Moved
        } else {
            NetworkChange::Lost
        };
        self.way = way;
        self.report(change).await;
        true
    }

    /// Waits until the kernel has said nothing for a moment: one event of the real world is many messages. What is to be
    /// watched is heeded meanwhile: our own routes may be lost a moment after they were put in force.
    async fn settle(&mut self, changed: &mut Listener) {
        for _ in 0..MOST_WAITS {
            tokio::select! {
                told = self.to_watch.changed() => {
                    let Ok(()) = told else { return };
                    self.heed().await;
                }
                more = tokio::time::timeout(QUIET, changed.next()) => match more {
                    Ok(Some(notice)) => self.hear_of(notice),
                    Ok(None) | Err(_) => return,
                },
            }
        }
    }

    async fn report(&self, change: NetworkChange) {
        // If nobody listens any more, this task is about to be stopped.
        let _nobody_listens = self.reporter.send(change).await;
    }
}

/// Passes on what the bus tells, and the one that is started in its place. Meanwhile the resolver may have been
/// restarted too.
async fn listen(bus: Option<Connection>, teller: mpsc::Sender<NetworkChange>) {
    if let Some(bus) = bus {
        pass_on(&bus, &teller).await;
    }
    loop {
        let bus = bus::connect_some_day().await;
        // If nobody listens any more, this task is about to be stopped.
        let _nobody_listens = teller.send(NetworkChange::ResolverRestarted).await;
        pass_on(&bus, &teller).await;
    }
}

/// Passes on what the bus tells until it is gone: sleep from logind, a new owner of the resolver's name.
async fn pass_on(bus: &Connection, teller: &mpsc::Sender<NetworkChange>) {
    let Ok(mut signals) = tokio::time::timeout(PATIENCE, subscribe(bus)).await else {
        return;
    };
    let passing = async {
        while let Some(change) = signals.next().await {
            let _nobody_listens = teller.send(change).await;
        }
    };
    tokio::select! {
        () = passing => {}
        () = bus::until_lost(bus) => {}
    }
}

async fn subscribe(bus: &Connection) -> BoxStream<'static, NetworkChange> {
    let mut all = Vec::new();
    match sleep_signals(bus).await {
        Ok(sleeps) => all.push(sleeps),
        Err(error) => debug!(%error, "logind tells us nothing"),
    }
    match resolver_restarts(bus).await {
        Ok(restarts) => all.push(restarts),
        Err(error) => debug!(%error, "the bus tells us nothing about the resolver"),
    }
    stream::select_all(all).chain(stream::pending()).boxed()
}

async fn sleep_signals(bus: &Connection) -> zbus::Result<BoxStream<'static, NetworkChange>> {
    let logind = zbus::Proxy::new(
        bus,
        "org.freedesktop.login1",
        "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager",
    )
    .await?;
    let signals = logind.receive_signal("PrepareForSleep").await?;
    Ok(signals
        .filter_map(|message| async move {
            let begins: bool = message.body().deserialize().ok()?;
            Some(if begins {
                NetworkChange::Suspending
            } else {
                NetworkChange::Resumed(Duration::ZERO)
            })
        })
        .boxed())
}

async fn resolver_restarts(bus: &Connection) -> zbus::Result<BoxStream<'static, NetworkChange>> {
    let driver = DBusProxy::new(bus).await?;
    let changes = driver
        .receive_name_owner_changed_with_args(&[(0, resolved::NAME)])
        .await?;
    Ok(changes
        .filter_map(|signal| async move {
            let new_owner = signal.args().ok()?.new_owner().is_some();
            new_owner.then_some(NetworkChange::ResolverRestarted)
        })
        .boxed())
}

/// Tells that the machine has slept: by a timer that the kernel cancels when the clock jumps, as it does on resume,
/// and by how far the clocks have come apart.
struct SleepClock {
    timer: Option<AsyncFd<OwnedFd>>,
    slept_before: Duration,
}

impl SleepClock {
    fn start() -> Self {
        #[expect(
            deprecated,
            reason = "an owned descriptor stays what it is, which is all that its unsafe successor asks"
        )]
        let timer = jump_timer().and_then(AsyncFd::new);
        if let Err(error) = &timer {
            debug!(%error, "a jump of the clock will not be noticed");
        }
        Self {
            timer: timer.ok(),
            slept_before: time_asleep(),
        }
    }

    /// Waits for the clock to jump, for whatever reason. Cancel-safe.
    async fn jumped(&self) {
        let Some(timer) = &self.timer else {
            return std::future::pending().await;
        };
        loop {
            let Ok(mut ready) = timer.readable().await else {
                return std::future::pending().await;
            };
            let mut count = [0; 8];
            match ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?)) {
                Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::CANCELED) => return,
                Ok(_) => return std::future::pending().await,
                Err(_would_block) => {}
            }
        }
    }

    /// How long the machine has slept since the last time this was asked, if it did.
    fn slept(&mut self) -> Option<Duration> {
        let asleep = time_asleep();
        let slept = asleep.saturating_sub(self.slept_before);
        self.slept_before = asleep;
        (slept >= SHORTEST_SLEEP).then_some(slept)
    }
}

/// A timer that never expires but is cancelled when the wall clock jumps.
fn jump_timer() -> io::Result<OwnedFd> {
    let timer = timerfd_create(
        TimerfdClockId::Realtime,
        TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
    )?;
    let never = Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: Timespec {
            tv_sec: FAR_FUTURE,
            tv_nsec: 0,
        },
    };
    timerfd_settime(
        &timer,
        TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET,
        &never,
    )?;
    Ok(timer)
}

/// How long the machine has been asleep since it was started.
fn time_asleep() -> Duration {
    let [awake, all] = [ClockId::Monotonic, ClockId::Boottime].map(|clock| {
        let time = clock_gettime(clock);
        Duration::new(
            time.tv_sec.try_into().unwrap_or(0),
            time.tv_nsec.try_into().unwrap_or(0),
        )
    });
    all.saturating_sub(awake)
}

/// Reports that may wait; the session takes them at once.
const REPORTS: usize = 8;
/// A bus that does not answer for so long is no help.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the kernel must be silent until its messages are one event.
const QUIET: Duration = Duration::from_millis(200);
/// A world that never comes to rest is looked at after so many messages.
const MOST_WAITS: usize = 64;
/// So often in a row a route of ours that is gone is expected to come back.
const MOST_LOSSES: u8 = 8;
/// The two clocks are read one after the other, so a little is noise.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);
/// The year 2200, in seconds.
const FAR_FUTURE: i64 = 7_258_118_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_did_not_sleep_has_slept_for_no_time() {
        let mut clock = SleepClock {
            timer: None,
            slept_before: time_asleep(),
        };

        assert_eq!(clock.slept(), None);
    }

    #[test]
    fn a_sleep_is_told_once() {
        let mut clock = SleepClock {
            timer: None,
            slept_before: Duration::ZERO,
        };
        clock.slept_before = time_asleep().saturating_sub(Duration::from_secs(90));
        let asleep = time_asleep();

        let first = clock.slept();
        let second = clock.slept();

        // A machine that has never slept cannot have slept before it started.
        assert_eq!(first.is_some(), asleep >= Duration::from_secs(1));
        assert_eq!(second, None);
    }

    #[test]
    fn the_kernel_gives_a_timer_that_tells_jumps() {
        assert!(jump_timer().is_ok());
    }
}
