//! An attempt that is not over: packets, deadlines and orders to the rooms they belong to.

use std::ops::Range;
use std::time::Instant;

use super::data_channel::{PathNews, Tunnel};
use super::exit_notification::{ExitNotification, Manner};
use super::liveness_check::{self, LivenessCheck};
use super::outputs::Outputs;
use crate::config::{ConnectionConfig, Transport};
use crate::control::app_control::Joiner;
use crate::control::channel::Rejected;
use crate::control::keyring::{Keyring, Notice};
use crate::control::push::{Parts, PushWait};
use crate::control::wrap::WrapError;
use crate::data::plane;
use crate::data::stats::{DropReason, Stats};
use crate::error::ConnectionError;
use crate::event::{Ended, Event, Input, Stage};
use crate::profile::pushed::CustomControl;

/// The machines of one attempt.
#[derive(Debug)]
pub(super) struct OpenConnection {
    pub(super) config: ConnectionConfig,
    pub(super) keyring: Keyring,
    pub(super) phase: Phase,
    pub(super) conversation: Conversation,
    liveness_check: LivenessCheck,
    /// Drops of control packets.
    drops: Stats,
    /// There may be control packets to send before any deadline. Draining after a batch of data costs nothing so.
    control_is_due: bool,
}

/// How far it has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// The first key is negotiated.
    KeyExchange,
    /// The server's options are awaited.
    AwaitPush(PushWait),
    /// Data flows.
    Up(Box<Tunnel>),
    /// We are sending the exit notification.
    Leaving(Box<Tunnel>, ExitNotification),
}

/// What spans several messages.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) reply: Parts,
    pub(super) update: Parts,
    pub(super) fragments: Joiner,
    /// The app control protocols that the server speaks.
    pub(super) app_control: Option<CustomControl>,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            reply: Parts::new("PUSH_REPLY"),
            update: Parts::new("PUSH_UPDATE"),
            fragments: Joiner::default(),
            app_control: None,
        }
    }
}

impl OpenConnection {
    pub(super) fn new(config: ConnectionConfig, now: Instant) -> Result<Self, ConnectionError> {
        Ok(Self {
            keyring: Keyring::new(&config, now)?,
            phase: Phase::KeyExchange,
            conversation: Conversation::default(),
            liveness_check: LivenessCheck::default(),
            drops: Stats::default(),
            control_is_due: true,
            config,
        })
    }

    pub(super) fn open_data(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        match &mut self.phase {
            Phase::Up(tunnel) => tunnel.open(now, packet),
            Phase::AwaitPush(_) | Phase::KeyExchange | Phase::Leaving(..) => {
                self.drops.drop(DropReason::KeyState);
                None
            }
        }
    }

    pub(super) fn take_inflated(&mut self, now: Instant) -> Option<&mut [u8]> {
        match &mut self.phase {
            Phase::Up(tunnel) => tunnel.take_inflated(now),
            Phase::AwaitPush(_) | Phase::KeyExchange | Phase::Leaving(..) => None,
        }
    }

    /// Takes a control packet. What it changes is in force for the very next packet; what is to be sent because of it
    /// waits for [`OpenConnection::process`], so that acknowledgements share packets.
    pub(super) fn open_control(
        &mut self,
        now: Instant,
        packet: &[u8],
        out: &mut Outputs,
    ) -> Result<(), Ended> {
        self.control_is_due = true;
        match self.keyring.receive(now, packet) {
            Ok(()) => {
                if let Phase::Up(tunnel) = &mut self.phase {
                    tunnel.data.note_heard(now);
                }
            }
            Err(rejected) => {
                let reason = drop_reason(rejected);
                self.drops.drop(reason);
                let dropped = self.drops.dropped(reason);
                // Whoever floods the port must not flood the log.
                if dropped.is_power_of_two() {
                    tracing::debug!(%rejected, dropped, "control packet dropped");
                }
            }
        }
        self.take_notices(now, out)
    }

