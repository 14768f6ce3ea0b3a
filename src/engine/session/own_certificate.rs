//! Our own certificate: what is wrong with it is said at the start, and named when a server does not accept us.

use tracing::warn;

use super::super::error::ConnectionError;
use super::super::event::Stage;
use super::super::pki::validity::{Concern, Finding, of_identity};
use super::active::ActiveSession;
use super::context::Context;
use super::state::Phase;

impl ActiveSession {
    /// Looks at our certificate once more, and says what is new about it.
    pub(super) fn look_at_own_certificate(&mut self, context: &Context) {
        let identity = self.template.as_ref().and_then(|it| it.identity());
        let now = context.environment.wall_clock.current_time();
        let (Some(identity), Some(now)) = (identity, now) else {
            return;
        };
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let found = of_identity(identity, now);
        for finding in &found {
            if !self.own_certificate.contains(finding) {
                warn!(%finding, "the login may fail");
            }
        }
        self.own_certificate = found;
    }

    /// What an administrator should know of our certificate.
    pub(super) fn own_certificate_words(&self) -> Option<String> {
        self.own_certificate.first().map(ToString::to_string)
    }

    /// A server that has answered and then falls silent, or ends the handshake, may well have refused our certificate:
    /// OpenVPN drops such clients without a word.
    pub(super) fn blame_own_certificate(&self, error: ConnectionError) -> ConnectionError {
        let has_answered = matches!(
            self.phase,
            Phase::Connecting {
                stage: Some(Stage::ServerAnswered | Stage::Authenticating | Stage::GettingConfig),
                ..
            }
        );
        let is_fatal = |it: &&Finding| it.concern.is_fatal();
        let Some(finding) = self.own_certificate.iter().find(is_fatal) else {
            return error;
        };
        if !has_answered || !may_be_about_us(&error) {
            return error;
        }
        let why = format!("{finding} ({error})");
        if matches!(finding.concern, Concern::NotYetValid(_)) {
            ConnectionError::OwnCertificateNotYetValid(why)
        } else {
            ConnectionError::OwnCertificateRefused(why)
        }
    }
}

const fn may_be_about_us(error: &ConnectionError) -> bool {
    matches!(
        error,
        ConnectionError::HandshakeTimeout { .. }
            | ConnectionError::TlsAlert(_)
            | ConnectionError::Transport(_)
    )
}
