//! Batches from and to a UDP socket.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsFd;

use socket2::{SockAddr, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::info;

use crate::sys::calls::{self, MESSAGES, Message, Received};
use crate::tunnel::outbound::{Outbound, Prefix, Run};
use crate::tunnel::overflow::Followed;
use crate::tunnel::socks_relay::Relay;
use openvpn_engine::data::{DropReason, Stats};

/// A UDP socket with as much offload as the kernel gives.
#[derive(Debug)]
pub(crate) struct Udp {
    socket: AsyncFd<Socket>,
    /// Where to send, if the socket is not connected.
    peer: Option<SockAddr>,
    /// The proxy that passes everything on.
    relay: Option<Box<Relay>>,
    arena: Box<[u8]>,
    /// How many messages are received at a time.
    batch: usize,
    outbound: Outbound,
    /// The longest datagram that the kernel cuts out of a message; 0: none.
    segment_max: usize,
    overflow: Followed,
    stats: Stats,
}

impl Udp {
    /// Takes an open socket; `peer` if it is not connected.
    pub(crate) fn new(socket: Socket, peer: Option<SocketAddr>) -> io::Result<Self> {
        if let Err(error) = calls::enable_udp_gro(socket.as_fd()) {
            info!(%error, "the kernel does not join received datagrams");
        }
        Ok(Self {
            overflow: Followed::from(calls::socket_overflow(socket.as_fd()).unwrap_or(0)),
            socket: calls::watch(socket)?,
            peer: peer.map(SockAddr::from),
            relay: None,
            batch: MESSAGES,
            arena: vec![0; MESSAGES * SLOT].into_boxed_slice(),
            outbound: Outbound::new(Prefix::None),
            segment_max: usize::from(u16::MAX),
            stats: Stats::default(),
        })
    }

    /// Sends and receives by a proxy from here on.
    pub(crate) fn through(self, relay: Relay) -> Self {
        Self {
            outbound: Outbound::new(Prefix::Socks(*relay.header())),
            relay: Some(Box::new(relay)),
            ..self
        }
    }

    pub(crate) fn relay(&self) -> Option<&Relay> {
        self.relay.as_deref()
    }

    pub(crate) const fn socket(&self) -> &AsyncFd<Socket> {
        &self.socket
    }

    pub(crate) const fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) const fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// The bytes that were received last.
    pub(crate) fn arena(&mut self) -> &mut [u8] {
        &mut self.arena
    }

    /// Receives what is there, at most one batch; `datagrams` are ranges of the arena. `false`: there may be more.
    pub(crate) fn receive(&mut self, datagrams: &mut Vec<Range<usize>>) -> io::Result<bool> {
        if let Some(relay) = &self.relay {
            relay.check()?;
        }
        let mut received = [Received::default(); MESSAGES];
        let batch = self.batch;
        let arena = self.arena.get_mut(..batch * SLOT).unwrap_or_default();
        let mut got = 0;
        let taken = self.socket.try_io(Interest::READABLE, |socket| {
            got = calls::receive_messages(socket.as_fd(), arena, SLOT, &mut received)?;
            if got < batch {
                // There is no more; the runtime learns it without another call.
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        match taken {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if is_passing(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        for message in received.iter().take(got) {
            let end = message.start + message.length;
            let mut start = message.start;
            while start < end {
                let next = (start + message.segment.max(1)).min(end);
                self.stats.received.add(next - start);
                let header = self.relay.as_ref().map_or(Some(0), |relay| {
                    relay.header_length(self.arena.get(start..next)?)
                });
                match header {
                    Some(length) if datagrams.len() < datagrams.capacity() => {
                        datagrams.push(start + length..next);
                    }
                    Some(_) | None => self.stats.drop(DropReason::Buffer),
                }
                start = next;
            }
        }
        if got > 0 {
            let joined = datagrams.len() > got * JOINED;
            self.batch = if joined { LARGE_MESSAGES } else { MESSAGES };
        }
        Ok(got < batch)
    }

    /// Counts what the socket's queue had no room for since this was done last.
    pub(crate) fn count_overflow(&mut self) {
        if let Ok(count) = calls::socket_overflow(self.socket.get_ref().as_fd()) {
            let added = self.overflow.advance(count);
            self.stats.drop_many(DropReason::NetworkQueue, added);
        }
    }

    /// Sends what waits. `false`: the socket is full, and some still waits.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(first) = self.outbound.waiting().first().copied() {
            let sent = if first.count > 1 && first.segment > self.segment_max {
                self.send_singly(first)
            } else {
                self.send_runs()
            };
            match sent {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => self.refused(first, &error),
            }
        }
        true
    }

    /// Has the kernel choose our address by the routes of this moment, as it did when the socket was connected.
    pub(crate) fn choose_source(&self) -> io::Result<()> {
        if self.peer.is_some() {
            // Not connected: it chooses for each datagram.
            return Ok(());
        }
        let socket = self.socket.get_ref();
        let peer = socket.peer_addr()?;
        rustix::net::connect_unspec(socket)?;
        socket.connect(&peer)
    }

    /// As if the kernel had refused to cut messages.
    #[cfg(test)]
    pub(crate) const fn forbid_cutting(&mut self) {
        self.segment_max = 0;
    }

    /// Sends one datagram beside the others; what the socket does not take is dropped, as a network does.
    pub(crate) fn send_now(&mut self, packet: &[u8]) {
        let framed = self.relay.as_ref().map(|relay| relay.framed(packet));
        let packet = framed.as_deref().unwrap_or(packet);
        // A pending error of an earlier datagram is told, once, in place of sending this one.
        for _ in 0..2 {
            let peer = self.peer.as_ref();
            let sent = calls::try_send(&self.socket, |socket| {
                let message = Message {
                    bytes: packet,
                    segment: 0,
                };
                calls::send_messages(socket.as_fd(), std::iter::once(message), peer)
            });
            match sent {
                Ok(_) => return self.stats.sent.add(packet.len()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return self.stats.drop(drop_reason(&error)),
            }
        }
    }

    /// Sends the runs that wait, each in one message, up to the first that must go singly.
    fn send_runs(&mut self) -> io::Result<()> {
        let (outbound, peer, segment_max) = (&self.outbound, self.peer.as_ref(), self.segment_max);
        let whole = |run: &&Run| run.count == 1 || run.segment <= segment_max;
        let messages = outbound
            .waiting()
            .iter()
            .take_while(whole)
            .map(|run| Message {
                bytes: outbound.bytes(run.start..run.end),
                segment: if run.count > 1 {
                    u16::try_from(run.segment).unwrap_or(0)
                } else {
                    0
                },
            });
        let sent = calls::try_send(&self.socket, |socket| {
            calls::send_messages(socket.as_fd(), messages.clone(), peer)
        })?;
        for run in self.outbound.waiting().iter().take(sent) {
            self.stats.sent.bytes += (run.end - run.start) as u64;
            self.stats.sent.packets += run.count as u64;
        }
        self.outbound.done(sent);
        Ok(())
    }

    /// Sends the datagrams of a run one by one, as the kernel does not cut it.
    fn send_singly(&mut self, run: Run) -> io::Result<()> {
        let (outbound, peer) = (&self.outbound, self.peer.as_ref());
        let messages = run.packets().map(|packet| Message {
            bytes: outbound.bytes(packet),
            segment: 0,
        });
        let sent = calls::try_send(&self.socket, |socket| {
            calls::send_messages(socket.as_fd(), messages.clone(), peer)
        })?;
        for packet in run.packets().take(sent) {
            self.stats.sent.add(packet.len());
        }
        self.outbound.done_packets(sent);
        Ok(())
    }

    /// The kernel refused the first run that waits: send it in another way, or drop it.
    fn refused(&mut self, run: Run, error: &io::Error) {
        let cut = run.count > 1 && run.segment <= self.segment_max;
        match error.raw_os_error() {
            Some(libc::EINVAL | libc::EMSGSIZE) if cut => {
                // The path takes smaller packets than these in one piece only.
                self.segment_max = run.segment - 1;
                info!(%error, segment = run.segment, "the kernel does not cut messages into datagrams of this length");
            }
            Some(libc::EIO | libc::ENOPROTOOPT | libc::EOPNOTSUPP) if cut => {
                self.segment_max = 0;
                info!(%error, "the kernel does not cut messages into datagrams");
            }
            // Said of an earlier datagram; this one was not tried.
            Some(libc::ECONNREFUSED) => {}
            _ => {
                self.stats.drop(drop_reason(error));
                self.outbound.done_packets(1);
            }
        }
    }
}

/// Errors that say something about an earlier datagram, or about the path at this moment.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENETDOWN
                | libc::EMSGSIZE
                | libc::EPROTO
                | libc::EINTR
        )
    )
}

fn drop_reason(error: &io::Error) -> DropReason {
    if error.raw_os_error() == Some(libc::EMSGSIZE) {
        DropReason::TooLarge
    } else {
        DropReason::NetworkSend
    }
}

/// So many messages are received at a time where the kernel joins: what they hold is worked off while it is in the
/// cache, and the other direction does not wait long for its turn. Gained a tenth of the throughput.
const LARGE_MESSAGES: usize = 8;
/// With more datagrams in a message than this, the kernel joins.
const JOINED: usize = 4;
/// Room for one message: as much as the kernel joins.
const SLOT: usize = 64 * 1024;