    pub(super) fn seal_room(&self) -> (usize, usize) {
        match &self.phase {
            Phase::Up(tunnel) | Phase::Leaving(tunnel, _) => tunnel.data.seal_room(),
            Phase::AwaitPush(_) | Phase::KeyExchange => (0, 0),
        }
    }

    pub(super) fn seal(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>> {
        match &mut self.phase {
            Phase::Up(tunnel) => tunnel.seal(now, buffer, payload),
            Phase::AwaitPush(_) | Phase::KeyExchange | Phase::Leaving(..) => None,
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = self.drops;
        if let Phase::Up(tunnel) | Phase::Leaving(tunnel, _) = &self.phase {
            stats.merge(tunnel.data.stats());
        }
        stats
    }

    pub(super) fn handle_input(
        &mut self,
        now: Instant,
        input: Input,
        out: &mut Outputs,
    ) -> Result<(), Ended> {
        self.control_is_due = true;
        match input {
            Input::Answer(text) => self.answer(&text),
            Input::AppControl { protocol, payload } => self.send_app_control(&protocol, &payload),
            Input::Deadline => self.tick(now, out),
            Input::PathChanged => {
                self.ping(now, out);
                self.probe_path(now);
                self.liveness_check.path_changed(now);
                self.follow_liveness_check(now)
            }
            Input::PathLost => {
                self.liveness_check.cut_off();
                Ok(())
            }
            Input::Renegotiate => {
                self.keyring.renegotiate(now);
                Ok(())
            }
            Input::Stop => self.leave(now, out),
            Input::TransportFailed(why) => {
                let why = self.with_stage(why);
                Err(Ended::Failed(ConnectionError::Transport(why)))
            }
            Input::Woke => {
                self.liveness_check.begin(now);
                self.follow_liveness_check(now)
            }
        }
    }

    /// Asks a server that may have forgotten us, or gives it up.
    fn follow_liveness_check(&mut self, now: Instant) -> Result<(), Ended> {
        let Phase::Up(tunnel) = &self.phase else {
            return Ok(());
        };
        match self.liveness_check.step(now, tunnel.data.heard_at()) {
            Some(liveness_check::Step::Ask) => self.keyring.ask_again(now),
            Some(liveness_check::Step::GiveUp { silence }) => {
                let seconds = silence.as_secs();
                return Err(Ended::Failed(ConnectionError::PeerLost { seconds }));
            }
            None => {}
        }
        Ok(())
    }

    /// Servers that refuse us without a word just end the stream: where that happened says why.
    fn with_stage(&self, why: String) -> String {
        match self.phase {
            Phase::KeyExchange if self.keyring.server_has_answered() => {
                format!("{why} (it stopped at: {})", self.keyring.stage())
            }
            Phase::AwaitPush(_) | Phase::KeyExchange | Phase::Leaving(..) | Phase::Up(_) => why,
        }
    }

    /// Does all that has come up, until there is nothing left but to wait.
    pub(super) fn process(&mut self, now: Instant, out: &mut Outputs) -> Result<(), Ended> {
        self.take_notices(now, out)?;
        if self.control_is_due || self.keyring.deadline().is_some_and(|(at, _)| at <= now) {
            self.control_is_due = false;
            self.flush(now, out);
            self.check_exit_notification(now)?;
        }
        Ok(())
    }

    fn take_notices(&mut self, now: Instant, out: &mut Outputs) -> Result<(), Ended> {
        loop {
            while let Some(notice) = self.keyring.poll() {
                self.on_notice(now, notice, out)?;
            }
            let Phase::Up(tunnel) = &mut self.phase else {
                return Ok(());
            };
            let Some(notice) = tunnel.data.poll(now) else {
                return Ok(());
            };
            self.on_data_notice(now, notice, out)?;
        }
    }

    /// Hands over the control packets that are due.
    pub(super) fn flush(&mut self, now: Instant, out: &mut Outputs) {
        while let Some(packet) = self.keyring.transmit(now) {
            out.transmit(&packet);
        }
    }

    /// When to come back, and what for.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        let phase = match &self.phase {
            Phase::KeyExchange => None,
            Phase::AwaitPush(wait) => Some((wait.next_request(), "push request"))
                .min(Some((wait.deadline(), "push reply"))),
            Phase::Up(tunnel) => {
                let liveness_check = self
                    .liveness_check
                    .deadline()
                    .map(|at| (at, "sign of life"));
                tunnel.deadline().into_iter().chain(liveness_check).min()
            }
            Phase::Leaving(_, exit_notification) => {
                Some((exit_notification.deadline(), "exit notification"))
            }
        };
        phase.into_iter().chain(self.keyring.deadline()).min()
    }

