//! `ActiveSession`: a session with a profile; what the user asks of it, and how it ends.

use std::time::{Duration, Instant};

use tracing::{error, info};

use super::super::config::build::{ConnectionTemplate, TemplateError};
use super::super::error::ConnectionError;
use super::super::event::{Input, PathLimit, Undecodable};
use super::super::pki::validity::Finding;
use super::super::secret::SecretText;
use super::backoff::{Backoff, number_below};
use super::context::{Autonomy, Context};
use super::effect::{Effect, Loaded, Summary};
use super::event_counters::CountedEvent;
use super::exit_class::ExitClass;
use super::login::Login;
use super::network::Network;
use super::proxy_setup::ProxyLogin;
use super::remotes::Remotes;
use super::request::Refusal;
use super::saved::SavedServer;
use super::settings::Settings;
use super::state::{Manner, Phase, Then};
use super::status::Status;
use super::tunnel::TunnelOrder;

/// A session with a profile.
#[derive(Debug)]
pub(super) struct ActiveSession {
    pub(super) loaded: Loaded,
    pub(super) settings: Settings,
    /// Made when it is first needed: the private key may need a passphrase.
    pub(super) template: Option<ConnectionTemplate>,
    pub(super) passphrase: Option<SecretText>,
    pub(super) remotes: Remotes,
    pub(super) backoff: Backoff,
    pub(super) login: Login,
    pub(super) proxy_login: ProxyLogin,
    pub(super) network: Network,
    pub(super) phase: Phase,
    /// What passes on the path to the server, if not all does.
    pub(super) path_limit: Option<PathLimit>,
    /// Why nothing of use arrives through the tunnel, if that is so.
    pub(super) undecodable: Option<Undecodable>,
    /// The longest packets that the connection takes, if it has such a limit.
    pub(super) largest_payload: Option<u16>,
    /// Whether the tunnel ever carried traffic.
    pub(super) was_connected: bool,
    /// Whether the plan stays while we reconnect, as the profile or the server wants it.
    pub(super) persist_tun: bool,
    /// The server that let us in last, in this process or in the one before it. Who was let in once is not ended by what
    /// strangers can say.
    pub(super) last_server: Option<SavedServer>,
    /// What is to be known of our own certificate.
    pub(super) own_certificate: Vec<Finding>,
    /// Why the attempt that is being ended failed.
    pub(super) unusable: Option<ConnectionError>,
    /// The connection that stands, or stood last.
    pub(super) last_summary: Option<Box<Summary>>,
    /// Why the last attempt ended, until one succeeds.
    pub(super) trouble: Option<String>,
    /// The server has postponed its decision on the login of the attempt under way.
    pub(super) login_pending: bool,
}

impl ActiveSession {
    /// A session with this profile. Nothing is begun.
    ///
    /// # Errors
    ///
    /// [`Refusal::ProfileUnusable`] for a profile without a remote.
    pub(super) fn new(context: &Context, loaded: Loaded) -> Result<Self, Refusal> {
        let mut settings = Settings::new(&loaded.profile);
        let targets = std::mem::take(&mut settings.targets);
        let mut remotes = Remotes::new(targets)
            .ok_or_else(|| Refusal::ProfileUnusable("it names no remote".to_owned()))?;
        if settings.shuffle {
            remotes.shuffle(|limit| number_below(limit, context.random()));
        }
        let (base, max) = settings.wait;
        let mut login = Login::new(settings.login.clone());
        if let Some(username) = &settings.username {
            login.set_username(username);
        }
        if let Some(password) = settings.password.take() {
            login.set_profile_password(password);
        }
        Ok(Self {
            remotes,
            backoff: Backoff::new(base, max, settings.rounds_max),
            login,
            proxy_login: ProxyLogin::default(),
            network: Network::default(),
            phase: Phase::Ready {
                connect_when_complete: false,
            },
            path_limit: None,
            undecodable: None,
            largest_payload: None,
            was_connected: false,
            last_server: None,
            own_certificate: Vec::new(),
            unusable: None,
            last_summary: None,
            persist_tun: settings.persist_tun,
            trouble: None,
            login_pending: false,
            template: None,
            passphrase: None,
            loaded,
            settings,
        })
    }

