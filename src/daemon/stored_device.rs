//! The TUN device of a service: made on the descriptor that the service manager passed, kept with it, taken back after a
//! crash.

use std::io;
use std::os::fd::OwnedFd;

use tracing::{info, warn};

use crate::systemd::fd_store::{self, Inherited};
use crate::tunnel::Tun;

/// The name of the device's descriptor in the store.
pub const STORED_AS: &str = "tun-device";

/// The name that `OpenFile=` in the unit gives the open device node.
const OPENED_AS: &str = "tun";

/// What the service manager has for us, and keeps for us.
#[derive(Debug, Default)]
pub struct StoredDevice {
    inherited: Option<Tun>,
    node: Option<OwnedFd>,
    making: Making,
}

/// What a device is made of.
#[derive(Debug, Default)]
pub enum Source {
    /// It is there already.
    Device(Tun),
    /// The device node, which is to be opened.
    #[default]
    DeviceNode,
    /// The device node, opened by the service manager, without a device.
    Opened(OwnedFd),
}

/// What becomes of devices that are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Making {
    /// They go with the process.
    #[default]
    ForUs,
    /// They go with the process; one whose name is taken gets another.
    ForUsOrAnother,
    /// They are stored with the service manager.
    Stored,
}

impl StoredDevice {
    /// The device of the process before this one, if it left one; devices that follow are stored.
    #[must_use]
    pub fn from_store(inherited: &mut Inherited) -> Self {
        let mut devices = inherited.remove(STORED_AS);
        let device = devices.pop().and_then(|descriptor| {
            Tun::from_fd(descriptor)
                .inspect_err(|error| warn!(%error, "the device that was kept is of no use"))
                .ok()
        });
        Self {
            inherited: device,
            node: inherited.remove(OPENED_AS).pop(),
            making: Making::Stored,
        }
    }

    /// For sessions whose profile need not get the device that it names: the stock backend gives each the first free one.
    #[must_use]
    pub fn or_another(inherited: &mut Inherited) -> Self {
        Self {
            inherited: None,
            node: inherited.remove(OPENED_AS).pop(),
            making: Making::ForUsOrAnother,
        }
    }

    /// Whether there is a device already, or one could be made.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn check_possible(&self) -> io::Result<()> {
        match (&self.inherited, &self.node) {
            (Some(_), _) => Ok(()),
            (None, Some(_)) => Tun::check_permitted("of the session"),
            (None, None) => Tun::check_possible("of the session"),
        }
    }

    /// The name of the device that was left.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.inherited.as_ref().map(Tun::name)
    }

    /// What the device of a plan that wants this name is made of. A device that was left and is another one is given up.
    pub fn take(&mut self, wanted: &str) -> Source {
        if let Some(tun) = self.inherited.take() {
            if wanted == tun.name() || (wanted == ANY && tun.name().starts_with(ANY)) {
                info!(device = tun.name(), "taking the device back");
                return Source::Device(tun);
            }
            self.forget();
        }
        self.node.take().map_or(Source::DeviceNode, Source::Opened)
    }

    /// Makes a device and stores it, if it is not there already.
    ///
    /// # Errors
    ///
    /// As [`Tun::create`].
    pub fn make(making: Making, source: Source, name: &str) -> io::Result<Tun> {
        let node = match source {
            Source::Device(tun) => return Ok(tun),
            Source::DeviceNode => None,
            Source::Opened(node) => Some(node),
        };
        let make = |name| match &node {
            Some(node) => Tun::attach(node.try_clone()?, name),
            None => Tun::create(name),
        };
        let tun = match make(name) {
            Err(error) if is_taken(&error) && making == Making::ForUsOrAnother => {
                let tun = make(ANY)?;
                warn!(
                    wanted = name,
                    device = tun.name(),
                    "the device that the profile names is in use, the session takes another"
                );
                tun
            }
            made => made?,
        };
        if making == Making::Stored {
            let stored =
                fd_store::discard(STORED_AS).and_then(|()| fd_store::store(STORED_AS, &tun));
            if let Err(error) = stored {
                warn!(%error, "the device would not survive this process");
            }
        }
        Ok(tun)
    }

    /// What becomes of devices.
    #[must_use]
    pub const fn making(&self) -> Making {
        self.making
    }

    /// Has the store forget the device: it goes as soon as we close it.
    pub fn forget(&mut self) {
        self.inherited = None;
        if self.making == Making::Stored {
            if let Err(error) = fd_store::discard(STORED_AS) {
                warn!(%error, "the device stays with the service manager");
            }
        }
    }
}

/// Whether the device's name is somebody else's already.
fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy
}

/// The first free one.
const ANY: &str = "tun";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::namespace::Namespace;
    use crate::testing::skipped;

    /// Opens the device node as `OpenFile=` does, hides it, and runs the test that is to go without.
    const PASSED_ON: &str = "exec 3<>/dev/net/tun && mount -t tmpfs -o ro none /dev/net && \
        LISTEN_FDS=1 LISTEN_FDNAMES=tun LISTEN_PID=$$ exec \"$0\" --ignored --exact \
        daemon::stored_device::tests::a_process_without_the_device_node_makes_its_device";

    #[test]
    fn the_descriptor_of_the_service_manager_is_enough_for_a_device() {
        if skipped(&["unshare"]) {
            return;
        }
        let host = Namespace::new("c");
        let program = std::env::current_exe().expect("this program");
        let ran = host
            .command("unshare")
            .args(["--mount", "sh", "-c", PASSED_ON])
            .arg(program)
            .output()
            .expect("a program can be run");
        let output = String::from_utf8_lossy(&ran.stdout);
        assert!(
            ran.status.success() && output.contains("1 passed"),
            "{output}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }

    #[test]
    #[ignore = "it is run in a namespace of its own by the test above"]
    fn a_process_without_the_device_node_makes_its_device() {
        let mut inherited = Inherited::take().expect("the descriptors can be taken");
        let mut device = StoredDevice::or_another(&mut inherited);
        let tun = StoredDevice::make(device.making(), device.take(ANY), ANY).expect("a device");
        assert_eq!((tun.name(), tun.offload().vnet_header), ("tun0", true));
        let error = StoredDevice::make(device.making(), device.take(ANY), ANY)
            .expect_err("one descriptor is good for one device");
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
    }

    #[test]
    fn a_taken_name_leaves_the_descriptor_usable_for_another() {
        if skipped(&[]) {
            return;
        }
        Namespace::new("c").inside(|| {
            let node = || {
                let mut options = std::fs::OpenOptions::new();
                let node = options.read(true).write(true).open("/dev/net/tun");
                Source::Opened(node.expect("root may open it").into())
            };
            let first = StoredDevice::make(Making::ForUs, node(), "mine").expect("a device");
            assert_eq!(first.name(), "mine");
            let error = StoredDevice::make(Making::ForUs, node(), "mine").expect_err("it is taken");
            assert!(is_taken(&error), "{error}");
            let other = StoredDevice::make(Making::ForUsOrAnother, node(), "mine");
            assert_eq!(other.expect("another device").name(), "tun0");
        });
    }
}
