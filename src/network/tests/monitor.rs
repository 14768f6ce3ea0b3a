//! What changes around a host is noticed, and only that.

use std::time::Duration;

use crate::network::dns::Resolver;
use crate::network::monitor::{NetworkChange, NetworkMonitor, Watched};
use crate::network::{LocalOptions, Network, TunDevice};
use tokio::time::timeout;

use crate::testing::namespace::{FAR_V4, World};
use crate::testing::{in_runtime, skipped};

#[test]
fn another_way_to_the_server_is_reported_once_and_our_own_routes_are_not() {
    if skipped(&[]) {
        return;
    }
    let world = World::new();
    world.client.ip("tuntap add dev tunx mode tun");
    let index = world.client.index_of("tunx");
    world.client.ip("link add other type veth peer name beyond");
    world.client.ip("addr add 10.88.0.2/24 dev other");

    world.client.inside(|| {
        in_runtime(async {
            let mut changes = NetworkMonitor::start(None).expect("netlink works");
            changes.watch(Watched {
                server: Some(FAR_V4.parse().expect("an address")),
                tunnel: Some(index),
            });
            let mut network = Network::local(LocalOptions {
                resolver: Resolver::Nobody,
                ..LocalOptions::default()
            });
            let tun = TunDevice {
                name: "tunx".into(),
                index,
            };
            network
                .apply(tun, &super::local::full_plan())
                .await
                .expect("it works");
            world.client.ip("route add 192.0.2.128/25 via 10.77.0.1");

            // None of the above is another way to the server: the first report is about what follows.
            world.client.ip("route replace default via 10.77.0.7");
            assert_eq!(soon(&mut changes).await, Some(NetworkChange::Moved));
            world.client.ip("link set cable down");
            assert_eq!(soon(&mut changes).await, Some(NetworkChange::Lost));
            world.client.ip("link set beyond up");
            world.client.ip("link set other up");
            world.client.ip("route add default via 10.88.0.1");
            assert_eq!(soon(&mut changes).await, Some(NetworkChange::Moved));
            world.client.ip("addr add 10.88.0.3/24 dev other");
            assert_eq!(soon(&mut changes).await, Some(NetworkChange::Moved));
            for attempt in 1.. {
                network.refresh().await.expect("it works");
                // Our own route is no change, but its loss is one: it has to be seen first, for which a busy machine may
                // need longer than a moment.
                let noticed = timeout(A_MOMENT * attempt, changes.next()).await;
                assert!(noticed.is_err(), "{noticed:?}");
                world.client.ip(&format!("route del {FAR_V4}/32"));
                let Ok(noticed) = timeout(A_MOMENT * 3, changes.next()).await else {
                    assert!(attempt < 6, "the loss of our route goes unnoticed");
                    continue;
                };
                assert_eq!(noticed, Some(NetworkChange::Moved));
                break;
            }
            network.refresh().await.expect("it works");
            assert!(
                world
                    .client
                    .ip(&format!("route get {FAR_V4}"))
                    .contains("via 10.88.0.1")
            );
            network.revert().await.expect("it works");
        });
    });
}

async fn soon(changes: &mut NetworkMonitor) -> Option<NetworkChange> {
    let limit = Duration::from_secs(20);
    timeout(limit, changes.next()).await.expect("a report")
}

/// Longer than the kernel has to be quiet before it is looked what has changed.
const A_MOMENT: Duration = Duration::from_secs(1);
