//! The system calls that no crate wraps, each with the reason it is sound.
#![expect(
    unsafe_code,
    reason = "the one room of the service that talks to the kernel by itself"
)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

/// What `TUNGETIFF` tells about a descriptor.
#[derive(Debug)]
pub(super) struct TunDevice {
    /// The interface's name.
    pub(super) name: String,
    /// Packets are bare IP packets (after the virtio-net header, if any).
    pub(super) plain_ip: bool,
    /// A virtio-net header precedes each packet.
    pub(super) vnet_header: bool,
}

/// The descriptor of something that gives it away.
pub(super) fn owned(device: impl IntoRawFd) -> OwnedFd {
    // SAFETY: `into_raw_fd` hands over an open descriptor that nobody else closes.
    unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) }
}

/// `TUNSETIFF`: a TUN device with virtio-net headers; without them if the kernel refuses.
pub(super) fn tun_attach(fd: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut request = interface_request(name)?;
    let plain = libc::IFF_TUN | libc::IFF_NO_PI;
    let mut outcome = Ok(());
    for flags in [plain | libc::IFF_VNET_HDR, plain] {
        request.ifr_ifru.ifru_flags = flags
            .try_into()
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: the descriptor is open and the request is a whole `ifreq` that lives until the call returns.
        let answer = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
        outcome = check(answer);
        if !matches!(&outcome, Err(error) if error.raw_os_error() == Some(libc::EINVAL)) {
            break;
        }
    }
    outcome
}

/// `TUNGETIFF`.
pub(super) fn tun_device(fd: BorrowedFd<'_>) -> io::Result<TunDevice> {
    let mut request = interface_request("")?;
    // SAFETY: the descriptor is open and the kernel fills a whole `ifreq`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNGETIFF, &raw mut request) })?;
    // SAFETY: `TUNGETIFF` sets this member of the union; before that it was zeroed, which is a valid value too.
    let flags = i32::from(unsafe { request.ifr_ifru.ifru_flags });
    let mut name = request.ifr_name;
    if let Some(last) = name.last_mut() {
        *last = 0;
    }
    // SAFETY: the array ends with a NUL byte, written just above.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Ok(TunDevice {
        name: name.to_string_lossy().into_owned(),
        plain_ip: flags & libc::IFF_TUN != 0 && flags & libc::IFF_TAP == 0,
        vnet_header: flags & libc::IFF_VNET_HDR != 0,
    })
}

/// `TUNSETVNETHDRSZ`: the short header of 10 bytes.
pub(super) fn tun_vnet_header_size(fd: BorrowedFd<'_>) -> io::Result<()> {
    let size: libc::c_int = 10;
    // SAFETY: the descriptor is open and the kernel reads one `int`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const size) })
}

/// `TUNSETOFFLOAD`: as much as the kernel takes; the answer is whether UDP is part of it.
pub(super) fn tun_offload(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
    let udp = libc::TUN_F_USO4 | libc::TUN_F_USO6;
    let set = |flags: libc::c_uint| {
        // SAFETY: the descriptor is open, and the argument of this call is a number.
        check(unsafe {
            libc::ioctl(
                fd.as_raw_fd(),
                libc::TUNSETOFFLOAD,
                libc::c_ulong::from(flags),
            )
        })
    };
    if set(tcp | udp).is_ok() {
        return Ok(true);
    }
    set(tcp).map(|()| false)
}

fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: an `ifreq` is numbers and byte arrays only: all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the device name is too long",
        ));
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    Ok(request)
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