    /// Opens the private key if that needs no passphrase, and asks for all that the profile does not have.
    ///
    /// # Errors
    ///
    /// [`Refusal::ProfileUnusable`], and why.
    pub(super) fn prepare(&mut self, context: &mut Context) -> Result<(), Refusal> {
        let locked = match self.make_template(context) {
            Ok(()) => false,
            Err(TemplateError::PassphraseNeeded | TemplateError::PassphraseWrong) => true,
            Err(TemplateError::Unusable(reason)) => {
                return Err(Refusal::ProfileUnusable(reason));
            }
        };
        // Before any question: front-ends go by what was announced last.
        context.announce(Status::ProfileLoaded);
        self.ask(context);
        if locked {
            self.ask_passphrase(context);
        }
        Ok(())
    }

    /// A session that acts by itself connects as soon as nothing is missing.
    pub(super) fn get_going(&mut self, context: &mut Context, now: Instant) {
        if let Phase::Ready {
            connect_when_complete: true,
        } = self.phase
        {
            if context.questions.is_complete() {
                self.start(context, now);
            }
        }
    }

    /// The profile was read again: what is under way goes on with it.
    pub(super) fn reconnect(&mut self, context: &mut Context, now: Instant) {
        match self.phase {
            Phase::Closing { .. } | Phase::Failed | Phase::Leaving { .. } | Phase::Paused => {}
            Phase::Ready { .. } => {
                // What was asked for may be in the profile, and something else may be missing.
                context.questions.withdraw_all();
                match self.prepare(context) {
                    Ok(()) => self.get_going(context, now),
                    Err(refusal) => {
                        let reason = refusal.to_string();
                        self.fail(context, now, ExitClass::ProfileUnusable, &reason);
                    }
                }
            }
            Phase::Configuring { .. }
            | Phase::Connected { .. }
            | Phase::Connecting { .. }
            | Phase::Resolving { .. }
            | Phase::Waiting { .. } => {
                context.announce(Status::Reconnecting);
                self.leave(context, now, Then::Again);
            }
        }
    }

    /// Begins, or says what is missing.
    pub(super) fn connect(&mut self, context: &mut Context, now: Instant) -> Result<(), Refusal> {
        let Phase::Ready { .. } = self.phase else {
            return Ok(());
        };
        if !context.questions.is_complete() {
            return Err(Refusal::InputMissing);
        }
        self.start(context, now);
        Ok(())
    }

    fn start(&mut self, context: &mut Context, now: Instant) {
        context.announce(Status::ProfileLoaded);
        self.announce_attempt(context);
        self.begin(context, now);
    }

    pub(super) fn announce_attempt(&self, context: &mut Context) {
        context.announce(if self.was_connected {
            Status::Reconnecting
        } else {
            Status::Connecting
        });
    }

    pub(super) fn pause(
        &mut self,
        context: &mut Context,
        now: Instant,
        reason: &str,
    ) -> Result<(), Refusal> {
        match self.phase {
            Phase::Paused
            | Phase::Leaving {
                then: Then::Pause, ..
            } => return Err(Refusal::AlreadyPaused),
            Phase::Ready { .. } | Phase::Failed => return Err(Refusal::NotConnected),
            Phase::Closing { .. }
            | Phase::Leaving {
                then: Then::Exit(_),
                ..
            } => return Err(Refusal::Leaving),
            Phase::Configuring { .. }
            | Phase::Connected { .. }
            | Phase::Connecting { .. }
            | Phase::Leaving { .. }
            | Phase::Resolving { .. }
            | Phase::Waiting { .. } => {}
        }
        info!(reason, "pausing");
        context.event_counters.count(CountedEvent::Pause);
        context.announce(Status::Pausing(reason.to_owned()));
        self.leave(context, now, Then::Pause);
        Ok(())
    }

