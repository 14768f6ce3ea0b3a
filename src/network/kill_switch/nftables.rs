//! `nf_tables` messages: a batch of changes, put in force by the kernel as one.
//!
//! Numbers are those of `linux/netfilter/nf_tables.h` and `linux/netfilter/nfnetlink.h`. Netlink headers are in the
//! machine's byte order, the values of `nf_tables` in network order.

use std::io;

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
};

/// The families that a table may serve.
const FAMILY_INET: u8 = 1;
/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;

const FLAG_REQUEST: u16 = 0x1;
const FLAG_ACK: u16 = 0x4;
const FLAG_CREATE: u16 = 0x400;
const FLAG_APPEND: u16 = 0x800;
/// `NLMSG_ERROR`, also the form of an acknowledgement.
const MESSAGE_ERROR: u16 = 2;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// The one data register that the rules use.
const REGISTER: u32 = 1;
/// The verdict register.
const REGISTER_VERDICT: u32 = 0;
/// `NF_ACCEPT`.
const ACCEPT: u32 = 1;
/// `NF_DROP`.
const DROP: u32 = 0;

/// What a rule can look at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// The interface that the packet came in by: 16 bytes, padded with zeros.
    InputInterface,
    /// The interface that the packet leaves by: 16 bytes, padded with zeros.
    OutputInterface,
    /// IPv4 or IPv6: one byte, [`IPV4`] or [`IPV6`].
    NetworkProtocol,
    /// TCP, UDP or other: one byte.
    TransportProtocol,
    /// The state of the connection: four bytes in the machine's order, one bit for each.
    ConnectionState,
    /// The account that owns the socket: four bytes in the machine's order.
    SocketOwner,
    /// Bytes of the network header: offset and length.
    NetworkHeader(u32, u32),
    /// Bytes of the transport header: offset and length.
    TransportHeader(u32, u32),
}

/// `NFPROTO_IPV4`.
pub(crate) const IPV4: u8 = 2;
/// `NFPROTO_IPV6`.
pub(crate) const IPV6: u8 = 10;

/// Where a chain hooks in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hook {
    /// Packets that pass through the machine.
    Forward = 2,
    /// Packets of the machine's own.
    Output = 3,
}

/// One test of a rule: the bytes at the key, masked where there is a mask, equal the value.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    /// What is looked at.
    pub(crate) key: Key,
    /// Which bits count; all of them where `None`.
    pub(crate) mask: Option<Vec<u8>>,
    /// Whether they must be the value, or must not.
    pub(crate) is: bool,
    /// The value.
    pub(crate) value: Vec<u8>,
}

/// A batch of changes.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    messages: u32,
}

impl Batch {
    /// An empty batch.
    pub(crate) fn new() -> Self {
        let mut batch = Self {
            bytes: Vec::with_capacity(4096),
            messages: 0,
        };
        batch.boundary(BATCH_BEGIN);
        batch
    }

    /// Makes sure that the table is there.
    pub(crate) fn add_table(&mut self, name: &str) {
        self.message(NEW_TABLE, FLAG_CREATE, |m| m.text(1, name));
    }

    /// Removes the table with all that is in it. It must be there.
    pub(crate) fn delete_table(&mut self, name: &str) {
        self.message(DELETE_TABLE, 0, |m| m.text(1, name));
    }

    /// Adds a chain that drops what no rule accepts.
    pub(crate) fn add_chain(&mut self, table: &str, chain: &str, hook: Hook) {
        self.message(NEW_CHAIN, FLAG_CREATE, |m| {
            m.text(1, table);
            m.text(3, chain);
            m.nested(4, |m| {
                m.number(1, hook as u32);
                m.number(2, 0);
            });
            m.number(5, DROP);
            m.text(7, "filter");
        });
    }

    /// Adds a rule that accepts a packet which passes every test.
    pub(crate) fn accept(&mut self, table: &str, chain: &str, tests: &[Test]) {
        self.message(NEW_RULE, FLAG_CREATE | FLAG_APPEND, |m| {
            m.text(1, table);
            m.text(2, chain);
            m.nested(4, |m| {
                for test in tests {
                    m.load(test.key);
                    if let Some(mask) = &test.mask {
                        m.and(mask);
                    }
                    m.compare(test.is, &test.value);
                }
                m.accept();
            });
        });
    }

    /// Puts the whole batch in force, or nothing of it.
    ///
    /// # Errors
    ///
    /// What the kernel answered: `EPERM` without `CAP_NET_ADMIN`, `ENOENT` for a table that is not there,
    /// `EPROTONOSUPPORT` where the kernel has no `nf_tables`.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        self.boundary(BATCH_END);
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::NETFILTER),
        )?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        sendto(
            &socket,
            &self.bytes,
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )?;
        let mut answered = 0;
        let mut buffer = vec![0; 16 * 1024];
        while answered < self.messages {
            let (length, _) = recv(&socket, &mut *buffer, RecvFlags::empty())?;
            answered += acknowledged(&buffer[..length])?;
        }
        Ok(())
    }

    fn boundary(&mut self, kind: u16) {
        let header = Header {
            kind,
            flags: FLAG_REQUEST,
            sequence: 0,
            family: 0,
            resource: SUBSYSTEM,
        };
        self.append(&header, |_| {});
    }

    fn message(&mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Body<'_>)) {
        self.messages += 1;
        let header = Header {
            kind: (SUBSYSTEM << 8) | kind,
            flags: FLAG_REQUEST | FLAG_ACK | flags,
            sequence: self.messages,
            family: FAMILY_INET,
            resource: 0,
        };
        self.append(&header, body);
    }

    fn append(&mut self, header: &Header, body: impl FnOnce(&mut Body<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(header.kind.to_ne_bytes());
        self.bytes.extend(header.flags.to_ne_bytes());
        self.bytes.extend(header.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend([header.family, 0]);
        self.bytes.extend(header.resource.to_be_bytes());
        body(&mut Body(&mut self.bytes));
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }
}

struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
    family: u8,
    resource: u16,
}

