//! The system calls that no crate wraps, each with the reason it is sound.
#![expect(
    unsafe_code,
    reason = "the one room of the service that talks to the kernel by itself"
)]

use std::ffi::CStr;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use rustix::thread::{ClockId, clock_nanosleep_relative, set_current_timer_slack};
use rustix::time::Timespec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::debug;

/// What `TUNGETIFF` tells about a descriptor.
#[derive(Debug)]
pub(crate) struct TunDevice {
    /// The interface's name.
    pub(crate) name: String,
    /// Packets are bare IP packets (after the virtio-net header, if any).
    pub(crate) plain_ip: bool,
    /// A virtio-net header precedes each packet.
    pub(crate) vnet_header: bool,
}

/// The descriptor of something that gives it away.
pub(crate) fn owned(device: impl IntoRawFd) -> OwnedFd {
    // SAFETY: `into_raw_fd` hands over an open descriptor that nobody else closes.
    unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) }
}

/// Lets this thread's short sleeps end when they are over, and not up to 50 microseconds later.
pub(crate) fn wake_on_time() {
    if let Err(error) = set_current_timer_slack(NonZeroU64::new(1)) {
        debug!(%error, "short sleeps take longer than asked for");
    }
}

/// Sleeps; a signal ends it early.
pub(crate) fn sleep(time: Duration) {
    let request = Timespec {
        tv_sec: 0,
        tv_nsec: time.subsec_nanos().into(),
    };
    let _ = clock_nanosleep_relative(ClockId::Monotonic, &request);
}

/// Watches a descriptor for readiness, for as long as it is owned.
pub(crate) fn watch<T: AsRawFd + Into<OwnedFd>>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: what turns into an `OwnedFd` owns its descriptor: it stays open, and the same, while the owner lives.
    Ok(unsafe { AsyncFd::register(owner) }?)
}

/// The same for reading alone. Ready for writing then means that there is an error.
pub(crate) fn watch_reading<T: AsRawFd + Into<OwnedFd>>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: as for `watch`.
    Ok(unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) }?)
}

/// Tries to send, whether or not the runtime knows that it is possible; if it is not, the runtime knows it then.
pub(crate) fn try_send<T: AsRawFd, R>(
    watched: &AsyncFd<T>,
    mut send: impl FnMut(&T) -> io::Result<R>,
) -> io::Result<R> {
    match send(watched.get_ref()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            watched.try_io(Interest::WRITABLE, send)
        }
        sent => sent,
    }
}

