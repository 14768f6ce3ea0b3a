//! The data channel of an established connection, with the limits that end it.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::agree::{Agreed, interval, tun_mtu};
use super::icmp_echo::IcmpEcho;
use super::path_probe::{PathProbe, Size, Step, Verdict};
use crate::config::{ConnectionConfig, Transport};
use crate::crypto::static_key::{KeyDirection, StaticKey};
use crate::data::diagnosis::{Diagnosis, Evidence};
use crate::data::key::DataKey;
use crate::data::plane::DataPlane;
use crate::data::setup::DataSetup;
use crate::error::{ConnectionError, Undecodable};
use crate::profile::pushed::PushedOptions;

/// What is there once the server's options are.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) data: DataPlane,
    pub(super) options: PushedOptions,
    agreed: Agreed,
    activity: Option<Activity>,
    session_limit: Option<(Instant, Duration)>,
    probe: PathProbe,
    /// The server answers no questions of OpenVPN's own about packets: its host is asked for echoes.
    echo: Option<IcmpEcho>,
    /// The largest packets that pass, as far as it was found that not all do.
    path_limit: Option<Size>,
    diagnosis: Diagnosis,
    /// The header of `fragment` is expected.
    fragment: bool,
    undecodable: Option<Undecodable>,
}

/// What is to be done about the path to the server.
#[derive(Debug)]
pub(super) enum PathNews {
    /// Send this packet.
    Ask(Vec<u8>),
    /// The largest packets that pass are these now; `None`: all do.
    Limit(Option<Size>),
}

impl Tunnel {
    /// A data channel as agreed on, without keys yet.
    pub(super) fn new(
        now: Instant,
        config: &ConnectionConfig,
        agreed: Agreed,
        setup: DataSetup,
        options: PushedOptions,
    ) -> Self {
        let limit = interval(options.session_timeout, config.timing.session_timeout);
        let mut tunnel = Self {
            data: DataPlane::new(setup, now),
            activity: Activity::new(now, config, &options),
            session_limit: limit.and_then(|limit| Some((now.checked_add(limit)?, limit))),
            options,
            agreed,
            probe: PathProbe::default(),
            echo: None,
            path_limit: None,
            diagnosis: Diagnosis::default(),
            fragment: config.data.fragment.is_some(),
            undecodable: None,
        };
        tunnel.set_keepalive(now, config);
        tunnel
    }

    /// Looks how large packets may be on the path to the server, where it is not TCP that sees to that. Needs a key.
    pub(super) fn probe_path(&mut self, now: Instant, config: &ConnectionConfig) {
        let cut = config.data.fragment.is_some();
        if config.endpoint.transport != Transport::Udp || !config.data.probe_path || cut {
            return;
        }
        let mtu = usize::from(tun_mtu(&config.data, &self.options));
        let mut sizes = Vec::new();
        for packet in (SMALL_PACKET..=u16::MAX - 4).step_by(4) {
            let Some(payload) = self.data.largest_within(packet) else {
                continue;
            };
            let payload = u16::try_from(payload.min(mtu)).unwrap_or(u16::MAX);
            if sizes
                .last()
                .is_none_or(|size: &Size| size.payload < payload)
            {
                sizes.push(Size { packet, payload });
            }
            if usize::from(payload) == mtu {
                break;
            }
        }
        self.probe = PathProbe::new(sizes);
        self.probe.begin(now);
    }

    /// An answer of this size came by the path.
    pub(super) fn path_answered(&mut self, now: Instant, payload: usize) {
        self.probe.heard(now, payload);
    }

    /// What is due at `now`. Ask again until it is nothing.
    pub(super) fn path_news(&mut self, now: Instant) -> Option<PathNews> {
        loop {
            let limit = match self.probe.step(now)? {
                Step::Ask { size, extra } => match self.question(now, size, extra) {
                    Some(packet) => return Some(PathNews::Ask(packet)),
                    None => continue,
                },
                Step::Done(Verdict::NoAnswer) if self.echo.is_none() => {
                    self.echo = IcmpEcho::new(&self.options.tunnel);
                    if self.echo.is_some() {
                        self.probe.begin(now);
                    }
                    continue;
                }
                Step::Done(Verdict::NoAnswer) => {
                    tracing::debug!("the server does not say which packets pass");
                    continue;
                }
                Step::Done(Verdict::AllPass) => {
                    tracing::debug!("full packets pass on the path to the server");
                    None
                }
                Step::Done(Verdict::Limit(size)) => Some(size),
            };
            if limit != self.path_limit {
                self.path_limit = limit;
                self.data.limit_packets(limit.map(|size| size.packet));
                return Some(PathNews::Limit(limit));
            }
        }
    }

    /// A packet of this size that asks for another one.
    fn question(&mut self, now: Instant, size: Size, extra: u16) -> Option<Vec<u8>> {
        let Some(echo) = self.echo else {
            let packet = size.packet.saturating_add(extra);
            return self.data.load_request(now, packet, size.payload);
        };
        let request = echo.request(size.payload);
        let (front, back) = self.data.seal_room();
        let place = front..front + request.len();
        let mut buffer = vec![0; place.end + back];
        buffer.get_mut(place.clone())?.copy_from_slice(&request);
        let sealed = self.data.seal(now, &mut buffer, place)?;
        buffer.get(sealed).map(<[u8]>::to_vec)
    }