    fn tick(&mut self, now: Instant, out: &mut Outputs) -> Result<(), Ended> {
        self.keyring.handle_deadline(now);
        match &mut self.phase {
            Phase::KeyExchange => Ok(()),
            Phase::AwaitPush(wait) if now >= wait.deadline() => {
                let seconds = wait.window().as_secs();
                let stage = if wait.login_pending() {
                    "the login outside of the tunnel"
                } else {
                    "the server's options"
                };
                Err(Ended::Failed(ConnectionError::HandshakeTimeout {
                    seconds,
                    stage,
                }))
            }
            Phase::AwaitPush(wait) => {
                if wait.request_due(now) {
                    self.say("PUSH_REQUEST")?;
                }
                Ok(())
            }
            Phase::Up(tunnel) => {
                follow_path(now, tunnel, out);
                tunnel.check_limits(now).map_err(Ended::Failed)?;
                self.follow_liveness_check(now)
            }
            Phase::Leaving(tunnel, exit_notification) => {
                exit_notification.tick(now, tunnel, out);
                Ok(())
            }
        }
    }

    fn on_notice(&mut self, now: Instant, notice: Notice, out: &mut Outputs) -> Result<(), Ended> {
        match notice {
            Notice::BadCommand => self.drops.drop(DropReason::Control),
            Notice::Command(command) => return self.on_command(now, command.expose(), out),
            Notice::Drop(key_id) => {
                if let Some(tunnel) = self.tunnel() {
                    tunnel.data.drop_key(key_id.get());
                }
            }
            Notice::Exchanged => {
                out.event(Event::Stage(Stage::GettingConfig));
                let mut wait = PushWait::new(now, self.keyring.windows().hand);
                if wait.request_due(now) {
                    self.say("PUSH_REQUEST")?;
                }
                self.phase = Phase::AwaitPush(wait);
            }
            Notice::Failed(error) => return Err(Ended::Failed(error)),
            Notice::Install(key_id, block) => {
                if let Some(tunnel) = self.tunnel() {
                    tunnel.install(key_id.get(), block).map_err(Ended::Failed)?;
                }
            }
            Notice::ServerAnswered => out.event(Event::Stage(Stage::ServerAnswered)),
            Notice::SwitchTo(key_id) => {
                let (key_id, times) = (key_id.get(), self.keyring.key_times());
                if let Some(tunnel) = self.tunnel() {
                    tunnel.data.switch_to(key_id);
                    out.event(Event::KeyRenewed { key_id, times });
                }
                self.probe_path(now);
            }
            Notice::TlsUp => out.event(Event::Stage(Stage::Authenticating)),
        }
        Ok(())
    }

    fn on_data_notice(
        &mut self,
        now: Instant,
        notice: plane::Notice,
        out: &mut Outputs,
    ) -> Result<(), Ended> {
        match notice {
            plane::Notice::KeyNearlyUsedUp { .. } => self.keyring.renegotiate(now),
            plane::Notice::LoadHeard { payload } => {
                if let Phase::Up(tunnel) = &mut self.phase {
                    tunnel.path_answered(now, payload);
                    follow_path(now, tunnel, out);
                }
            }
            plane::Notice::NewerKeyHeard { key_id } => self.keyring.note_heard(key_id),
            plane::Notice::PeerExited => return Err(Ended::Failed(ConnectionError::PeerExited)),
            plane::Notice::PeerLost { silence } => {
                let seconds = silence.as_secs();
                return Err(Ended::Failed(ConnectionError::PeerLost { seconds }));
            }
            plane::Notice::PingDue => self.ping(now, out),
        }
        Ok(())
    }