/// The attributes of one message; every one padded to four bytes.
struct Body<'a>(&'a mut Vec<u8>);

impl Body<'_> {
    fn bytes(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.pad();
    }

    fn text(&mut self, kind: u16, text: &str) {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.bytes(kind, &value);
    }

    fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    fn nested(&mut self, kind: u16, inner: impl FnOnce(&mut Body<'_>)) {
        let start = self.0.len();
        self.0.extend([0; 4]);
        inner(&mut Body(self.0));
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0[start + 2..start + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        while self.0.len() % 4 != 0 {
            self.0.push(0);
        }
    }

    fn expression(&mut self, name: &str, data: impl FnOnce(&mut Body<'_>)) {
        self.nested(1, |m| {
            m.text(1, name);
            m.nested(2, data);
        });
    }

    fn load(&mut self, key: Key) {
        match key {
            Key::InputInterface => self.meta(6),
            Key::OutputInterface => self.meta(7),
            Key::NetworkProtocol => self.meta(15),
            Key::TransportProtocol => self.meta(16),
            Key::SocketOwner => self.meta(10),
            Key::ConnectionState => self.expression("ct", |m| {
                m.number(1, REGISTER);
                m.number(2, 0);
            }),
            Key::NetworkHeader(offset, length) => self.payload(1, offset, length),
            Key::TransportHeader(offset, length) => self.payload(2, offset, length),
        }
    }

    fn meta(&mut self, key: u32) {
        self.expression("meta", |m| {
            m.number(1, REGISTER);
            m.number(2, key);
        });
    }

    fn payload(&mut self, base: u32, offset: u32, length: u32) {
        self.expression("payload", |m| {
            m.number(1, REGISTER);
            m.number(2, base);
            m.number(3, offset);
            m.number(4, length);
        });
    }

    fn and(&mut self, mask: &[u8]) {
        let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
        self.expression("bitwise", |m| {
            m.number(1, REGISTER);
            m.number(2, REGISTER);
            m.number(3, length);
            m.nested(4, |m| m.bytes(1, mask));
            m.nested(5, |m| m.bytes(1, &vec![0; mask.len()]));
        });
    }

    fn compare(&mut self, is: bool, value: &[u8]) {
        self.expression("cmp", |m| {
            m.number(1, REGISTER);
            m.number(2, u32::from(!is));
            m.nested(3, |m| m.bytes(1, value));
        });
    }

    fn accept(&mut self) {
        self.expression("immediate", |m| {
            m.number(1, REGISTER_VERDICT);
            m.nested(2, |m| m.nested(2, |m| m.number(1, ACCEPT)));
        });
    }
}

/// Counts the acknowledgements in what the kernel sent.
fn acknowledged(mut messages: &[u8]) -> io::Result<u32> {
    let mut count = 0;
    while let Some((header, rest)) = messages.split_first_chunk::<16>() {
        let [a, b, c, d, kind_low, kind_high, ..] = *header;
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        if u16::from_ne_bytes([kind_low, kind_high]) == MESSAGE_ERROR {
            let code = rest
                .first_chunk()
                .map_or(0, |code| i32::from_ne_bytes(*code));
            if code != 0 {
                return Err(io::Error::from_raw_os_error(-code));
            }
            count += 1;
        }
        messages = messages
            .get(length.max(16).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_its_own_length_and_ends_on_four_bytes() {
        let mut batch = Batch::new();
        let start = batch.bytes.len();
        batch.add_table("abc");
        let message = &batch.bytes[start..];
        assert_eq!(message.len() % 4, 0);
        assert_eq!(
            u32::from_ne_bytes(*message.first_chunk().expect("a header")) as usize,
            message.len()
        );
        assert_eq!(&message[16..20], [FAMILY_INET, 0, 0, 0]);
        assert_eq!(
            &message[20..],
            [&8_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), b"abc\0"].concat()
        );
    }

    #[test]
    fn an_error_of_the_kernel_is_an_error_and_anything_else_is_not() {
        let answer = |code: i32| {
            let mut bytes = 36_u32.to_ne_bytes().to_vec();
            bytes.extend(MESSAGE_ERROR.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend(code.to_ne_bytes());
            bytes.extend([0; 16]);
            bytes
        };
        assert_eq!(
            acknowledged(&[answer(0), answer(0)].concat()).expect("two acknowledgements"),
            2
        );
        let refused = acknowledged(&answer(-1)).expect_err("EPERM");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(acknowledged(&[1, 2, 3]).expect("nothing to see"), 0);
    }
}
