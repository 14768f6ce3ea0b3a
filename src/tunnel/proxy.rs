//! Opens transports through proxies: carries out what the conversation says.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::Socket;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;
use tracing::debug;

use crate::tunnel::socket_options::SocketOptions;
use crate::tunnel::socks_relay::Relay;
use crate::tunnel::tcp::Tcp;
use crate::tunnel::transport::{self, Transport};
use openvpn_engine::config;
use openvpn_engine::config::{Endpoint, Environment};
use openvpn_engine::error::ConnectionError;
use openvpn_engine::profile::Proxy;
use openvpn_engine::proxy::{Conversation, Opened, ProxyError, ProxySetup, Step};

/// Where a transport goes, and by which proxy.
#[derive(Debug)]
pub(crate) struct Way {
    /// Has the proxy's address.
    pub(crate) endpoint: Endpoint,
    pub(crate) proxy_setup: ProxySetup,
    pub(crate) environment: Environment,
}

/// Opens a transport by a proxy. `limit` is for each connection to the proxy. Cancel-safe: what was begun is closed.
pub(crate) async fn open(
    way: Way,
    mut options: SocketOptions,
    limit: Duration,
) -> Result<Transport, ConnectionError> {
    // A socket kept from before belongs to a relay that is gone.
    options.inherited = None;
    let Way {
        endpoint,
        proxy_setup,
        ..
    } = way;
    let (kind, proxy) = (endpoint.transport, endpoint.address);
    let patience = match &proxy_setup.proxy {
        Proxy::Http(http) => http.timeout,
        Proxy::Socks(_) => limit,
    };
    let mut conversation = Conversation::new(&proxy_setup, kind, &way.environment)?;
    let (socket, opened) = loop {
        debug!(%proxy, "connecting to the proxy");
        let socket = transport::connect(proxy, &options, limit)
            .await
            .map_err(|error| failed("cannot connect to the proxy", &error))?;
        let talk = converse(&mut conversation, &socket);
        match timeout(patience, talk).await {
            Ok(Ok(Some(opened))) => break (socket, opened),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let seconds = patience.as_secs();
                return Err(ConnectionError::Transport(format!(
                    "no answer from the proxy within {seconds} s"
                )));
            }
        }
    };
    match kind {
        config::Transport::Tcp => Ok(Transport::Tcp(Tcp::holding(socket, &opened.rest))),
        config::Transport::Udp => by_relay(&proxy_setup, proxy, socket, &opened, options),
    }
}

/// Talks over one connection. `None`: another one is wanted.
async fn converse(
    conversation: &mut Conversation,
    socket: &AsyncFd<Socket>,
) -> Result<Option<Opened>, ConnectionError> {
    let lost = |error: io::Error| failed("the connection to the proxy failed", &error);
    write(socket, conversation.begin()?.expose())
        .await
        .map_err(lost)?;
    let mut bytes = [0; 4096];
    loop {
        let length = read(socket, &mut bytes).await.map_err(lost)?;
        match conversation.hear(bytes.get(..length).unwrap_or_default())? {
            Step::Listen => {}
            Step::Open(opened) => return Ok(Some(opened)),
            Step::Reconnect => return Ok(None),
            Step::Say(bytes) => write(socket, bytes.expose()).await.map_err(lost)?,
        }
    }
}

fn by_relay(
    proxy_setup: &ProxySetup,
    proxy: SocketAddr,
    control: AsyncFd<Socket>,
    opened: &Opened,
    options: SocketOptions,
) -> Result<Transport, ConnectionError> {
    let told = opened
        .relay
        .ok_or(ProxyError::Malformed("it names no address for datagrams"))?;
    let server = proxy_setup
        .address
        .ok_or(ProxyError::Unusable("the server's address is not known"))?;
    let ip = match told.ip() {
        unknown if unknown.is_unspecified() => proxy.ip(),
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => address.to_canonical(),
    };
    let address = SocketAddr::new(ip, told.port());
    let float = options.float;
    // It is the relay that answers, and no other.
    let options = SocketOptions {
        float: false,
        ..options
    };
    debug!(relay = %address, %server, "the proxy passes datagrams on");
    let udp = transport::open_udp(address, &options)
        .map_err(|error| failed("cannot send to the proxy's relay", &error))?;
    let relay = Relay::new(control, address, server, float);
    Ok(Transport::Udp(udp.through(relay)))
}

async fn write(socket: &AsyncFd<Socket>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = socket.writable().await?;
        if let Ok(wrote) = ready.try_io(|socket| Ok(rustix::io::write(socket, bytes)?)) {
            bytes = bytes.get(wrote?..).unwrap_or_default();
        }
    }
    Ok(())
}

async fn read(socket: &AsyncFd<Socket>, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut ready = socket.readable().await?;
        match ready.try_io(|socket| Ok(rustix::io::read(socket, &mut *bytes)?)) {
            Ok(Ok(0)) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the proxy closed it",
                ));
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(read) => return read,
            Err(_would_block) => {}
        }
    }
}

fn failed(what: &str, error: &io::Error) -> ConnectionError {
    ConnectionError::Transport(format!("{what}: {error}"))
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
