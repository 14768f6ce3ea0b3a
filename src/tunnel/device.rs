//! Reading and writing an attached TUN device: packets with or without the header for offload.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::calls;
use crate::tunnel::overflow::{self, Followed};
use crate::tunnel::tun::Tun;
use openvpn_engine::data::Segments;
use openvpn_engine::data::VnetHeader;
use openvpn_engine::data::{Join, Joined, PACKETS_MAX};

/// A device attached to the tunnel.
#[derive(Debug)]
pub(crate) struct Device {
    tun: AsyncFd<Tun>,
    buffer: Box<[u8]>,
    overflow: Followed,
}

/// What reading gave.
pub(crate) enum Read<'a> {
    /// Nothing more now.
    Empty,
    /// A packet, to be cut where it is large.
    Packet(Segments<'a>),
    /// Something that is no packet.
    Unusable,
}

impl Device {
    pub(crate) fn new(tun: Tun) -> io::Result<Self> {
        Ok(Self {
            overflow: Followed::from(overflow::of_device(tun.name()).unwrap_or(0)),
            tun: calls::watch_reading(tun)?,
            buffer: vec![0; BUFFER].into_boxed_slice(),
        })
    }

    /// Ready when there is something to read.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>) -> Poll<()> {
        self.tun.poll_read_ready(context).map(drop)
    }

    /// Ready when the device is gone: the kernel says so by an error without anything to read.
    pub(crate) fn poll_lost(&self, context: &mut Context<'_>) -> Poll<()> {
        self.tun.poll_write_ready(context).map(drop)
    }

    /// What the device takes in one piece.
    pub(crate) fn join(&self) -> Join {
        let offload = self.tun.get_ref().offload();
        match (offload.vnet_header, offload.udp) {
            (false, _) => Join::Nothing,
            (true, false) => Join::Tcp,
            (true, true) => Join::TcpAndUdp,
        }
    }

    /// How many packets its queue had no room for since this was asked last.
    pub(crate) fn overflowed(&mut self) -> u64 {
        overflow::of_device(self.tun.get_ref().name())
            .map_or(0, |count| self.overflow.advance(count))
    }

    /// Reads one packet without waiting.
    pub(crate) fn read(&mut self) -> io::Result<Read<'_>> {
        let buffer = &mut self.buffer;
        let read = self.tun.try_io(Interest::READABLE, |tun| {
            Ok(rustix::io::read(tun, &mut **buffer)?)
        });
        let length = match read {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Read::Empty),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Read::Unusable),
            Err(error) => return Err(error),
        };
        let bytes = self.buffer.get(..length).unwrap_or_default();
        if !self.tun.get_ref().offload().vnet_header {
            return Ok(Read::Packet(Segments::whole(bytes)));
        }
        let Some((header, packet)) = bytes.split_first_chunk::<{ VnetHeader::LEN }>() else {
            return Ok(Read::Unusable);
        };
        let segments = VnetHeader::decode(*header).map(|header| Segments::new(&header, packet));
        Ok(match segments {
            Some(Ok(segments)) => Read::Packet(segments),
            Some(Err(_)) | None => Read::Unusable,
        })
    }

    /// Writes joined packets, which lie in `arena`, in one piece.
    pub(crate) fn write(&self, arena: &[u8], joined: &Joined<'_>) -> io::Result<()> {
        let header = joined.vnet();
        let mut slices = [IoSlice::new(&[]); PACKETS_MAX + 1];
        let mut count = 0;
        if self.tun.get_ref().offload().vnet_header {
            slices[0] = IoSlice::new(&header);
            count = 1;
        }
        let pieces = joined
            .pieces()
            .map(|piece| IoSlice::new(arena.get(piece).unwrap_or_default()));
        for (slot, piece) in slices.iter_mut().skip(count).zip(pieces) {
            *slot = piece;
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        rustix::io::writev(self.tun.get_ref(), slices)?;
        Ok(())
    }
}

/// Whether the device is gone for good.
pub(crate) fn is_lost(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EBADFD | libc::EBADF | libc::ENODEV | libc::ENXIO)
    )
}

/// What reading a device that is gone says.
pub(crate) fn lost() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADFD)
}

/// The longest packet that the kernel hands over, with its header.
const BUFFER: usize = 68 * 1024;
