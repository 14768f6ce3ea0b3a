//! The session's words to those of the rooms that act, and back.

use crate::network::monitor::NetworkChange;
use crate::network::resolver;
use crate::tunnel::TunnelReport;
use openvpn_engine::session::Report;
use openvpn_engine::session::{Family, Lookup};

pub(crate) fn from_tunnel(report: TunnelReport) -> Report {
    match report {
        TunnelReport::AttemptFailed(error) => Report::AttemptFailed(error),
        TunnelReport::Connected { local, peer, .. } => Report::Opened { local, peer },
        TunnelReport::Event(event) => Report::Event(event),
        TunnelReport::TunLost(error) => Report::TunLost(error.to_string()),
    }
}

pub(crate) fn family(lookup: &Lookup) -> resolver::Family {
    match lookup.family {
        Family::Any => resolver::Family::Any,
        Family::V4 => resolver::Family::V4,
        Family::V6 => resolver::Family::V6,
    }
}

pub(crate) fn from_world(change: NetworkChange) -> Report {
    match change {
        NetworkChange::Lost => Report::PathLost,
        NetworkChange::Moved => Report::PathChanged,
        NetworkChange::ResolverRestarted => Report::ResolverRestarted,
        NetworkChange::RoutesChanged => Report::RoutesChanged,
        NetworkChange::Resumed(slept) => Report::Woke(slept),
        NetworkChange::Suspending => Report::Suspending,
    }
}
