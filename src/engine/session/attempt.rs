//! Attempts: how one is begun, what its connection says, and what its end means.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::super::config::Endpoint;
use super::super::config::build::{ConnectionTemplate, TemplateError};
use super::super::error::{Advance, ConnectionError};
use super::super::event::Ended;
use super::super::netplan::NetPlan;
use super::active::ActiveSession;
use super::backoff::number_below;
use super::context::{Autonomy, Context};
use super::effect::Effect;
use super::event_counters::CountedEvent;
use super::exit_class::ExitClass;
use super::remotes::{Lookup, Moved, Next};
use super::scope::{self, Failure, Ruling, Scope};
use super::state::{Phase, Then, Way};
use super::status::Status;
use super::tunnel::{Attempt, TunnelOrder};
use super::user_input::InputGroup;
use super::verdict::{Circumstances, judge};

impl ActiveSession {
    /// Begins the next attempt, as far as it can be begun: asks what is missing, looks a name up, connects.
    pub(super) fn begin(&mut self, context: &mut Context, now: Instant) {
        match self.make_template(context) {
            Ok(()) => {}
            Err(error) => return self.no_template(context, now, error),
        }
        if !self.login.missing().is_empty() || self.proxy_login.missing().is_some() {
            // Nothing carries the traffic until somebody has answered.
            self.release_network(context);
            return self.ask(context);
        }
        if self.network.is_busy() || (!self.keeps_network() && !self.network.is_absent()) {
            // The step under way decides what names resolve to; it comes back to us.
            self.phase = Phase::Waiting {
                until: now,
                not_before: now,
            };
            if !self.keeps_network() {
                self.want_no_network(context);
            }
            return;
        }
        self.look_at_own_certificate(context);
        match self.remotes.next() {
            Next::Go(_, address) => self.launch(context, address),
            Next::Resolve(target) => {
                let mut lookup = target.lookup.clone();
                if self.settings.random_host_prefix && !target.is_behind_proxy() {
                    lookup.host = format!("{}.{}", random_label(context), lookup.host);
                }
                info!(host = lookup.host, "looking up the server");
                context.push(Effect::Resolve(lookup.clone()));
                self.phase = Phase::Resolving { lookup };
            }
        }
    }

    /// The resolver has answered.
    pub(super) fn resolved(
        &mut self,
        context: &mut Context,
        now: Instant,
        lookup: &Lookup,
        addresses: Vec<SocketAddr>,
    ) {
        let expected = matches!(&self.phase, Phase::Resolving { lookup: asked } if asked == lookup);
        if !expected {
            return;
        }
        if self.remotes.resolved(addresses) {
            self.begin(context, now);
        } else {
            context.event_counters.count(CountedEvent::Resolve);
            let error =
                ConnectionError::Transport(format!("the name {} has no address", lookup.host));
            self.attempt_failed(context, now, &error);
        }
    }

    fn launch(&mut self, context: &mut Context, address: SocketAddr) {
        if matches!(context.board.last(), Status::AuthenticationFailed(_)) {
            self.announce_attempt(context);
        }
        let target = self.remotes.target();
        let drawn = self.template.as_ref();
        let Some(remote) = drawn.and_then(|template| template.remote(target.index)) else {
            return;
        };
        info!(
            host = target.host,
            transport = %target.transport,
            attempt = self.backoff.failures() + 1,
            "connecting"
        );
        debug!(%address, "server address");
        let endpoint = Endpoint {
            host: target.host.clone(),
            address,
            transport: target.transport,
        };
        let proxy_setup = self.proxy_login.proxy_setup(remote.proxy.as_ref(), target);
        let attempt = Attempt {
            id: context.new_attempt(),
            config: remote.attempt(endpoint, self.login.credentials(), self.login.token()),
            socket: remote.socket.clone(),
            server_lookup: proxy_setup.as_ref().and_then(|_| target.own_lookup()),
            proxy_setup,
            open_timeout: remote.open_timeout(),
            protect: self.network.device().map(|_| address.ip()),
        };
        context.event_counters.attempt();
        context.push(Effect::Tunnel(TunnelOrder::Begin(Box::new(attempt))));
        self.login_pending = false;
        self.phase = Phase::Connecting {
            way: Way {
                address,
                relay: None,
            },
            stage: None,
        };
    }

    /// Makes the connection template, if it is not made yet.
    pub(super) fn make_template(&mut self, context: &Context) -> Result<(), TemplateError> {
        if self.template.is_none() {
            let loaded = &self.loaded;
            self.template = Some(ConnectionTemplate::new(
                &loaded.profile,
                self.passphrase.as_ref(),
                &context.about,
                &context.environment,
            )?);
        }
        Ok(())
    }

    fn no_template(&mut self, context: &mut Context, now: Instant, error: TemplateError) {
        if matches!(error, TemplateError::PassphraseWrong) {
            context.event_counters.count(CountedEvent::PassphraseWrong);
        }
        match (error, context.autonomy) {
            (TemplateError::PassphraseNeeded, _) => self.ask_passphrase(context),
            (TemplateError::PassphraseWrong, Autonomy::ByItself) => {
                warn!("the passphrase does not open the private key");
                self.ask_passphrase(context);
            }
            (TemplateError::PassphraseWrong, Autonomy::Commanded) => {
                let reason = "the passphrase does not open the private key {PEM_PASSWORD_FAIL}";
                self.fail(context, now, ExitClass::AuthenticationFailed, reason);
            }
            (TemplateError::Unusable(reason), _) => {
                self.fail(context, now, ExitClass::ProfileUnusable, &reason);
            }
        }
    }

