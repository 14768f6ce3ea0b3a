//! `Session`: request, report or deadline in; effects out.

use std::time::Instant;

use tracing::{error, info, warn};

use super::super::config::Environment;
use super::super::event::Input;
use super::active::ActiveSession;
use super::context::{Context, Policy, ReadyWhen, Registration};
use super::effect::{Effect, Loaded, Report, Summary};
use super::event_counters::EventCounters;
use super::exit_class::ExitClass;
use super::network::Device;
use super::request::{Refusal, Request};
use super::state::{Phase, Then};
use super::status::Status;
use super::user_input::UserInputQueue;

/// One session, from registration to exit. Owns no socket, reads no clock, waits for nothing.
///
/// After every input, call [`Session::poll_output`] until it says [`Output::Wait`].
#[derive(Debug)]
pub struct Session {
    pub(super) state: State,
    pub(super) context: Context,
    token: Option<String>,
}

/// One thing to do. `Wait` ends the drain.
#[derive(Debug)]
pub enum Output {
    /// Ask the world for this.
    Effect(Effect),
    /// Nothing more now. Come back at `until` (`None`: only on input); `name` says which timer asked.
    Wait {
        /// When to call [`Session::handle_deadline`].
        until: Option<Instant>,
        /// Which timer asked, for the trace log.
        name: &'static str,
    },
}

/// The life of a session.
#[derive(Debug)]
pub(super) enum State {
    /// It is over; every input is ignored.
    Done,
    /// The profile is there.
    Active(Box<ActiveSession>),
    /// The profile is being fetched.
    Loading {
        /// Whether somebody waits for the session to be registered.
        registering: bool,
    },
    /// The session manager has not registered us.
    Unregistered {
        /// When we leave without it.
        give_up_at: Instant,
    },
}

impl Session {
    /// A session as the front wants it. The first outputs are ready at once.
    #[must_use]
    pub fn new(mut policy: Policy, environment: Environment) -> Self {
        let mut context = Context::new(&mut policy, environment);
        let (state, token) = match policy.registration {
            Registration::Awaited { token, give_up_at } => {
                (State::Unregistered { give_up_at }, Some(token))
            }
            Registration::None => {
                context.push(Effect::LoadProfile);
                (State::Loading { registering: false }, None)
            }
        };
        Self {
            state,
            context,
            token,
        }
    }

    /// Takes a request.
    ///
    /// # Errors
    ///
    /// Why it is not met. [`Request::Disconnect`] and [`Request::ForceShutdown`] always are.
    pub fn request(&mut self, now: Instant, request: Request) -> Result<(), Refusal> {
        match request {
            Request::Disconnect => {
                self.disconnect(now);
                return Ok(());
            }
            Request::ForceShutdown => {
                self.force_shutdown(now);
                return Ok(());
            }
            Request::Register { token } => return self.register(&token),
            Request::Connect
            | Request::Pause { .. }
            | Request::ProvideInput(_)
            | Request::Reload
            | Request::Restart
            | Request::Resume => {}
        }
        let context = &mut self.context;
        let State::Active(live) = &mut self.state else {
            return Err(match self.state {
                State::Done => Refusal::Leaving,
                State::Active(_) | State::Loading { .. } | State::Unregistered { .. } => {
                    Refusal::NotRegistered
                }
            });
        };
        let accepted = match request {
            Request::Connect => live.connect(context, now),
            Request::Pause { reason } => live.pause(context, now, &reason),
            Request::ProvideInput(answer) => live.provide(context, now, &answer),
            Request::Reload => {
                info!("reading the profile again");
                context.push(Effect::LoadProfile);
                Ok(())
            }
            Request::Restart => live.restart(context, now),
            Request::Resume => live.resume(context, now),
            Request::Disconnect | Request::ForceShutdown | Request::Register { .. } => Ok(()),
        };
        self.finish_if_closed(now);
        accepted
    }

