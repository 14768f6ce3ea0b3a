//! `NetError`: which step of the network set-up failed, on what, and what would help.

use std::fmt::{self, Display};
use std::io;

/// A step of the network set-up that failed.
#[derive(Debug)]
pub struct NetError {
    activity: &'static str,
    on: String,
    source: io::Error,
}

impl NetError {
    /// The error of a step; `doing` is a verb with its noun (`add the route`), `on` says which one.
    pub fn new(activity: &'static str, on: impl Display, source: io::Error) -> Self {
        Self {
            activity,
            on: on.to_string(),
            source,
        }
    }

    /// The class of the failure.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        let code = rustix::io::Errno::from_io_error(&self.source);
        let opening = self.activity == "open the TUN device";
        if opening {
            return match code {
                Some(rustix::io::Errno::NOENT) => Some(
                    "/dev/net/tun does not exist: load the module (modprobe tun), or hand the device into the container",
                ),
                Some(rustix::io::Errno::NODEV | rustix::io::Errno::NXIO) => {
                    Some("the kernel has no TUN driver: load the module (modprobe tun)")
                }
                Some(rustix::io::Errno::PERM) => Some(NEEDS_CAPABILITY),
                Some(rustix::io::Errno::ACCESS) => Some(
                    "/dev/net/tun may not be opened: run as root, or allow the device (DeviceAllow=/dev/net/tun)",
                ),
                Some(rustix::io::Errno::BUSY) => {
                    Some("another program holds this device: choose another name with `dev`")
                }
                Some(_) | None => None,
            };
        }
        match code {
            Some(rustix::io::Errno::PERM) => Some(NEEDS_CAPABILITY),
            Some(rustix::io::Errno::NODEV) => Some("the device has vanished"),
            Some(_) | None => None,
        }
    }
}

impl Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.activity, self.on, self.source)?;
        match self.help() {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

const NEEDS_CAPABILITY: &str =
    "CAP_NET_ADMIN is missing: run as root, or through the systemd unit, which grants it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_step_the_thing_and_the_way_out() {
        let error = NetError::new(
            "add the route",
            "10.0.0.0/8",
            io::Error::from_raw_os_error(1),
        );

        let said = error.to_string();

        assert!(
            said.starts_with("cannot add the route 10.0.0.0/8: "),
            "{said}"
        );
        assert!(said.contains("CAP_NET_ADMIN"), "{said}");
    }

    #[test]
    fn a_missing_tun_device_says_how_to_get_one() {
        let error = NetError::new(
            "open the TUN device",
            "tun0",
            io::Error::from_raw_os_error(2),
        );

        assert!(error.to_string().contains("modprobe tun"), "{error}");
    }
}
