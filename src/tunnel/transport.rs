//! UDP or TCP, one face; and how each is opened.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;
use tracing::debug;

use crate::sys::{calls, stream};
use crate::tunnel::interrupt_moderation;
use crate::tunnel::outbound::Outbound;
use crate::tunnel::socket_options::SocketOptions;
use crate::tunnel::socks_relay::Relay;
use crate::tunnel::tcp::Tcp;
use crate::tunnel::udp::Udp;
use openvpn_engine::config;
use openvpn_engine::data::Stats;

/// An open transport.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(Tcp),
    Udp(Udp),
}

impl Transport {
    /// Opens a transport to `peer`. Cancel-safe: what was begun is closed.
    pub(crate) async fn open(
        kind: config::Transport,
        peer: SocketAddr,
        options: SocketOptions,
        limit: Duration,
    ) -> io::Result<Self> {
        match kind {
            config::Transport::Udp => open_udp(peer, &options).map(Self::Udp),
            config::Transport::Tcp => {
                let socket = connect(peer, &options, limit).await?;
                Ok(Self::Tcp(Tcp::new(socket)))
            }
        }
    }

    /// Packets that come at shorter intervals may wait for each other.
    pub(crate) const fn busy(&self) -> Duration {
        match self {
            Self::Tcp(_) => interrupt_moderation::STREAM,
            Self::Udp(_) => interrupt_moderation::DATAGRAMS,
        }
    }

    /// Our address.
    pub(crate) fn local(&self) -> io::Result<SocketAddr> {
        let address = self.socket().get_ref().local_addr()?;
        address
            .as_socket()
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
    }

    /// Where a proxy takes our datagrams, if there is one that does.
    pub(crate) fn relay(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_) => None,
            Self::Udp(udp) => udp.relay().map(Relay::address),
        }
    }

    /// Ready when there is something to receive.
    pub(crate) fn poll_receive(&self, context: &mut Context<'_>) -> Poll<()> {
        let elsewhere = match self {
            Self::Tcp(tcp) if tcp.is_unread() => return Poll::Ready(()),
            Self::Tcp(_) => None,
            Self::Udp(udp) => udp.relay(),
        };
        match elsewhere.map(|relay| relay.poll_end(context)) {
            Some(Poll::Ready(())) => Poll::Ready(()),
            Some(Poll::Pending) | None => self.socket().poll_read_ready(context).map(drop),
        }
    }

    /// Ready when something that waits may be sent.
    pub(crate) fn poll_send(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket().poll_write_ready(context).map(drop)
    }

    /// Receives one batch of packets; they are ranges of the arena. `true`: there is no more now.
    pub(crate) fn receive(&mut self, packets: &mut Vec<Range<usize>>) -> io::Result<bool> {
        match self {
            Self::Tcp(tcp) => tcp.receive(packets),
            Self::Udp(udp) => udp.receive(packets),
        }
    }

    /// The bytes that were received last.
    pub(crate) fn arena(&mut self) -> &mut [u8] {
        match self {
            Self::Tcp(tcp) => tcp.arena(),
            Self::Udp(udp) => udp.arena(),
        }
    }

    /// Where sealed packets are put.
    pub(crate) const fn outbound(&mut self) -> &mut Outbound {
        match self {
            Self::Tcp(tcp) => tcp.outbound(),
            Self::Udp(udp) => udp.outbound(),
        }
    }

    /// A packet was put into the outbound arena.
    pub(crate) const fn count_sent(&mut self) {
        match self {
            Self::Tcp(tcp) => tcp.count_sent(1),
            Self::Udp(_) => {}
        }
    }

    /// Sends what waits; with `more` coming soon, what it may be added to is kept back. `false`: the socket is full, and
    /// some still waits.
    pub(crate) fn flush(&mut self, more: bool) -> io::Result<bool> {
        self.outbound().hold(more);
        match self {
            Self::Tcp(tcp) => tcp.flush(),
            Self::Udp(udp) => Ok(udp.flush()),
        }
    }

    /// Sends one control packet.
    pub(crate) fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.send(packet),
            Self::Udp(udp) => {
                udp.send_now(packet);
                Ok(())
            }
        }
    }

    /// Counts what the socket's queue had no room for. A stream loses nothing.
    pub(crate) fn count_overflow(&mut self) {
        match self {
            Self::Tcp(_) => {}
            Self::Udp(udp) => udp.count_overflow(),
        }
    }

    /// The way to the server is another one: sends from the address that belongs to it.
    ///
    /// # Errors
    ///
    /// That cannot be done with this transport.
    pub(crate) fn path_changed(&mut self) -> io::Result<()> {
        match self {
            // A stream is bound to its address for good.
            Self::Tcp(tcp) => stream::still_bound(tcp.socket().get_ref()),
            Self::Udp(udp) => {
                if let Some(relay) = udp.relay() {
                    relay.path_changed()?;
                }
                udp.choose_source()
            }
        }
    }

    /// What passed the socket.
    pub(crate) const fn stats(&self) -> &Stats {
        match self {
            Self::Tcp(tcp) => tcp.stats(),
            Self::Udp(udp) => udp.stats(),
        }
    }

    const fn socket(&self) -> &AsyncFd<Socket> {
        match self {
            Self::Tcp(tcp) => tcp.socket(),
            Self::Udp(udp) => udp.socket(),
        }
    }
}

