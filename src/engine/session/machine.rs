//! `Session`: command, report or deadline in; effects out.

use std::time::Instant;

use tracing::{error, info, warn};

use super::super::config::Environment;
use super::super::event::{Ended, Input};
use super::active::ActiveSession;
use super::command::{Accepted, Command, Confirmation, Refusal, Ticket};
use super::context::{Context, Policy, ReadyWhen, Registration};
use super::effect::{Effect, Loaded, ProfileSource, Report, Summary};
use super::event_counters::EventCounters;
use super::exit_class::ExitClass;
use super::network::Device;
use super::state::{Phase, State};
use super::status::{Status, StatusMajor, StatusMinor};
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
                context.push(Effect::LoadProfile(ProfileSource::FrontEnd));
                let state = State::Loading {
                    ticket: None,
                    config_path: String::new(),
                };
                (state, None)
            }
        };
        Self {
            state,
            context,
            token,
        }
    }

    /// Takes a command.
    ///
    /// # Errors
    ///
    /// Why it is not obeyed. [`Command::Disconnect`] and [`Command::ForceShutdown`] always are.
    pub fn command(&mut self, now: Instant, command: Command) -> Result<Accepted, Refusal> {
        match command {
            Command::Confirm(confirmation) => return self.confirm(confirmation),
            Command::Disconnect => {
                self.disconnect(now);
                return Ok(Accepted::Done);
            }
            Command::ForceShutdown => {
                self.force_shutdown(now);
                return Ok(Accepted::Done);
            }
            Command::Connect
            | Command::Pause { .. }
            | Command::ProvideInput(_)
            | Command::Reload
            | Command::Renegotiate
            | Command::Restart
            | Command::Resume => {}
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
        let accepted = match command {
            Command::Connect => live.connect(context, now),
            Command::Pause { reason } => live.pause(context, now, &reason),
            Command::ProvideInput(answer) => live.provide(context, now, &answer),
            Command::Reload => {
                info!("reading the profile again");
                context.push(Effect::LoadProfile(ProfileSource::FrontEnd));
                Ok(Accepted::Done)
            }
            Command::Renegotiate => {
                context.push(Effect::Renegotiate);
                Ok(Accepted::Done)
            }
            Command::Restart => live.restart(context, now),
            Command::Resume => live.resume(context, now),
            Command::Confirm(_) | Command::Disconnect | Command::ForceShutdown => {
                Ok(Accepted::Done)
            }
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
            Report::Abandoned => live.abandoned(context, now),
            Report::AttemptFailed(error) => {
                live.attempt_ended(context, now, Ended::Failed(error));
            }
            Report::Event(event) => live.on_event(context, now, event),
            Report::NetworkDone(device) => live.network_done(context, now, device),
            Report::NetworkFailed { class, reason } => {
                live.network_failed(context, now, class, &reason);
            }
            Report::NobodyToAsk(reason) => live.unanswerable(context, now, &reason),
            Report::Opened { local, peer } => live.opened(local, peer),
            Report::PathChanged => live.path_changed(context, now),
            Report::PathLost => {
                warn!("no way leads to the server");
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
        if last.major() == StatusMajor::Session && last.minor() == StatusMinor::SessAuthUrl {
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

    fn confirm(&mut self, confirmation: Confirmation) -> Result<Accepted, Refusal> {
        let State::Unregistered { .. } = self.state else {
            return Err(Refusal::AlreadyRegistered);
        };
        if self.token.as_ref() != Some(&confirmation.token) {
            return Err(Refusal::WrongToken);
        }
        let ticket = confirmation.ticket;
        self.state = State::Loading {
            ticket: Some(ticket),
            config_path: confirmation.config_path.clone(),
        };
        self.context
            .push(Effect::LoadProfile(ProfileSource::Manager(confirmation)));
        Ok(Accepted::Later(ticket))
    }

    fn profile(&mut self, now: Instant, outcome: Result<Box<Loaded>, Refusal>) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Loading {
                ticket,
                config_path,
            } => self.first_profile(now, outcome, ticket, &config_path),
            State::Active(live) => self.next_profile(now, outcome, live),
            state @ (State::Done | State::Unregistered { .. }) => self.state = state,
        }
    }

    fn first_profile(
        &mut self,
        now: Instant,
        outcome: Result<Box<Loaded>, Refusal>,
        ticket: Option<Ticket>,
        config_path: &str,
    ) {
        let live = outcome.and_then(|loaded| {
            let mut live = ActiveSession::new(&self.context, *loaded, config_path.to_owned())?;
            if let Some(saved) = self.context.saved.take() {
                live.restore(saved);
            }
            live.prepare(&mut self.context)?;
            Ok(live)
        });
        let reply = match live {
            Ok(live) => {
                let name = live.loaded.name.clone();
                self.context.announce(Status::config_ok(config_path));
                self.state = State::Active(Box::new(live));
                Ok(name)
            }
            Err(refusal) => {
                error!(reason = %refusal, "the session cannot begin");
                let status = Status::config_error(config_path, &refusal.to_string());
                self.context.announce(status);
                Err(refusal)
            }
        };
        let usable = reply.is_ok();
        if let Some(ticket) = ticket {
            self.context.push(Effect::Reply(ticket, reply));
        }
        if !usable {
            return self.exit(ExitClass::ProfileUnusable);
        }
        self.context.reached(ReadyWhen::TakenOn);
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
        let fresh = outcome
            .and_then(|loaded| ActiveSession::new(context, *loaded, live.config_path.clone()));
        match fresh {
            Ok(mut fresh) => {
                fresh.inherit(*live);
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
        // Who was never taken on has nothing to wait for, and an end before READY is a failure to the service manager.
        context.reached(ReadyWhen::TakenOn);
        context.announce_connection(StatusMinor::ConnDone);
        context.push(Effect::Exit(class));
    }
}