    /// Takes a report of the world.
    pub fn report(&mut self, now: Instant, report: Report) {
        if let Report::Profile(outcome) = report {
            self.profile(now, outcome);
            self.finish_if_closed(now);
            return;
        }
        let context = &mut self.context;
        let State::Active(live) = &mut self.state else {
            return;
        };
        match report {
            Report::NetworkDone(device) => live.network_done(context, now, device),
            Report::NetworkFailed { class, reason } => {
                live.network_failed(context, now, class, &reason);
            }
            Report::NobodyToAsk(reason) => live.unanswerable(context, now, &reason),
            Report::PathChanged => live.path_changed(context, now),
            Report::PathLost => {
                warn!("no route to the server");
                live.tell(context, Input::PathLost);
            }
            Report::Profile(_) => {}
            Report::Resolved { lookup, addresses } => {
                live.resolved(context, now, &lookup, addresses);
            }
            Report::ResolverRestarted => live.resolver_restarted(context),
            Report::RoutesChanged => live.routes_changed(context),
            Report::Suspending => info!("the machine is about to sleep"),
            Report::TunLost(reason) => live.device_lost(context, now, &reason),
            Report::Tunnel(id, report) => live.on_tunnel(context, now, id, report),
            Report::Woke(slept) => {
                info!(seconds = slept.as_secs(), "the machine woke up");
                live.path_changed(context, now);
                live.tell(context, Input::Woke);
            }
        }
        self.finish_if_closed(now);
    }

    /// The deadline of the last [`Output::Wait`] has passed.
    pub fn handle_deadline(&mut self, now: Instant) {
        match &mut self.state {
            State::Unregistered { give_up_at } if now >= *give_up_at => {
                error!("nobody took this session on");
                self.exit(ExitClass::Internal);
            }
            State::Active(live) => {
                if live.deadline().is_some_and(|(until, _)| now >= until) {
                    live.on_deadline(&mut self.context, now);
                }
                self.finish_if_closed(now);
            }
            State::Done | State::Loading { .. } | State::Unregistered { .. } => {}
        }
    }

    /// The next thing to do. [`Output::Wait`] ends the drain.
    pub fn poll_output(&mut self) -> Output {
        if let Some(effect) = self.context.effects.pop_front() {
            return Output::Effect(effect);
        }
        let wait = match &self.state {
            State::Unregistered { give_up_at } => Some((*give_up_at, "registration")),
            State::Active(live) => live.deadline(),
            State::Done | State::Loading { .. } => None,
        };
        match wait {
            Some((until, name)) => Output::Wait {
                until: Some(until),
                name,
            },
            None => Output::Wait {
                until: None,
                name: "",
            },
        }
    }

    /// Whether the session could connect if it were told to.
    ///
    /// # Errors
    ///
    /// What it waits for.
    pub fn check_ready(&self) -> Result<(), Refusal> {
        if !matches!(self.state, State::Active(_)) {
            return Err(Refusal::NotRegistered);
        }
        if !self.context.questions.is_complete() {
            return Err(Refusal::MissingCredentials);
        }
        let last = self.context.board.last();
        if matches!(last, Status::OpenUrl(_)) {
            return Err(Refusal::PendingWebAuthentication);
        }
        Ok(())
    }

    /// The last status announced.
    #[must_use]
    pub const fn status(&self) -> &Status {
        self.context.board.last()
    }

    /// How often what happened.
    #[must_use]
    pub const fn event_counters(&self) -> &EventCounters {
        &self.context.event_counters
    }

    /// The questions to the user.
    #[must_use]
    pub const fn questions(&self) -> &UserInputQueue {
        &self.context.questions
    }

