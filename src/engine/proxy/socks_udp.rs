//! The header in front of each datagram that travels through a SOCKS5 proxy (RFC 1928, section 7).

use std::net::{IpAddr, SocketAddr};

/// The header for one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Header {
    /// The header of datagrams to `server`: 10 bytes for IPv4, 22 for IPv6.
    #[must_use]
    pub fn to(server: SocketAddr) -> Self {
        let mut header = Self {
            bytes: [0; LONGEST],
            length: FRONT,
        };
        match server.ip() {
            IpAddr::V4(address) => {
                header.push(&[IPV4]);
                header.push(&address.octets());
            }
            IpAddr::V6(address) => {
                header.push(&[IPV6]);
                header.push(&address.octets());
            }
        }
        header.push(&server.port().to_be_bytes());
        header
    }

    /// The bytes themselves.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        }
    }
}

/// Reads the header of a datagram: how long it is, and where the datagram comes from (`None`: the proxy names a host).
/// `None` if there is no header, or the datagram is a fragment.
#[inline]
#[must_use]
pub fn parse(datagram: &[u8]) -> Option<(usize, Option<SocketAddr>)> {
    let [_, _, fragment, kind, rest @ ..] = datagram else {
        return None;
    };
    if *fragment != 0 {
        return None;
    }
    let (address, length) = match *kind {
        IPV4 => (Some(IpAddr::from(*rest.first_chunk::<4>()?)), 4),
        IPV6 => (Some(IpAddr::from(*rest.first_chunk::<16>()?)), 16),
        NAME => (None, 1 + usize::from(*rest.first()?)),
        _ => return None,
    };
    let port = u16::from_be_bytes(*rest.get(length..)?.first_chunk()?);
    let source = address.map(|address| SocketAddr::new(address, port));
    Some((FRONT + 1 + length + 2, source))
}

/// Two reserved bytes and the fragment's number.
const FRONT: usize = 3;
const LONGEST: usize = FRONT + 1 + 16 + 2;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_is_as_in_the_protocol_and_is_read_back() {
        let v4 = SocketAddr::from(([192, 0, 2, 1], 1194));
        let header = Header::to(v4);
        assert_eq!(header.bytes(), [0, 0, 0, 1, 192, 0, 2, 1, 4, 170]);
        assert_eq!(parse(header.bytes()), Some((10, Some(v4))));
        let v6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 443));
        let header = Header::to(v6);
        assert_eq!(header.bytes().len(), 22);
        assert_eq!(parse(header.bytes()), Some((22, Some(v6))));
    }

    #[test]
    fn a_fragment_is_no_datagram_and_a_name_no_address() {
        assert_eq!(parse(&[0, 0, 1, 1, 192, 0, 2, 1, 4, 170]), None);
        assert_eq!(parse(b"\0\0\0\x03\x02ab\x04\xaa"), Some((9, None)));
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic_and_no_header_is_longer_than_its_datagram(
            datagram in proptest::collection::vec(any::<u8>(), 0..40)
        ) {
            if let Some((length, _)) = parse(&datagram) {
                prop_assert!(length <= datagram.len());
            }
        }
    }
}
