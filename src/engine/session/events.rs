//! What the connection and the network say.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::super::error::ConnectionError;
use super::super::event::{Established, Event, Input, PathLimit, Stage};
use super::super::netplan::{DeviceAddress, NetPlan};
use super::super::profile::error::Note;
use super::super::profile::pushed::PushedOptions;
use super::super::profile::tunnel::{RouteGateway, TunnelOptions};
use super::active::ActiveSession;
use super::context::{Autonomy, Context, ReadyWhen};
use super::effect::{Effect, Gateways, Summary};
use super::event_counters::CountedEvent;
use super::exit_class::ExitClass;
use super::network::Device;
use super::questions::{PERSON, ask_pending};
use super::state::{Phase, Then, Way};
use super::status::Status;
use super::tunnel::{AttemptId, TunnelOrder, TunnelReport};
use super::user_input::{Attention, InputGroup};

impl ActiveSession {
    /// The tunnel says something of an attempt; of one that is over it is ignored.
    pub(super) fn on_tunnel(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: AttemptId,
        report: TunnelReport,
    ) {
        if id != context.attempt {
            debug!(attempt = %id, "a report of an attempt that is over is ignored");
            return;
        }
        match report {
            TunnelReport::Event(event) => self.on_event(context, now, event),
            TunnelReport::Opened { local, peer } => self.opened(local, peer),
        }
    }

    /// The connection says something.
    fn on_event(&mut self, context: &mut Context, now: Instant, event: Event) {
        if let Event::Ended(ended) = event {
            return self.attempt_ended(context, now, ended);
        }
        if matches!(self.phase, Phase::Leaving { .. }) || !self.phase.has_attempt() {
            return;
        }
        match event {
            Event::AppControl { protocol, .. } => debug!(protocol, "app control message ignored"),
            Event::AuthPending { timeout_seconds } => {
                info!(
                    timeout_seconds,
                    "the server waits for the login to be confirmed"
                );
                self.login_pending = true;
                let timeout = Duration::from_secs(u64::from(timeout_seconds));
                context.push(Effect::ExtendTimeout(timeout));
            }
            Event::ChallengeText {
                echo,
                response_required,
                text,
            } => ask_pending(context, echo, response_required, &text),
            Event::Ended(_) => {}
            Event::Info(text) => info!(text, "the server says"),
            Event::KeyRenewed { key_id, times } => {
                info!(key_id, "keys renewed");
                self.key_renewed(times);
            }
            Event::LargestPayload(payload) => self.largest_payload = Some(payload),
            Event::OpenUrl(url) => {
                context.push(Effect::Attention(Attention::new(InputGroup::OpenUrl, &url)));
                context.announce(Status::OpenUrl(url));
                if context.autonomy == Autonomy::ByItself {
                    context.push(Effect::ExtendTimeout(PERSON));
                }
            }
            Event::Undecodable(cause) => self.undecodable = Some(cause),
            Event::PathLimit(limit) => self.path_limited(context, now, limit),
            Event::Pushed(established) => self.pushed(context, now, established),
            Event::PushUpdated(options) => self.push_updated(context, now, *options),
            Event::Stage(reached) => self.reached(reached),
            Event::Token(token) => {
                debug!("the server gave a session token");
                self.login.token_received(token);
                self.save(context);
            }
        }
    }

    /// The transport is open.
    fn opened(&mut self, local: SocketAddr, peer: SocketAddr) {
        debug!(%local, %peer, "the transport is open");
        if let Phase::Connecting { way, .. } = &mut self.phase {
            way.relay = Some(peer.ip()).filter(|relay| *relay != way.address.ip());
        }
    }

    fn reached(&mut self, reached: Stage) {
        if let Phase::Connecting { stage, .. } = &mut self.phase {
            *stage = Some(reached);
        }
        match reached {
            Stage::Waiting => {
                debug!("waiting for server response");
                self.largest_payload = None;
            }
            Stage::ServerAnswered => info!("the server answered"),
            Stage::Authenticating => info!("TLS established, authenticating"),
            Stage::GettingConfig => {
                info!("requesting the configuration");
                self.login.used(false);
            }
        }
    }

    /// The server has authenticated us: the network becomes what it and the profile want.
    fn pushed(&mut self, context: &mut Context, now: Instant, established: Box<Established>) {
        let Some(way) = self.way() else {
            return;
        };
        let options = &established.options;
        self.login.used(true);
        if options.auth_nocache {
            self.login.forget_password_after_use();
        }
        self.persist_tun = self.settings.persist_tun || options.persist_tun;
        self.settings.retry.end_when_lost = self.ends_when_lost(options);
        self.path_limit = None;
        self.undecodable = None;
        context.questions.withdraw(InputGroup::AuthPending);
        info!(
            cipher = %established.cipher,
            tls = established.tls,
            server = established.server_subject,
            "authenticated"
        );
        if !self.plan(context, now, &established.options, way) {
            return;
        }
        self.phase = Phase::Configuring { way, established };
        self.network_settled(context);
    }