    pub(super) fn resume(&mut self, context: &mut Context, now: Instant) -> Result<(), Refusal> {
        match self.phase {
            Phase::Paused => {
                info!("resuming");
                context.announce(Status::Resuming);
                self.announce_attempt(context);
                self.begin(context, now);
                Ok(())
            }
            Phase::Leaving {
                then: Then::Pause,
                manner,
                give_up_at,
            } => {
                context.announce(Status::Resuming);
                self.announce_attempt(context);
                self.phase = Phase::Leaving {
                    then: Then::Again,
                    manner,
                    give_up_at,
                };
                Ok(())
            }
            Phase::Ready { .. } => Err(Refusal::NotConnected),
            Phase::Closing { .. }
            | Phase::Configuring { .. }
            | Phase::Connected { .. }
            | Phase::Connecting { .. }
            | Phase::Failed
            | Phase::Leaving { .. }
            | Phase::Resolving { .. }
            | Phase::Waiting { .. } => Err(Refusal::NotPaused),
        }
    }

    pub(super) fn restart(&mut self, context: &mut Context, now: Instant) -> Result<(), Refusal> {
        match self.phase {
            Phase::Ready { .. } => return Err(Refusal::NotConnected),
            Phase::Closing { .. }
            | Phase::Leaving {
                then: Then::Exit(_),
                ..
            } => return Err(Refusal::Leaving),
            Phase::Configuring { .. }
            | Phase::Connected { .. }
            | Phase::Connecting { .. }
            | Phase::Failed
            | Phase::Leaving { .. }
            | Phase::Paused
            | Phase::Resolving { .. }
            | Phase::Waiting { .. } => {}
        }
        info!("restarting");
        context.announce(Status::Reconnecting);
        self.leave(context, now, Then::Again);
        Ok(())
    }

    /// Ends the session for good.
    pub(super) fn exit(&mut self, context: &mut Context, now: Instant, class: ExitClass) {
        match &mut self.phase {
            Phase::Closing { .. } => {}
            Phase::Leaving { then, .. } => *then = Then::Exit(class),
            Phase::Configuring { .. } | Phase::Connected { .. } | Phase::Connecting { .. } => {
                context.push(Effect::Stopping);
                self.leave(context, now, Then::Exit(class));
            }
            Phase::Failed
            | Phase::Paused
            | Phase::Ready { .. }
            | Phase::Resolving { .. }
            | Phase::Waiting { .. } => {
                context.push(Effect::Stopping);
                self.proceed(context, now, Then::Exit(class));
            }
        }
    }

    /// Ends the session because the user wants it.
    pub(super) fn disconnect(&mut self, context: &mut Context, now: Instant) {
        let is_shown = context.autonomy == Autonomy::Commanded && !self.phase.is_closing();
        if self.phase.has_attempt() || is_shown {
            info!("disconnecting");
            context.announce(Status::Disconnecting);
        }
        self.exit(context, now, ExitClass::AsAsked);
    }

    /// Ends the attempt under way, if there is one, politely; `then` comes after it.
    pub(super) fn leave(&mut self, context: &mut Context, now: Instant, then: Then) {
        match &mut self.phase {
            // Nothing comes after the end but the end.
            Phase::Leaving {
                then: Then::Exit(_),
                ..
            } => {}
            Phase::Leaving { then: next, .. } => *next = then,
            Phase::Configuring { .. } | Phase::Connected { .. } | Phase::Connecting { .. } => {
                context.push(Effect::Tunnel(TunnelOrder::Input(Input::Stop)));
                self.phase = Phase::Leaving {
                    then,
                    manner: Manner::Polite,
                    give_up_at: now + STOP_TIME,
                };
            }
            Phase::Closing { .. }
            | Phase::Failed
            | Phase::Paused
            | Phase::Ready { .. }
            | Phase::Resolving { .. }
            | Phase::Waiting { .. } => self.proceed(context, now, then),
        }
    }

