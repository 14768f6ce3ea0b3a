//! The kill switch in the kernel: what it lets through, and that no change is lost.

use std::path::PathBuf;
use std::process::Command;

use crate::network::kill_switch::KillSwitch;
use crate::testing::namespace::{FAR_V4, SERVER_V4, World};
use crate::testing::{Defer, skipped};
use openvpn_engine::config::Transport;

fn folder(world: &World) -> PathBuf {
    std::env::temp_dir().join(format!("kill-switch-{}", world.client.name()))
}

fn reaches(address: &str) -> bool {
    let ping = Command::new("ping")
        .args(["-c", "1", "-W", "0.2", address])
        .output();
    ping.expect("ping runs").status.success()
}

#[test]
fn a_session_that_is_connected_stays_so_when_it_is_put_up() {
    if skipped(&[]) {
        return;
    }
    let world = World::new();
    let folder = folder(&world);
    let _gone = Defer(|| drop(std::fs::remove_dir_all(&folder)));
    let switch = KillSwitch::new(&folder);

    world.client.inside(|| {
        let server = "192.0.2.1:1194".parse().expect("an address");
        let change = |record: &mut crate::network::kill_switch::Record| {
            record.servers = vec![(server, Transport::Udp)];
            record.device = Some("cable".to_owned());
        };
        switch.open("office", change).expect("it is recorded");
        assert!(reaches(SERVER_V4), "nothing is up");

        switch.up("office", false).expect("it can be put up");

        assert!(reaches(SERVER_V4), "by the session's device");
        switch
            .open("office", |record| record.device = None)
            .expect("it can be changed");
        assert!(!reaches(SERVER_V4) && !reaches(FAR_V4));
        switch.down("office").expect("it can be taken down");
        assert!(reaches(SERVER_V4));
    });
}

#[test]
fn no_change_is_lost_where_two_are_made_at_once() {
    if skipped(&[]) {
        return;
    }
    let world = World::new();
    let folder = folder(&world);
    let _gone = Defer(|| drop(std::fs::remove_dir_all(&folder)));
    let switch = KillSwitch::new(&folder);

    world.client.inside(|| {
        for _ in 0..40 {
            switch.up("a", false).expect("a can be put up");
            std::thread::scope(|scope| {
                scope.spawn(|| switch.down("a").expect("a can be taken down"));
                scope.spawn(|| switch.up("b", true).expect("b can be put up"));
            });
            assert!(reaches(SERVER_V4), "b lets the local network through");
            assert!(!reaches(FAR_V4), "b is up");
            switch.down("b").expect("b can be taken down");
            assert!(reaches(FAR_V4), "nothing is up");
        }
    });
}