    /// Wants the plan that follows from the pushed options. `false`: there is none, and the session failed.
    fn plan(
        &mut self,
        context: &mut Context,
        now: Instant,
        options: &PushedOptions,
        way: Way,
    ) -> bool {
        let profile = &self.loaded.profile;
        let Some(remote) = profile.remotes.get(self.remotes.target().index) else {
            return false;
        };
        match NetPlan::build(profile, options, &remote.options, way.address.ip()) {
            Ok((mut plan, notes)) => {
                let relay = way.relay.filter(|relay| !plan.bypass.contains(relay));
                plan.bypass.extend(relay);
                let path = self.path_limit.map(|limit| limit.payload);
                for payload in path.into_iter().chain(self.largest_payload) {
                    plan.fit_into(payload);
                }
                let (shown, more) = Note::foremost(&notes);
                for note in shown {
                    info!(%note, "network");
                }
                if more > 0 {
                    info!(more, "there is more to say about the network");
                }
                self.network.want(Some(plan));
                self.step_network(context);
                true
            }
            Err(error) => {
                let error = ConnectionError::PeerIncompatible(error.to_string());
                self.unusable = Some(error);
                self.leave(context, now, Then::Again);
                false
            }
        }
    }

    fn push_updated(&mut self, context: &mut Context, now: Instant, options: PushedOptions) {
        let Some(way) = self.way() else {
            return;
        };
        info!("the server changed its options");
        self.settings.retry.end_when_lost = self.ends_when_lost(&options);
        if !self.plan(context, now, &options, way) {
            return;
        }
        if let Phase::Configuring { established, .. } | Phase::Connected { established, .. } =
            &mut self.phase
        {
            established.options = options;
        }
    }

    /// Whether silence ends the session: the server's word counts before the profile's.
    fn ends_when_lost(&self, options: &PushedOptions) -> bool {
        match (options.ping_exit, options.ping_restart) {
            (Some(_), _) => true,
            (None, Some(_)) => false,
            (None, None) => self.loaded.profile.timing.ping_exit,
        }
    }

    /// It was found which packets pass on the path to the server: the device takes what fits into them.
    fn path_limited(&mut self, context: &mut Context, now: Instant, limit: Option<PathLimit>) {
        match limit {
            Some(PathLimit { packet, payload }) => warn!(
                largest = packet,
                "large packets get lost on the path to the server: the tunnel is fitted to those that pass; \
                 \"mssfix {packet} mtu\" and \"tun-mtu {payload}\" in the profile do so from the start"
            ),
            None => info!("large packets pass on the path to the server again"),
        }
        self.path_limit = limit;
        let (Phase::Configuring { way, established }
        | Phase::Connected {
            way, established, ..
        }) = &self.phase
        else {
            return;
        };
        let (way, options) = (*way, established.options.clone());
        self.plan(context, now, &options, way);
    }

    /// The network is as it is wanted: if we waited for that, the tunnel stands.
    pub(super) fn network_settled(&mut self, context: &mut Context) {
        let Some(device) = self.network.settled().cloned() else {
            return;
        };
        if !matches!(self.phase, Phase::Configuring { .. }) {
            return;
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Failed);
        if let Phase::Configuring { way, established } = phase {
            let summary = Box::new(self.summary(&established, device, way));
            self.backoff.succeeded();
            self.remotes.succeeded();
            self.was_connected = true;
            self.trouble = None;
            info!(
                device = summary.device.name,
                host = summary.host,
                server = %summary.server,
                addresses = listed(&summary.addresses),
                cipher = %summary.cipher,
                "connected"
            );
            self.last_summary = Some(summary.clone());
            context.push(Effect::Connected(summary.clone()));
            context.announce(Status::Connected);
            context.reached(ReadyWhen::Connected);
            self.phase = Phase::Connected {
                way,
                established,
                summary,
            };
            self.save(context);
        }
    }

    fn summary(&self, established: &Established, device: Device, way: Way) -> Summary {
        let target = self.remotes.target();
        let pushed = &established.options.tunnel;
        let tunnel = |has: fn(&TunnelOptions) -> bool| {
            if has(pushed) {
                pushed
            } else {
                &self.loaded.profile.tunnel
            }
        };
        Summary {
            device,
            addresses: self
                .network
                .plan()
                .map(|plan| plan.addresses.clone())
                .unwrap_or_default(),
            host: target.host.clone(),
            server: way.address,
            transport: target.transport,
            username: self.login.username().map(ToOwned::to_owned),
            gateways: Gateways {
                ipv4: match tunnel(|it| it.route_gateway.is_some()).route_gateway {
                    Some(RouteGateway::Address(gateway)) => Some(gateway),
                    Some(RouteGateway::Dhcp) | None => None,
                },
                ipv6: tunnel(|it| it.route_ipv6_gateway.is_some()).route_ipv6_gateway,
            },
            mtu: self.network.plan().map_or(0, |plan| plan.mtu),
            cipher: established.cipher,
            tls: established.tls.clone(),
            attempt: self.backoff.failures() + 1,
        }
    }

