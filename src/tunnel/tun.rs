//! The TUN device: created, attached or taken over, with as much offload as the kernel gives.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::thread::{CapabilitySet, capabilities};
use tun_rs::{DeviceBuilder, Layer};

use crate::sys::calls;

/// A TUN device that is ours to read and write.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: String,
    offload: Offload,
}

/// What the device's packets look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offload {
    /// A virtio-net header in front of each packet: TCP comes and goes in super-packets, checksums may be partial.
    pub vnet_header: bool,
    /// UDP too comes and goes in super-packets.
    pub udp: bool,
}

impl Tun {
    /// Creates a device. `tun` is the first free `tunN`, any other name is the name itself.
    ///
    /// # Errors
    ///
    /// No `/dev/net/tun`, no right to use it, or the name is taken; the message says which.
    pub fn create(name: &str) -> io::Result<Self> {
        let device = DeviceBuilder::new()
            .name(pattern(name))
            .layer(Layer::L3)
            .offload(true)
            .enable(false)
            .build_sync()
            .map_err(|error| explained(name, &error))?;
        Self::from_fd(calls::owned(device))
    }

    /// Whether a device could be created; nothing is.
    ///
    /// # Errors
    ///
    /// No `/dev/net/tun`, or no right to use it; the message says which.
    pub fn check_possible(name: &str) -> io::Result<()> {
        let mut open = std::fs::OpenOptions::new();
        let opened = open.read(true).write(true).open(DEVICE);
        opened.map_err(|error| explained(name, &error))?;
        Self::check_permitted(name)
    }

    /// Whether an open device node may be made a device of.
    ///
    /// # Errors
    ///
    /// No `CAP_NET_ADMIN`.
    pub fn check_permitted(name: &str) -> io::Result<()> {
        let held = capabilities(None)?.effective;
        if held.contains(CapabilitySet::NET_ADMIN) {
            Ok(())
        } else {
            Err(explained(name, &io::Error::from_raw_os_error(libc::EPERM)))
        }
    }

    /// Makes a device of an open `/dev/net/tun` that has none yet.
    ///
    /// # Errors
    ///
    /// As [`Tun::create`].
    pub fn attach(fd: OwnedFd, name: &str) -> io::Result<Self> {
        calls::tun_attach(fd.as_fd(), &pattern(name)).map_err(|error| explained(name, &error))?;
        Self::from_fd(fd)
    }

    /// Takes over a device that was attached before, by us or by whoever handed it in.
    ///
    /// # Errors
    ///
    /// The descriptor is no TUN device with plain IP packets.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let device = calls::tun_device(fd.as_fd())?;
        if !device.plain_ip {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} is no TUN device for plain IP packets", device.name),
            ));
        }
        rustix::io::ioctl_fionbio(&fd, true)?;
        let offload = if device.vnet_header {
            calls::tun_vnet_header_size(fd.as_fd())?;
            Offload {
                vnet_header: true,
                udp: calls::tun_offload(fd.as_fd())?,
            }
        } else {
            Offload {
                vnet_header: false,
                udp: false,
            }
        };
        Ok(Self {
            fd,
            name: device.name,
            offload,
        })
    }

    /// Something that behaves like a device.
    #[cfg(test)]
    pub(crate) fn for_tests(fd: OwnedFd, offload: Offload) -> Self {
        let name = "test".to_owned();
        Self { fd, name, offload }
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its packets look like.
    #[must_use]
    pub const fn offload(&self) -> Offload {
        self.offload
    }

    /// A second descriptor of the same device, for the store that outlives us.
    ///
    /// # Errors
    ///
    /// Out of descriptors.
    pub fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// The descriptor; the device stays as it is.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.into()
    }
}

impl From<Tun> for OwnedFd {
    fn from(tun: Tun) -> Self {
        tun.fd
    }
}

impl AsRawFd for Tun {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What devices are made of.
const DEVICE: &str = "/dev/net/tun";

fn pattern(name: &str) -> String {
    if name == "tun" {
        "tun%d".to_owned()
    } else {
        name.to_owned()
    }
}

fn explained(name: &str, error: &io::Error) -> io::Error {
    let why = match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
            "there is no /dev/net/tun (is the kernel module \"tun\" loaded?)".to_owned()
        }
        Some(libc::EPERM | libc::EACCES) => {
            "not permitted: this needs CAP_NET_ADMIN and access to /dev/net/tun".to_owned()
        }
        Some(libc::EBUSY) => "a device of this name is in use".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(
        error.kind(),
        format!("cannot make the TUN device {name}: {why}"),
    )
}
