//! What a session takes over from the one before it, and leaves for the next.

use super::active::ActiveSession;
use super::context::Context;
use super::saved::{Saved, SavedServer};
use super::state::Phase;

impl ActiveSession {
    /// Takes up what an earlier process left.
    pub(super) fn restore(&mut self, mut saved: Saved) {
        self.last_server = saved.server.take();
        if let Some(SavedServer { host, address }) = &self.last_server {
            self.remotes.return_to(host, *address);
        }
        self.login.restore(saved);
    }

    /// Saves what a later process could take up.
    pub(super) fn save(&mut self, context: &mut Context) {
        if let Phase::Connected { way, .. } = &self.phase {
            self.last_server = Some(SavedServer {
                host: self.remotes.target().host.clone(),
                address: way.address,
            });
        }
        context.save(&Saved {
            server: self.last_server.clone(),
            ..self.login.remembered()
        });
    }

    /// Takes the place of `old`, whose profile was read again: what the user said, the token and the network stay.
    pub(super) fn inherit(&mut self, old: Self) {
        self.login.inherit(old.login);
        self.proxy_login = old.proxy_login;
        self.passphrase = self.passphrase.take().or(old.passphrase);
        self.network = old.network;
        self.phase = old.phase;
        self.was_connected = old.was_connected;
        self.last_server = old.last_server;
        self.last_summary = old.last_summary;
    }
}
