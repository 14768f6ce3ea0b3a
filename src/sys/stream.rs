//! What a connected stream's own address tells.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::Socket;

/// Fails if a stream's own address has gone away.
pub(crate) fn still_bound(socket: &Socket) -> io::Result<()> {
    let local = socket.local_addr().ok().and_then(|local| local.as_socket());
    if local.is_some_and(is_gone) {
        return Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "the address that the connection was made from is gone",
        ));
    }
    Ok(())
}

/// Whether the host has the address no longer.
fn is_gone(address: SocketAddr) -> bool {
    let bound = UdpSocket::bind(SocketAddr::new(address.ip(), 0));
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_the_host_does_not_have_is_gone() {
        assert!(is_gone(([192, 0, 2, 1], 1194).into()));
        assert!(!is_gone(([127, 0, 0, 1], 1194).into()));
    }
}