/// `TUNSETIFF`: a TUN device with virtio-net headers; without them if the kernel refuses.
pub(crate) fn tun_attach(fd: BorrowedFd<'_>, name: &str) -> io::Result<()> {
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
pub(crate) fn tun_device(fd: BorrowedFd<'_>) -> io::Result<TunDevice> {
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
pub(crate) fn tun_vnet_header_size(fd: BorrowedFd<'_>) -> io::Result<()> {
    let size: libc::c_int = 10;
    // SAFETY: the descriptor is open and the kernel reads one `int`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const size) })
}

/// `TUNSETOFFLOAD`: as much as the kernel takes; the answer is whether UDP is part of it.
pub(crate) fn tun_offload(fd: BorrowedFd<'_>) -> io::Result<bool> {
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

/// Whether the kernel's clock is kept by something that knows the time. Where the kernel may not be asked, it is not.
pub(crate) fn clock_is_synchronised() -> bool {
    // SAFETY: all bytes zero are a valid `timex`, whose `modes` of 0 changes nothing.
    let mut clock: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is whole and lives until the call returns.
    let state = unsafe { libc::adjtimex(&raw mut clock) };
    state >= 0 && state != libc::TIME_ERROR && clock.status & libc::STA_UNSYNC == 0
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// How many messages one call moves at most.
pub(crate) const MESSAGES: usize = 32;

/// What one received message looks like: where it is in the arena, and how it is to be cut.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Received {
    /// Where the message begins.
    pub(crate) start: usize,
    /// Its length.
    pub(crate) length: usize,
    /// The length of each datagram in it but the last.
    pub(crate) segment: usize,
}

/// Bytes to be sent in one message, cut into datagrams by the kernel.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// The datagrams, one after the other.
    pub(crate) bytes: &'a [u8],
    /// The length of each but the last; 0: all of it is one datagram.
    pub(crate) segment: u16,
}

/// Room for one control message with an `int`, aligned as the kernel wants it.
type Control = [u64; 4];

/// Receives as many messages as there are, without waiting, each into a slot of the arena of `slot` bytes.
pub(crate) fn receive_messages(
    fd: BorrowedFd<'_>,
    arena: &mut [u8],
    slot: usize,
    received: &mut [Received; MESSAGES],
) -> io::Result<usize> {
    let mut controls: [Control; MESSAGES] = [[0; 4]; MESSAGES];
    // SAFETY: these structs are pointers and numbers only: all zeros is a valid value.
    let mut parts: [libc::iovec; MESSAGES] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut headers: [libc::mmsghdr; MESSAGES] = unsafe { std::mem::zeroed() };
    let mut count = 0;
    let slots = arena.chunks_exact_mut(slot);
    for (((bytes, part), header), control) in
        slots.zip(&mut parts).zip(&mut headers).zip(&mut controls)
    {
        part.iov_base = bytes.as_mut_ptr().cast();
        part.iov_len = bytes.len();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = control.as_mut_ptr().cast();
        header.msg_hdr.msg_controllen = size_of::<Control>();
        count += 1;
    }
    // SAFETY: each of the `count` headers points to its own slot of `arena` and to its own control buffer, with their
    // lengths; all of them outlive the call.
    let answer = unsafe {
        libc::recvmmsg(
            fd.as_raw_fd(),
            headers.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT,
            std::ptr::null_mut(),
        )
    };
    check(answer)?;
    let got = usize::try_from(answer).unwrap_or(0);
    for (index, (header, result)) in headers
        .iter()
        .zip(received.iter_mut())
        .take(got)
        .enumerate()
    {
        let length = usize::try_from(header.msg_len).unwrap_or(0).min(slot);
        *result = Received {
            start: index * slot,
            length,
            segment: segment_of(&header.msg_hdr).unwrap_or(length),
        };
    }
    Ok(got)
}

/// The datagrams' length, where the kernel joined several (`UDP_GRO`).
fn segment_of(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: the kernel has filled the header of a message that was received; its control buffer is alive.
    let control = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
    if control.cmsg_level != libc::SOL_UDP || control.cmsg_type != libc::UDP_GRO {
        return None;
    }
    // SAFETY: this control message carries one `int`, which may be unaligned.
    let segment: libc::c_int = unsafe {
        libc::CMSG_DATA(control)
            .cast::<libc::c_int>()
            .read_unaligned()
    };
    usize::try_from(segment).ok().filter(|segment| *segment > 0)
}

/// Sends messages without waiting, to `peer` or to where the socket is connected. The answer is how many were taken;
/// an error is that of the first.
pub(crate) fn send_messages<'a>(
    fd: BorrowedFd<'_>,
    messages: impl Iterator<Item = Message<'a>>,
    peer: Option<&socket2::SockAddr>,
) -> io::Result<usize> {
    let mut controls: [Control; MESSAGES] = [[0; 4]; MESSAGES];
    // SAFETY: these structs are pointers and numbers only: all zeros is a valid value.
    let mut parts: [libc::iovec; MESSAGES] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut headers: [libc::mmsghdr; MESSAGES] = unsafe { std::mem::zeroed() };
    let mut count = 0;
    for (((message, part), header), control) in messages
        .zip(&mut parts)
        .zip(&mut headers)
        .zip(&mut controls)
    {
        part.iov_base = message.bytes.as_ptr().cast_mut().cast();
        part.iov_len = message.bytes.len();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        if let Some(peer) = peer {
            header.msg_hdr.msg_name = peer.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = peer.len();
        }
        if message.segment > 0 {
            put_segment(&mut header.msg_hdr, control, message.segment);
        }
        count += 1;
    }
    // SAFETY: each of the `count` headers points to bytes, an address and a control buffer that outlive the call; the
    // kernel only reads them.
    let answer = unsafe {
        libc::sendmmsg(
            fd.as_raw_fd(),
            headers.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT,
        )
    };
    check(answer)?;
    Ok(usize::try_from(answer).unwrap_or(0))
}

/// Adds a control message that tells the kernel where to cut (`UDP_SEGMENT`).
fn put_segment(header: &mut libc::msghdr, control: &mut Control, segment: u16) {
    // SAFETY: these two compute lengths and touch no memory.
    let (space, length) = unsafe { (libc::CMSG_SPACE(2), libc::CMSG_LEN(2)) };
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = space as _;
    // SAFETY: the buffer is aligned and longer than one control message with two bytes needs.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header);
        (*first).cmsg_level = libc::SOL_UDP;
        (*first).cmsg_type = libc::UDP_SEGMENT;
        (*first).cmsg_len = length as _;
        libc::CMSG_DATA(first)
            .cast::<u16>()
            .write_unaligned(segment);
    }
}

/// How many datagrams the socket's queue had no room for, since it was made.
pub(crate) fn socket_overflow(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut info = [0_u32; MEMORY_FIELDS];
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).unwrap_or(0);
    // SAFETY: the descriptor is open; the kernel writes at most `length` bytes, which is what `info` has.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    Ok(info.last().copied().map_or(0, u64::from))
}

/// The fields of `SO_MEMINFO` up to the one with the drops, which is the last.
const MEMORY_FIELDS: usize = 9;

/// Asks for received datagrams to be joined (`UDP_GRO`).
pub(crate) fn enable_udp_gro(fd: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open and the option is one `int`, whose length is given.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_GRO,
            (&raw const on).cast(),
            libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(4),
        )
    })
}