/// A UDP socket that sends to `peer`.
pub(crate) fn open_udp(peer: SocketAddr, options: &SocketOptions) -> io::Result<Udp> {
    let socket = match inherited(options, Type::DGRAM)? {
        Some(kept) => kept,
        None => bound_socket(peer, Type::DGRAM, Protocol::UDP, options)?,
    };
    socket.set_nonblocking(true)?;
    set_buffers(
        &socket,
        Some(options.send_buffer.unwrap_or(UDP_BUFFER)),
        Some(options.receive_buffer.unwrap_or(UDP_BUFFER)),
    );
    if options.float {
        return Udp::new(socket, Some(peer));
    }
    socket.connect(&SockAddr::from(peer))?;
    Udp::new(socket, None)
}

/// A TCP socket that is connected to `peer`. Cancel-safe: what was begun is closed.
pub(crate) async fn connect(
    peer: SocketAddr,
    options: &SocketOptions,
    limit: Duration,
) -> io::Result<AsyncFd<Socket>> {
    let late = |_| {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {} s", limit.as_secs()),
        )
    };
    timeout(limit, connect_some_time(peer, options))
        .await
        .map_err(late)?
}

async fn connect_some_time(
    peer: SocketAddr,
    options: &SocketOptions,
) -> io::Result<AsyncFd<Socket>> {
    if let Some(socket) = inherited(options, Type::STREAM)? {
        socket.set_nonblocking(true)?;
        return calls::watch(socket);
    }
    let socket = bound_socket(peer, Type::STREAM, Protocol::TCP, options)?;
    socket.set_nonblocking(true)?;
    set_buffers(&socket, options.send_buffer, options.receive_buffer);
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&SockAddr::from(peer)) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        _ => {}
    }
    let socket = calls::watch(socket)?;
    let mut ready = socket.writable().await?;
    ready.retain_ready();
    if let Some(error) = socket.get_ref().take_error()? {
        return Err(error);
    }
    drop(ready);
    Ok(socket)
}

/// The socket that was handed in, if it is of this kind.
fn inherited(options: &SocketOptions, kind: Type) -> io::Result<Option<Socket>> {
    let Some(kept) = &options.inherited else {
        return Ok(None);
    };
    let socket = Socket::from(kept.try_clone()?);
    Ok((socket.r#type()? == kind).then_some(socket))
}

fn bound_socket(
    peer: SocketAddr,
    kind: Type,
    protocol: Protocol,
    options: &SocketOptions,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(peer), kind, Some(protocol))?;
    if let Some(mark) = options.mark {
        socket.set_mark(mark)?;
    }
    if let Some(device) = &options.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(local) = options.local {
        if kind == Type::STREAM {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SockAddr::from(of_family(local, peer)))?;
    }
    Ok(socket)
}

/// A wildcard address serves both families: it means the one that is needed.
fn of_family(local: SocketAddr, peer: SocketAddr) -> SocketAddr {
    let wildcard = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    if local.ip().is_unspecified() {
        SocketAddr::new(wildcard, local.port())
    } else {
        local
    }
}

/// As large as asked for, beyond the system's limit if we may.
fn set_buffers(socket: &Socket, send: Option<usize>, receive: Option<usize>) {
    use rustix::net::sockopt;
    if let Some(size) = send {
        let set = sockopt::set_socket_send_buffer_size_force(socket, size)
            .or_else(|_| sockopt::set_socket_send_buffer_size(socket, size));
        if let Err(error) = set {
            debug!(%error, size, "the send buffer stays as it is");
        }
    }
    if let Some(size) = receive {
        let set = sockopt::set_socket_recv_buffer_size_force(socket, size)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(socket, size));
        if let Err(error) = set {
            debug!(%error, size, "the receive buffer stays as it is");
        }
    }
}

/// What a burst at full speed needs until the thread gets the processor again.
const UDP_BUFFER: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_datagram_socket_reaches_its_peer_after_the_way_has_changed() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let peer = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let address = peer.local_addr().expect("it is bound");
        let _inside = runtime.enter();
        let udp = open_udp(address, &SocketOptions::default()).expect("it can be opened");
        let mut transport = Transport::Udp(udp);

        transport.path_changed().expect("it follows");
        transport.send(b"here").expect("it sends");

        let mut got = [0; 8];
        let (length, from) = peer.recv_from(&mut got).expect("it arrives");
        assert_eq!(&got[..length], b"here");
        assert_eq!(from, transport.local().expect("it has an address"));
    }
}
