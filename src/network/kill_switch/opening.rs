//! What a session has its kill switch let through: the server of the moment, its device, and names while it looks one up.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tracing::warn;

use crate::network::kill_switch::{FOLDER, KillSwitch, Record};
use crate::network::resolver;
use openvpn_engine::config::Transport;

/// One session's hole in its kill switch. Does nothing for a session without a name, or whose kill switch is down.
#[derive(Debug, Default)]
pub struct Exemption {
    session: Option<String>,
}

impl Exemption {
    /// That of the session of this name.
    #[must_use]
    pub const fn of(session: String) -> Self {
        Self {
            session: Some(session),
        }
    }

    /// DNS queries pass while this host is looked up; `None`, or an address in place of a name: none do.
    pub fn names(&self, host: Option<&str>) {
        let asks = host.is_some_and(|host| resolver::literal(host).is_none());
        self.change(|record| record.resolver_uids = if asks { resolvers() } else { Vec::new() });
    }

    /// Packets to this server pass, and to no other.
    pub fn server(&self, address: SocketAddr, transport: Transport) {
        self.change(|record| record.servers = vec![(address, transport)]);
    }

    /// Everything passes that goes through this device.
    pub fn device(&self, name: Option<&str>) {
        self.change(|record| record.device = name.map(ToOwned::to_owned));
    }

    /// The session is over: its kill switch, if it is up, stays as it is, and nothing else is remembered.
    pub fn forget(&self) {
        let Some(session) = &self.session else {
            return;
        };
        if let Err(error) = KillSwitch::new(Path::new(FOLDER)).forget(session) {
            warn!(%error, "what the session had open in its kill switch is still noted");
        }
    }

    fn change(&self, change: impl Fn(&mut Record)) {
        let Some(session) = &self.session else {
            return;
        };
        if let Err(error) = KillSwitch::new(Path::new(FOLDER)).open(session, change) {
            warn!(%error, "the kill switch stays as it is");
        }
    }
}

/// Who looks names up: we ourselves, and systemd-resolved for us.
fn resolvers() -> Vec<u32> {
    let mut accounts = vec![rustix::process::geteuid().as_raw()];
    if let Ok(folder) = fs::metadata("/run/systemd/resolve") {
        accounts.push(folder.uid());
    }
    accounts
}