    /// The step of the network that was under way is taken.
    pub(super) fn network_done(
        &mut self,
        context: &mut Context,
        now: Instant,
        device: Option<Device>,
    ) {
        self.network.done(device);
        self.step_network(context);
        self.network_settled(context);
        if let Phase::Waiting { until, .. } = self.phase {
            if now >= until {
                self.begin(context, now);
            }
        }
    }

    /// The step of the network that was under way failed.
    pub(super) fn network_failed(
        &mut self,
        context: &mut Context,
        now: Instant,
        class: ExitClass,
        reason: &str,
    ) {
        context.event_counters.count(CountedEvent::TunSetup);
        self.network.failed();
        self.step_network(context);
        match self.phase {
            Phase::Configuring { .. } | Phase::Connected { .. } => {
                self.fail(context, now, class, reason);
            }
            Phase::Waiting { until, .. } if now >= until => self.begin(context, now),
            Phase::Closing { .. }
            | Phase::Connecting { .. }
            | Phase::Failed
            | Phase::Leaving { .. }
            | Phase::Paused
            | Phase::Ready { .. }
            | Phase::Resolving { .. }
            | Phase::Waiting { .. } => warn!(reason, "the network could not be set right"),
        }
    }

    /// The resolver has forgotten what it was told.
    pub(super) fn resolver_restarted(&self, context: &mut Context) {
        if self.network.plan().is_some() {
            info!("the resolver is told of the tunnel again");
            context.push(Effect::Refresh);
        }
    }

    /// Routes of others may take traffic out of the tunnel now, or ours may be gone.
    pub(super) fn routes_changed(&self, context: &mut Context) {
        if self.network.plan().is_some() {
            context.push(Effect::Refresh);
        }
    }

    /// The path to the server may be another one now.
    pub(super) fn path_changed(&mut self, context: &mut Context, now: Instant) {
        self.remotes.distrust_addresses();
        match self.phase {
            Phase::Configuring { .. } | Phase::Connected { .. } => {
                context.push(Effect::Refresh);
                self.tell(context, Input::PathChanged);
            }
            // Servers do not take a handshake from another address than it began from. Once they have the login it is
            // worth waiting for their answer all the same: it may be good for one use only.
            Phase::Connecting {
                stage: None | Some(Stage::Authenticating | Stage::ServerAnswered | Stage::Waiting),
                ..
            } => {
                self.leave(context, now, Then::Again);
                self.abandon(context, now);
            }
            // No event of the network shortens a wait that the server asked for.
            Phase::Waiting { not_before, .. } if now < not_before => {
                self.phase = Phase::Waiting {
                    until: not_before,
                    not_before,
                };
            }
            Phase::Waiting { .. } => self.begin(context, now),
            Phase::Closing { .. }
            | Phase::Connecting { .. }
            | Phase::Failed
            | Phase::Leaving { .. }
            | Phase::Paused
            | Phase::Ready { .. }
            | Phase::Resolving { .. } => {}
        }
    }

    /// Tells the connection, if it stands.
    pub(super) fn tell(&self, context: &mut Context, input: Input) {
        if let Phase::Configuring { .. } | Phase::Connected { .. } = self.phase {
            context.push(Effect::Tunnel(TunnelOrder::Input(input)));
        }
    }

    /// The device failed under us: it is made again.
    pub(super) fn device_lost(&mut self, context: &mut Context, now: Instant, reason: &str) {
        warn!(reason, "the device is gone");
        context.event_counters.count(CountedEvent::TunLost);
        self.network.lost();
        self.step_network(context);
        if let Phase::Configuring { .. } | Phase::Connected { .. } = self.phase {
            self.leave(context, now, Then::Again);
        }
    }

    const fn way(&self) -> Option<Way> {
        match &self.phase {
            Phase::Configuring { way, .. }
            | Phase::Connected { way, .. }
            | Phase::Connecting { way, .. } => Some(*way),
            Phase::Closing { .. }
            | Phase::Failed
            | Phase::Leaving { .. }
            | Phase::Paused
            | Phase::Ready { .. }
            | Phase::Resolving { .. }
            | Phase::Waiting { .. } => None,
        }
    }
}

fn listed(addresses: &[DeviceAddress]) -> String {
    let addresses: Vec<String> = addresses.iter().map(|it| it.network.to_string()).collect();
    addresses.join(" ")
}
