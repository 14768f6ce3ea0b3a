//! What the session loop wants to be known on the bus, on its way to the object that sends it.

use tokio::sync::mpsc;
use tracing::debug;

use crate::openvpn3::status::to_bus;
use openvpn_engine::session::{Attention, Status};

/// Says on the bus what the session loop wants to be known, in the order in which it is told.
#[derive(Debug, Clone)]
pub struct Announcer {
    outbox: mpsc::Sender<Outgoing>,
}

impl Announcer {
    pub(crate) const fn new(outbox: mpsc::Sender<Outgoing>) -> Self {
        Self { outbox }
    }

    /// The status changed. `config_path`: the profile's object, or nothing.
    pub fn status(&self, status: &Status, config_path: &str) {
        self.put(Outgoing::Status(to_bus(status, config_path)));
    }

    /// The user must be told of something.
    pub fn attention(&self, attention: Attention) {
        self.put(Outgoing::Attention(attention));
    }

    fn put(&self, outgoing: Outgoing) {
        if self.outbox.try_send(outgoing).is_err() {
            debug!("a signal could not be queued");
        }
    }
}

#[derive(Debug)]
pub(crate) enum Outgoing {
    Attention(Attention),
    Status((u32, u32, String)),
}

pub(crate) const OUTBOX: usize = 256;