    /// Installs a key for opening.
    pub(super) fn install(&mut self, key_id: u8, block: StaticKey) -> Result<(), ConnectionError> {
        let key = DataKey {
            key_id,
            cipher: self.agreed.cipher,
            format: self.agreed.format,
            block,
            direction: KeyDirection::Normal,
            peer_id: self.agreed.peer_id,
            framing: self.agreed.framing,
        };
        self.data
            .install(&key)
            .map_err(|error| ConnectionError::PeerIncompatible(error.to_string()))
    }

    /// Opens a data packet where it lies.
    pub(super) fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        let Some(inner) = self.data.open(now, packet) else {
            self.diagnose(now);
            return None;
        };
        if let Some(echo) = self.echo {
            if packet
                .get(inner.clone())
                .is_some_and(|it| echo.is_reply(it))
            {
                self.path_answered(now, inner.len());
                return None;
            }
        }
        self.note_traffic(now, inner.len());
        Some(inner)
    }

    /// Says why nothing of use arrives, where that is so.
    #[cold]
    fn diagnose(&mut self, now: Instant) {
        let evidence = Evidence {
            stats: self.data.stats(),
            heard_at: self.data.heard_at(),
            compressed: self.data.compressed(),
            framing: self.agreed.framing,
            fragment: self.fragment,
        };
        if let Some(cause) = self.diagnosis.look(now, evidence) {
            tracing::warn!(%cause, "nothing of use arrives through the tunnel");
            self.undecodable = Some(cause);
        }
    }

    /// Why nothing of use arrives, if that was found out since the last time.
    pub(super) const fn take_undecodable(&mut self) -> Option<Undecodable> {
        self.undecodable.take()
    }

    /// The packet that came compressed.
    pub(super) fn take_inflated(&mut self, now: Instant) -> Option<&mut [u8]> {
        let inner = self.data.take_inflated()?;
        if let Some(activity) = &mut self.activity {
            activity.note(now, inner.len() as u64);
        }
        Some(inner)
    }

    /// Seals an IP packet where it lies.
    pub(super) fn seal(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>> {
        let bytes = payload.len();
        let packet = self.data.seal(now, buffer, payload)?;
        self.note_traffic(now, bytes);
        Some(packet)
    }

    /// Puts changed options in force. They are those of `PUSH_UPDATE`: neither keys nor cipher can change.
    pub(super) fn update(
        &mut self,
        now: Instant,
        config: &ConnectionConfig,
        options: PushedOptions,
    ) {
        self.data.set_tun_mtu(tun_mtu(&config.data, &options));
        let keepalive =
            |options: &PushedOptions| (options.ping, options.ping_restart, options.ping_exit);
        let changed = keepalive(&self.options) != keepalive(&options);
        self.options = options;
        if self.echo.is_some() {
            self.echo = IcmpEcho::new(&self.options.tunnel);
        }
        if changed {
            self.set_keepalive(now, config);
        }
    }

    /// The limit that is reached at `now`, if any.
    pub(super) fn check_limits(&self, now: Instant) -> Result<(), ConnectionError> {
        if let Some((at, limit)) = self.session_limit {
            if now >= at {
                return Err(ConnectionError::SessionTimeout {
                    seconds: limit.as_secs(),
                });
            }
        }
        match &self.activity {
            Some(activity) if activity.is_over(now) => Err(ConnectionError::Inactive {
                seconds: activity.limit.as_secs(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// When something is to be done, and what.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        let named = |at: Option<Instant>, name| at.map(|at| (at, name));
        [
            named(self.data.deadline(), "keepalive"),
            named(self.probe.deadline(), "path probe"),
            named(self.undecodable.map(|_| self.data.heard_at()), "diagnosis"),
            named(self.session_limit.map(|(at, _)| at), "session timeout"),
            named(
                self.activity.as_ref().and_then(Activity::deadline),
                "inactivity",
            ),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn set_keepalive(&mut self, now: Instant, config: &ConnectionConfig) {
        let ping = interval(self.options.ping, config.timing.ping);
        let silence = self.options.ping_exit.or(self.options.ping_restart);
        let silence = interval(silence, config.timing.ping_restart);
        self.data.set_keepalive(now, ping, silence);
    }

    fn note_traffic(&mut self, now: Instant, bytes: usize) {
        if let Some(activity) = &mut self.activity {
            activity.note(now, bytes as u64);
        }
    }
}

/// Every path lets packets of this size through.
const SMALL_PACKET: u16 = 576;

/// Watches for `inactive`.
#[derive(Debug)]
struct Activity {
    limit: Duration,
    /// So many bytes count as activity.
    enough: u64,
    bytes: u64,
    since: Instant,
}

impl Activity {
    fn new(now: Instant, config: &ConnectionConfig, options: &PushedOptions) -> Option<Self> {
        let (limit, enough) = options.inactive.or(config.timing.inactive)?;
        (!limit.is_zero()).then_some(Self {
            limit,
            enough,
            bytes: 0,
            since: now,
        })
    }

    const fn note(&mut self, now: Instant, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= self.enough {
            self.bytes = 0;
            self.since = now;
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.since.checked_add(self.limit)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| now >= at)
    }
}
