//! The TUN device that outlives the process: kept with the service manager, taken back after a crash.

use std::io;

use tracing::{info, warn};

use super::systemd::fd_store::{self, Inherited};
use super::tunnel::Tun;

/// The name of the device's descriptor in the store.
pub const STORED_AS: &str = "tun-device";

/// The device in the service manager's store.
#[derive(Debug, Default)]
pub struct KeptDevice {
    inherited: Option<Tun>,
    keeps: bool,
}

impl KeptDevice {
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
            keeps: true,
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
    pub fn make(keeps: bool, left: Option<Tun>, name: &str) -> io::Result<Tun> {
        if let Some(tun) = left {
            return Ok(tun);
        }
        let tun = Tun::create(name)?;
        if keeps {
            let stored =
                fd_store::discard(STORED_AS).and_then(|()| fd_store::store(STORED_AS, &tun));
            if let Err(error) = stored {
                warn!(%error, "the device would not survive this process");
            }
        }
        Ok(tun)
    }

    /// Whether devices are stored.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.keeps
    }

    /// Has the store forget the device: it goes as soon as we close it.
    pub fn forget(&mut self) {
        self.inherited = None;
        if self.keeps {
            if let Err(error) = fd_store::discard(STORED_AS) {
                warn!(%error, "the device stays with the service manager");
            }
        }
    }
}

/// The first free one.
const ANY: &str = "tun";
