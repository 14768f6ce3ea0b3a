//! What a session takes over from the one before it, and leaves for the next.

use tracing::{info, warn};

use super::active::ActiveSession;
use super::context::Context;
use super::saved::{Saved, SavedServer};
use super::state::Phase;

impl ActiveSession {
    /// Takes up what an earlier process left, if it left it for this profile; else the token that we were started with.
    pub(super) fn restore(&mut self, context: &mut Context) {
        if let Some(token) = context.known.token.take() {
            self.login.token_received(token);
        }
        let Some(mut saved) = context.known.saved.take() else {
            return;
        };
        if saved.profile != self.loaded.profile.identity() {
            warn!(
                "the login that was kept is not used: the profile's remotes, CA or login options are others now"
            );
            return self.save(context);
        }
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
            ..self.login.remembered(self.loaded.profile.identity())
        });
    }

    /// Takes the place of `old`, whose profile was read again: the network stays, and as long as the profile logs in to
    /// the same servers in the same way, what the user said and the token.
    pub(super) fn inherit(&mut self, context: &mut Context, old: Self) {
        if self.loaded.profile.identity() == old.loaded.profile.identity() {
            self.login.inherit(old.login);
            self.proxy_login = old.proxy_login;
            self.passphrase = self.passphrase.take().or(old.passphrase);
        } else {
            info!(
                "the profile's remotes, CA or login options have changed: what was said for the former ones is forgotten"
            );
            self.save(context);
        }
        self.network = old.network;
        self.phase = old.phase;
        self.was_connected = old.was_connected;
        self.last_server = old.last_server;
        self.last_summary = old.last_summary;
    }
}