    /// The connection that stands, if one does.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        let State::Active(live) = &self.state else {
            return None;
        };
        if let Phase::Connected { summary, .. } = &live.phase {
            Some(summary)
        } else {
            None
        }
    }

    /// The connection that stands, or that a pause has interrupted.
    #[must_use]
    pub fn connected_to(&self) -> Option<&Summary> {
        let State::Active(live) = &self.state else {
            return None;
        };
        match &live.phase {
            Phase::Connected { .. }
            | Phase::Paused
            | Phase::Leaving {
                then: Then::Pause, ..
            } => live.last_summary.as_deref(),
            Phase::Closing { .. }
            | Phase::Configuring { .. }
            | Phase::Connecting { .. }
            | Phase::Failed
            | Phase::Leaving { .. }
            | Phase::Ready { .. }
            | Phase::Resolving { .. }
            | Phase::Waiting { .. } => None,
        }
    }

    /// The device, if there is one.
    #[must_use]
    pub fn device(&self) -> Option<&Device> {
        match &self.state {
            State::Active(live) => live.network.device(),
            State::Done | State::Loading { .. } | State::Unregistered { .. } => None,
        }
    }

    /// The profile's name; empty before there is one.
    #[must_use]
    pub fn profile_name(&self) -> &str {
        match &self.state {
            State::Active(live) => &live.loaded.name,
            State::Done | State::Loading { .. } | State::Unregistered { .. } => "",
        }
    }

    /// The host of the remote in use; empty before the first attempt.
    #[must_use]
    pub fn host(&self) -> &str {
        let State::Active(live) = &self.state else {
            return "";
        };
        if matches!(live.phase, Phase::Ready { .. }) && !live.was_connected {
            ""
        } else {
            &live.remotes.target().host
        }
    }

    fn register(&mut self, token: &str) -> Result<(), Refusal> {
        let State::Unregistered { .. } = self.state else {
            return Err(Refusal::AlreadyRegistered);
        };
        if self.token.as_deref() != Some(token) {
            return Err(Refusal::WrongToken);
        }
        self.state = State::Loading { registering: true };
        self.context.push(Effect::LoadProfile);
        Ok(())
    }

    fn profile(&mut self, now: Instant, outcome: Result<Box<Loaded>, Refusal>) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Loading { registering } => self.first_profile(now, outcome, registering),
            State::Active(live) => self.next_profile(now, outcome, live),
            state @ (State::Done | State::Unregistered { .. }) => self.state = state,
        }
    }

    fn first_profile(
        &mut self,
        now: Instant,
        outcome: Result<Box<Loaded>, Refusal>,
        registering: bool,
    ) {
        let live = outcome.and_then(|loaded| {
            let mut live = ActiveSession::new(&self.context, *loaded)?;
            live.restore(&mut self.context);
            live.prepare(&mut self.context)?;
            Ok(live)
        });
        let registered = match live {
            Ok(live) => {
                let name = live.loaded.name.clone();
                self.state = State::Active(Box::new(live));
                Ok(name)
            }
            Err(refusal) => {
                error!(reason = %refusal, "the session cannot begin");
                let status = Status::ProfileInvalid(refusal.to_string());
                self.context.announce(status);
                Err(refusal)
            }
        };
        let usable = registered.is_ok();
        if registering {
            self.context.push(Effect::Registered(registered));
        }
        if !usable {
            return self.exit(ExitClass::ProfileUnusable);
        }
        self.context.reached(ReadyWhen::Registered);
        if let State::Active(live) = &mut self.state {
            live.get_going(&mut self.context, now);
        }
    }

    /// The profile was read again.
    fn next_profile(
        &mut self,
        now: Instant,
        outcome: Result<Box<Loaded>, Refusal>,
        mut live: Box<ActiveSession>,
    ) {
        let context = &mut self.context;
        let fresh = outcome.and_then(|loaded| ActiveSession::new(context, *loaded));
        match fresh {
            Ok(mut fresh) => {
                fresh.inherit(context, *live);
                fresh.reconnect(context, now);
                live = Box::new(fresh);
            }
            Err(refusal) => warn!(reason = %refusal, "the profile stays as it was"),
        }
        context.push(Effect::Ready);
        self.state = State::Active(live);
    }

    fn disconnect(&mut self, now: Instant) {
        match &mut self.state {
            State::Done => {}
            State::Active(live) => {
                live.disconnect(&mut self.context, now);
                self.finish_if_closed(now);
            }
            State::Loading { .. } | State::Unregistered { .. } => self.exit(ExitClass::AsAsked),
        }
    }

    fn force_shutdown(&mut self, now: Instant) {
        match &mut self.state {
            State::Done => {}
            State::Active(live) => {
                live.exit(&mut self.context, now, ExitClass::AsAsked);
                live.abandon(&mut self.context, now);
                self.finish_if_closed(now);
            }
            State::Loading { .. } | State::Unregistered { .. } => self.exit(ExitClass::AsAsked),
        }
    }

    fn finish_if_closed(&mut self, now: Instant) {
        let State::Active(live) = &self.state else {
            return;
        };
        if let Some(class) = live.finished(now) {
            self.exit(class);
        }
    }

    fn exit(&mut self, class: ExitClass) {
        self.state = State::Done;
        let context = &mut self.context;
        // Who was never registered has nothing to wait for, and an end before READY is a failure to the service manager.
        context.reached(ReadyWhen::Registered);
        context.announce(Status::Done(String::new()));
        context.push(Effect::Exit(class));
    }
}