    /// Ends an attempt that is being left, without waiting for its exit notification.
    pub(super) fn abandon(&mut self, context: &mut Context, now: Instant) {
        if let Phase::Leaving {
            manner, give_up_at, ..
        } = &mut self.phase
        {
            if *manner == Manner::Polite {
                *manner = Manner::Abandoned;
                *give_up_at = now + ABANDON_TIME;
                context.push(Effect::Tunnel(TunnelOrder::Abandon(context.attempt)));
            }
        }
    }

    /// No attempt is under way any more: what comes next.
    pub(super) fn proceed(&mut self, context: &mut Context, now: Instant, then: Then) {
        match then {
            Then::Again => match self.unusable.take() {
                Some(error) => self.attempt_failed(context, now, &error),
                None => self.begin(context, now),
            },
            Then::Exit(class) => {
                if context.autonomy == Autonomy::Commanded {
                    context.announce(Status::Disconnected);
                }
                self.phase = Phase::Closing {
                    class,
                    give_up_at: now + CLOSING_TIME,
                };
                context.push(Effect::ExtendTimeout(CLOSING_TIME));
                self.want_no_network(context);
            }
            Then::Fail => {
                self.phase = Phase::Failed;
                self.want_no_network(context);
            }
            Then::Pause => {
                self.phase = Phase::Paused;
                if !self.persist_tun {
                    self.want_no_network(context);
                }
                info!("paused");
                context.announce(Status::Paused);
            }
        }
    }

    /// When something happens by itself, and what.
    pub(super) const fn deadline(&self) -> Option<(Instant, &'static str)> {
        match &self.phase {
            Phase::Closing { give_up_at, .. } => Some((*give_up_at, "take the network back")),
            Phase::Leaving { give_up_at, .. } => Some((*give_up_at, "exit notification")),
            // The end of the step under way begins the attempt.
            Phase::Waiting { .. } if self.network.is_busy() => None,
            Phase::Waiting { until, .. } => Some((*until, "next attempt")),
            Phase::Configuring { .. }
            | Phase::Connected { .. }
            | Phase::Connecting { .. }
            | Phase::Failed
            | Phase::Paused
            | Phase::Ready { .. }
            | Phase::Resolving { .. } => None,
        }
    }

    /// The deadline has passed.
    pub(super) fn on_deadline(&mut self, context: &mut Context, now: Instant) {
        match self.phase {
            Phase::Leaving {
                manner: Manner::Polite,
                ..
            } => self.abandon(context, now),
            Phase::Leaving {
                manner: Manner::Abandoned,
                then,
                ..
            } => {
                // Another attempt beside one that may still live would be one too many.
                error!("the tunnel thread does not respond");
                let then = match then {
                    Then::Exit(_) => then,
                    Then::Again | Then::Fail | Then::Pause => Then::Exit(ExitClass::Internal),
                };
                self.proceed(context, now, then);
            }
            Phase::Waiting { .. } => self.begin(context, now),
            Phase::Closing { .. }
            | Phase::Configuring { .. }
            | Phase::Connected { .. }
            | Phase::Connecting { .. }
            | Phase::Failed
            | Phase::Paused
            | Phase::Ready { .. }
            | Phase::Resolving { .. } => {}
        }
    }

    pub(super) fn want_no_network(&mut self, context: &mut Context) {
        self.network.want(None);
        self.step_network(context);
    }

    /// Takes the next step of the network, if one is due.
    pub(super) fn step_network(&mut self, context: &mut Context) {
        if let Some(step) = self.network.next_step() {
            context.push(Effect::Network(step));
        }
    }

    /// The class to exit with, once nothing is left to be taken back or the time for it is over.
    pub(super) fn finished(&self, now: Instant) -> Option<ExitClass> {
        let Phase::Closing { class, give_up_at } = self.phase else {
            return None;
        };
        (self.network.is_absent() || now >= give_up_at).then_some(class)
    }
}

/// How long ending an attempt may take, with its exit notification.
const STOP_TIME: Duration = Duration::from_secs(5);
/// How long ending an attempt without an exit notification may take.
const ABANDON_TIME: Duration = Duration::from_secs(5);
/// How long taking the network back may take.
const CLOSING_TIME: Duration = Duration::from_secs(20);
