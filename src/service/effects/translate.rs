//! The session's words to those of the rooms that act, and back.

use crate::engine::session::effect::Report;
use crate::engine::session::remotes::{Family, Lookup};
use crate::service::changes::NetworkChange;
use crate::service::resolve;
use crate::service::tunnel::TunnelReport;

pub(super) fn from_tunnel(report: TunnelReport) -> Report {
    match report {
        TunnelReport::AttemptFailed(error) => Report::AttemptFailed(error),
        TunnelReport::Connected { local, peer, .. } => Report::Opened { local, peer },
        TunnelReport::Event(event) => Report::Event(event),
        TunnelReport::TunLost(error) => Report::TunLost(error.to_string()),
    }
}

pub(super) fn family(lookup: &Lookup) -> resolve::Family {
    match lookup.family {
        Family::Any => resolve::Family::Any,
        Family::V4 => resolve::Family::V4,
        Family::V6 => resolve::Family::V6,
    }
}

pub(super) fn from_world(change: NetworkChange) -> Report {
    match change {
        NetworkChange::Lost => Report::PathLost,
        NetworkChange::Moved => Report::PathChanged,
        NetworkChange::ResolverRestarted => Report::ResolverRestarted,
        NetworkChange::Resumed(slept) => Report::Woke(slept),
        NetworkChange::Suspending => Report::Suspending,
    }
}
