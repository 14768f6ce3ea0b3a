//! A SOCKS5 proxy that passes our datagrams on for as long as a connection to it stands.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::stream;
use openvpn_engine::proxy::{Header, socks_udp};

/// What a UDP socket needs to know of the proxy between it and the server.
#[derive(Debug)]
pub(crate) struct Relay {
    control: AsyncFd<Socket>,
    /// Where datagrams are sent.
    address: SocketAddr,
    /// Where the proxy sends them.
    server: SocketAddr,
    header: Header,
    /// Datagrams of any source are let in.
    float: bool,
}

impl Relay {
    /// The proxy holds the relay while `control` stands.
    pub(crate) fn new(
        control: AsyncFd<Socket>,
        address: SocketAddr,
        server: SocketAddr,
        float: bool,
    ) -> Self {
        Self {
            control,
            address,
            server,
            header: Header::to(server),
            float,
        }
    }

    /// Where datagrams are sent.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    /// Ready when the proxy has something to say, which can only be that it is over.
    pub(crate) fn poll_end(&self, context: &mut Context<'_>) -> Poll<()> {
        self.control.poll_read_ready(context).map(drop)
    }

    /// Fails if the proxy has let go of the relay.
    pub(crate) fn check(&self) -> io::Result<()> {
        let mut nothing = [0; 64];
        let read = self.control.try_io(Interest::READABLE, |control| {
            Ok(rustix::io::read(control, &mut nothing)?)
        });
        match read {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the proxy ended the relay",
            )),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("the proxy ended the relay: {error}"),
            )),
        }
    }

    /// Fails if the connection that holds the relay was made from an address that is gone.
    pub(crate) fn path_changed(&self) -> io::Result<()> {
        stream::still_bound(self.control.get_ref())
    }

    /// How long the header of a received datagram is. `None`: it is none of ours.
    pub(crate) fn header_length(&self, datagram: &[u8]) -> Option<usize> {
        let (length, source) = socks_udp::parse(datagram)?;
        let expected = self.float || source.is_none_or(|source| source == self.server);
        expected.then_some(length)
    }

    /// A packet with the header in front.
    pub(crate) fn framed(&self, packet: &[u8]) -> Vec<u8> {
        [self.header.bytes(), packet].concat()
    }
}