    fn ping(&mut self, now: Instant, out: &mut Outputs) {
        if let Phase::Up(tunnel) = &mut self.phase {
            if let Some(packet) = tunnel.data.ping(now) {
                out.transmit(packet);
            }
        }
    }

    /// Looks again which packets pass: now and then, and when the way is another one.
    fn probe_path(&mut self, now: Instant) {
        if let Phase::Up(tunnel) = &mut self.phase {
            tunnel.probe_path(now, &self.config);
        }
    }

    /// Sends the exit notification, as far as there is somebody to say it to.
    fn leave(&mut self, now: Instant, out: &mut Outputs) -> Result<(), Ended> {
        let phase = std::mem::replace(&mut self.phase, Phase::KeyExchange);
        let mut tunnel = match phase {
            Phase::AwaitPush(_) | Phase::KeyExchange => return Err(Ended::Stopped),
            Phase::Up(tunnel) => tunnel,
            leaving @ Phase::Leaving(..) => {
                self.phase = leaving;
                return Ok(());
            }
        };
        let by_control = tunnel.options.flags.cc_exit;
        if by_control {
            self.say("EXIT")?;
        }
        let manner = match (by_control, self.keyring.is_renegotiating()) {
            (true, true) => Manner::Both,
            (true, false) => Manner::Control,
            (false, _) => Manner::Data,
        };
        let exit_notifications = match self.config.endpoint.transport {
            Transport::Tcp => 0,
            Transport::Udp => tunnel
                .options
                .exit_notify
                .unwrap_or(self.config.timing.exit_notify),
        };
        let mut exit_notification = ExitNotification::new(now, manner, exit_notifications);
        exit_notification.tick(now, &mut tunnel, out);
        self.phase = Phase::Leaving(tunnel, exit_notification);
        Ok(())
    }

    /// Ends the attempt once the server knows, or had time enough.
    fn check_exit_notification(&self, now: Instant) -> Result<(), Ended> {
        match &self.phase {
            Phase::Leaving(_, exit_notification)
                if exit_notification.is_over(now, self.keyring.all_acknowledged()) =>
            {
                Err(Ended::Stopped)
            }
            Phase::AwaitPush(_) | Phase::KeyExchange | Phase::Leaving(..) | Phase::Up(_) => Ok(()),
        }
    }

    /// Sends a control message.
    pub(super) fn say(&mut self, command: &str) -> Result<(), Ended> {
        self.keyring.send(command).map_err(Ended::Failed)
    }

    pub(super) fn tunnel(&mut self) -> Option<&mut Tunnel> {
        match &mut self.phase {
            Phase::Leaving(tunnel, _) | Phase::Up(tunnel) => Some(tunnel),
            Phase::AwaitPush(_) | Phase::KeyExchange => None,
        }
    }

    pub(super) fn count_bad_message(&mut self) {
        self.drops.drop(DropReason::Control);
    }
}

fn follow_path(now: Instant, tunnel: &mut Tunnel, out: &mut Outputs) {
    if let Some(cause) = tunnel.take_undecodable() {
        out.event(Event::Undecodable(cause));
    }
    while let Some(news) = tunnel.path_news(now) {
        match news {
            PathNews::Ask(packet) => out.transmit(&packet),
            PathNews::Limit(limit) => out.event(Event::PathLimit(limit.map(Into::into))),
        }
    }
}

const fn drop_reason(rejected: Rejected) -> DropReason {
    match rejected {
        Rejected::UnknownKey => DropReason::KeyState,
        Rejected::Wrapping(WrapError::Malformed(_)) => DropReason::Buffer,
        Rejected::Wrapping(WrapError::Replayed) => DropReason::Replay,
        Rejected::Wrapping(WrapError::Unauthentic) => DropReason::Hmac,
        Rejected::EarlyNegotiation(_)
        | Rejected::ForAnother
        | Rejected::Misplaced
        | Rejected::TooFar
        | Rejected::UnknownSession => DropReason::Control,
    }
}
