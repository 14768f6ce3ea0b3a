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
            network.refresh().await.expect("it works");
            while timeout(A_MOMENT * 2, changes.next()).await.is_ok() {}
            // Our own route is no change, but its loss is one.
            for words in [&format!("route del {FAR_V4}/32"), "rule del pref 32000"] {
                network.refresh().await.expect("it works");
                let noticed = timeout(A_MOMENT * 2, changes.next()).await;
                assert!(noticed.is_err(), "{noticed:?}");
                world.client.ip(words);
                let noticed = timeout(A_MOMENT * 20, changes.next()).await;
                assert_eq!(noticed, Ok(Some(NetworkChange::RoutesChanged)), "{words}");
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
    loop {
        let change = timeout(limit, changes.next()).await.expect("a report");
        if change != Some(NetworkChange::RoutesChanged) {
            return change;
        }
    }
}

/// Longer than the kernel has to be quiet before it is looked what has changed.
const A_MOMENT: Duration = Duration::from_secs(1);
