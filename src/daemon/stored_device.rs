//! The TUN device that outlives the process: kept with the service manager, taken back after a crash.

use std::io;

use tracing::{info, warn};

use crate::systemd::fd_store::{self, Inherited};
use crate::tunnel::Tun;

/// The name of the device's descriptor in the store.
pub const STORED_AS: &str = "tun-device";

/// The device in the service manager's store.
#[derive(Debug, Default)]
pub struct StoredDevice {
    inherited: Option<Tun>,
    making: Making,
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
            making: Making::Stored,
        }
    }

    /// For sessions whose profile need not get the device that it names: the stock backend gives each the first free one.
    #[must_use]
    pub fn or_another() -> Self {
        Self {
            inherited: None,
            making: Making::ForUsOrAnother,
        }
    }

    /// The name of the device that was left.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.inherited.as_ref().map(Tun::name)
    }

    /// Takes the device that was left, if it is what a plan wants by this name. Another one is given up.
    pub fn take(&mut self, wanted: &str) -> Option<Tun> {
        let tun = self.inherited.take()?;
        if wanted == tun.name() || (wanted == ANY && tun.name().starts_with(ANY)) {
            info!(device = tun.name(), "taking the device back");
            return Some(tun);
        }
        self.forget();
        None
    }

    /// Takes `left`, or makes a device, and stores it.
    ///
    /// # Errors
    ///
    /// As [`Tun::create`].
    pub fn make(making: Making, left: Option<Tun>, name: &str) -> io::Result<Tun> {
        if let Some(tun) = left {
            return Ok(tun);
        }
        let tun = match Tun::create(name) {
            Err(error) if is_taken(&error) && making == Making::ForUsOrAnother => {
                let tun = Tun::create(ANY)?;
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