    /// The attempt is over, one way or the other.
    pub(super) fn attempt_ended(&mut self, context: &mut Context, now: Instant, ended: Ended) {
        if let Phase::Leaving { then, .. } = self.phase {
            return self.proceed(context, now, then);
        }
        if !self.phase.has_attempt() {
            return;
        }
        match ended {
            Ended::Stopped => {
                let error = ConnectionError::Transport("the tunnel stopped by itself".to_owned());
                self.attempt_failed(context, now, &error);
            }
            Ended::Failed(error) => {
                let error = self.blame_own_certificate(error);
                if let Some(counted_event) = CountedEvent::of(&error) {
                    context.event_counters.count(counted_event);
                }
                self.attempt_failed(context, now, &error);
            }
        }
    }

    pub(super) fn attempt_failed(
        &mut self,
        context: &mut Context,
        now: Instant,
        error: &ConnectionError,
    ) {
        warn!(%error, "the attempt ended");
        context.questions.withdraw(InputGroup::AuthPending);
        if let ConnectionError::ProxyCredentials { kind, .. } = error {
            self.proxy_login.refused(*kind);
        }
        let stood = matches!(self.phase, Phase::Connected { .. });
        let circumstances = self.circumstances(context, error, stood);
        let ruling = judge(error, &mut self.login, &self.settings.retry, circumstances);
        self.save(context);
        match ruling.next {
            scope::Next::Ask => {
                self.release_network(context);
                self.ask(context);
            }
            scope::Next::End => self.end_by(context, now, error, ruling),
            scope::Next::Retry {
                advance,
                not_before,
            } => self.retry(context, now, error, advance, not_before),
        }
    }

    /// Counts the failure, and says what is known when the table is asked about it.
    fn circumstances(
        &mut self,
        context: &Context,
        error: &ConnectionError,
        stood: bool,
    ) -> Circumstances {
        if !stood {
            let failure = Failure::of(error);
            let stays = failure.row().scope == Scope::Login;
            self.backoff
                .failed_at(!stays && self.remotes.has_untried_address());
            self.remotes.failed(failure.is_refusal());
        }
        Circumstances {
            stood,
            was_connected: self.last_server.is_some(),
            refused_rounds: self.remotes.refused_rounds(),
            limit_reached: self.backoff.is_exhausted(self.remotes.len()),
            clock_trusted: context.environment.clock_is_trusted(),
        }
    }

    fn retry(
        &mut self,
        context: &mut Context,
        now: Instant,
        error: &ConnectionError,
        advance: Advance,
        not_before: Duration,
    ) {
        let delay = match self.remotes.advance(advance) {
            Moved::Address | Moved::Remote => Duration::ZERO,
            Moved::Round | Moved::Stayed => {
                self.backoff.delay(self.remotes.len(), context.random())
            }
        };
        let delay = delay.max(not_before);
        if matches!(error, ConnectionError::AuthFailed { .. })
            && context.autonomy == Autonomy::Commanded
        {
            // Each refusal is told; the next attempt announces itself.
            context.announce(Status::AuthenticationFailed(error.to_string()));
        } else if self.was_connected {
            context.announce(Status::Reconnecting);
        }
        self.release_network(context);
        self.trouble = Some(error.to_string());
        info!(
            after = format!("{:.1} s", delay.as_secs_f64()),
            "trying again"
        );
        self.phase = Phase::Waiting {
            until: now + delay,
            not_before: now + not_before,
        };
    }

    /// Takes the network back, unless it is to stay while we reconnect.
    fn release_network(&mut self, context: &mut Context) {
        if !self.keeps_network() {
            self.network.want(None);
            self.step_network(context);
        }
    }

    /// Whether the network stays in force while no connection stands: as the profile or the server wants it, and always
    /// where it keeps traffic from going out by another way than the tunnel.
    pub(super) fn keeps_network(&self) -> bool {
        self.persist_tun || self.network.plan().is_some_and(NetPlan::captures)
    }

    fn end_by(
        &mut self,
        context: &mut Context,
        now: Instant,
        error: &ConnectionError,
        ruling: Ruling,
    ) {
        error!(%error, "the session cannot go on");
        if let Some(status) = Status::ended_by(error) {
            context.announce(status);
        }
        let is_limit_of_time = matches!(
            error,
            ConnectionError::Inactive { .. } | ConnectionError::SessionTimeout { .. }
        );
        let then = match context.autonomy {
            Autonomy::Commanded if !is_limit_of_time => Then::Fail,
            Autonomy::ByItself | Autonomy::Commanded => Then::Exit(ruling.class),
        };
        self.proceed(context, now, then);
    }

    /// Something on our side failed for good.
    pub(super) fn fail(
        &mut self,
        context: &mut Context,
        now: Instant,
        class: ExitClass,
        reason: &str,
    ) {
        error!(reason, "the session cannot go on");
        context.announce(Status::Failed(reason.to_owned()));
        let then = match context.autonomy {
            Autonomy::ByItself => Then::Exit(class),
            Autonomy::Commanded => Then::Fail,
        };
        self.leave(context, now, then);
    }
}

/// Twelve hexadecimal digits.
fn random_label(context: &Context) -> String {
    let mut label = String::with_capacity(12);
    for _ in 0..6 {
        let byte = number_below(256, context.random());
        label.push_str(&format!("{byte:02x}"));
    }
    label
}
