//! Many frames per read and write of a TCP stream; each frame is a packet with its length in front.

use std::io;
use std::ops::Range;

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::debug;

use crate::sys::calls;
use crate::tunnel::outbound::{Outbound, Prefix};
use openvpn_engine::data::Stats;
use openvpn_engine::tcp;

/// A connected TCP socket. What is read of a frame stays here until the rest arrives.
#[derive(Debug)]
pub(crate) struct Tcp {
    socket: AsyncFd<Socket>,
    arena: Box<[u8]>,
    /// Whole frames were handed out up to here.
    taken: usize,
    /// Bytes were read up to here.
    filled: usize,
    /// Some of them were here before the socket was ours, and were not looked at.
    unread: bool,
    /// So many reads are yet to be acknowledged at once.
    prompt: u8,
    outbound: Outbound,
    stats: Stats,
}

impl Tcp {
    /// Takes a connected socket.
    pub(crate) fn new(socket: AsyncFd<Socket>) -> Self {
        if let Err(error) = socket.get_ref().set_tcp_notsent_lowat(UNSENT) {
            debug!(%error, "the kernel queues as much as it likes");
        }
        Self {
            socket,
            arena: vec![0; ARENA].into_boxed_slice(),
            taken: 0,
            filled: 0,
            unread: false,
            prompt: PROMPT,
            outbound: Outbound::new(Prefix::Length),
            stats: Stats::default(),
        }
    }

    /// Takes a connected socket, and what was read from it before.
    pub(crate) fn holding(socket: AsyncFd<Socket>, before: &[u8]) -> Self {
        let mut tcp = Self::new(socket);
        if let Some(place) = tcp.arena.get_mut(..before.len()) {
            place.copy_from_slice(before);
            tcp.filled = before.len();
            tcp.unread = !before.is_empty();
        }
        tcp
    }

    /// Whether there is something to receive that the socket does not know of.
    pub(crate) const fn is_unread(&self) -> bool {
        self.unread
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

    /// The bytes that were read last.
    pub(crate) fn arena(&mut self) -> &mut [u8] {
        &mut self.arena
    }

    /// Reads once; `packets` are ranges of the arena, valid until the next call. `true`: there is no more now.
    pub(crate) fn receive(&mut self, packets: &mut Vec<Range<usize>>) -> io::Result<bool> {
        self.arena.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        self.unread = false;
        let room = self.arena.get_mut(self.filled..).unwrap_or_default();
        let room_len = room.len();
        let read = self.socket.try_io(Interest::READABLE, |socket| {
            Ok(rustix::io::read(socket, room)?)
        });
        let read = match read {
            Ok(0) if room_len > 0 => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection",
                ));
            }
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(error),
        };
        self.acknowledge(read);
        self.filled += read;
        self.take_frames(packets)?;
        Ok(read < room_len && packets.len() < packets.capacity())
    }

    /// Writes what waits. `false`: the socket is full, and some still waits.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        while let Some(run) = self.outbound.waiting().first() {
            let bytes = self.outbound.bytes(run.start..run.end);
            let wrote =
                calls::try_send(&self.socket, |socket| Ok(rustix::io::write(socket, bytes)?));
            match wrote {
                Ok(wrote) => {
                    self.stats.sent.bytes += wrote as u64;
                    self.outbound.done_bytes(wrote);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Puts a packet behind all that waits.
    pub(crate) fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        if !self.outbound.add_copy(packet) {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the server takes no more data",
            ));
        }
        self.stats.sent.packets += 1;
        self.flush().map(drop)
    }

    /// Counts packets that were put into the outbound arena.
    pub(crate) const fn count_sent(&mut self, packets: u64) {
        self.stats.sent.packets += packets;
    }

    /// Has the kernel acknowledge the first reads without delay.
    fn acknowledge(&mut self, read: usize) {
        if read > 0 && self.prompt > 0 {
            self.prompt -= 1;
            // A kernel that cannot is only slower.
            drop(self.socket.get_ref().set_tcp_quickack(true));
        }
    }

    fn take_frames(&mut self, packets: &mut Vec<Range<usize>>) -> io::Result<()> {
        let unread = self.arena.get(..self.filled).unwrap_or_default();
        let before = packets.len();
        self.taken = tcp::split_frames(unread, packets)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        for packet in packets.iter().skip(before) {
            self.stats.received.add(packet.len());
        }
        Ok(())
    }
}

/// The reads of a handshake, and more. A server that waits for acknowledgements before it sends small packets (Nagle's
/// algorithm, which OpenVPN leaves on) would wait out the kernel's delay of 40 ms at each step.
const PROMPT: u8 = 64;
/// So many bytes that the network does not take yet may wait in the kernel. The rest waits in the device's queue, where
/// the flows that fill it are held back, and where what has no room is dropped.
const UNSENT: u32 = 128 * 1024;
/// Room for one read: many frames, and far more than the longest.
const ARENA: usize = 256 * 1024;
