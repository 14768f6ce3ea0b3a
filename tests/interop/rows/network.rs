//! Addresses, routes, MTU and DNS.

use super::super::cell::{Cell, INCOMPATIBLE};
use super::super::namespace::{FAR_V4, FAR_V6, INSIDE_V4, INSIDE_V6, SERVER_V4, SERVER_V6};
use super::super::row::Row;
use super::super::setup::Setup;
use super::super::traffic::{Direction, transfer};
use super::wrapping::since_2_7;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = addresses();
    rows.extend(routes());
    rows.extend(sizes());
    rows.extend(the_rest());
    rows
}

fn addresses() -> Vec<Row> {
    let v4 = "server 10.9.0.0 255.255.255.0";
    vec![
        shows(
            "`topology subnet`",
            Setup::new(),
            "addr show dev tun0",
            &["10.9.0.2/24", "fd09::1000/64"],
        ),
        shows(
            "`topology net30`",
            Setup::new().network(&format!("{v4}\ntopology net30")),
            "addr show dev tun0",
            &["10.9.0.6 peer 10.9.0.5"],
        )
        .quirks(&[26]),
        shows(
            "`topology p2p`",
            Setup::new().network(&format!("{v4}\ntopology p2p")),
            "addr show dev tun0",
            &[" peer 10.9.0.1/32"],
        ),
        Row::works("subnet of two addresses, /31", |cell| {
            cell.file("ccd/DEFAULT", "ifconfig-push 10.9.0.3 255.255.255.254\n");
            let setup = Setup::new()
                .server("client-config-dir /mnt/ccd\npush \"route 10.9.0.0 255.255.255.0\"");
            let _server = cell.serve(&setup);
            let client = cell.connect(&setup);
            client.wait_connected();
            let shown = cell.world.client.ip("addr show dev tun0");
            assert!(shown.contains("10.9.0.3/31"), "{shown}");
            cell.ping(&client, INSIDE_V4);
            cell.leave(client);
        })
        .quirks(&[37]),
        Row::works("IPv6 only inside", |cell| {
            let setup = Setup::new().network("server-ipv6 fd09::/64");
            let _server = cell.serve(&setup);
            let client = cell.connect(&setup);
            client.wait_connected();
            cell.ping(&client, INSIDE_V6);
            cell.leave(client);
        })
        .quirks(&[48]),
        Row::works("no address pushed: `ifconfig` of the profile", |cell| {
            cell.file("ccd/DEFAULT", "iroute 10.9.0.5 255.255.255.255\n");
            let setup = Setup::new()
                .network(
                    "mode server\ntls-server\ntopology subnet\nifconfig 10.9.0.1 255.255.255.0",
                )
                .server("client-config-dir /mnt/ccd")
                .client("topology subnet\nifconfig 10.9.0.5 255.255.255.0");
            let _server = cell.serve(&setup);
            let client = cell.connect(&setup);
            client.wait_connected();
            cell.ping(&client, INSIDE_V4);
            cell.leave(client);
        }),
    ]
}

/// A server that pushes these options.
fn push(options: &[&str]) -> Setup {
    let lines: Vec<String> = options.iter().map(|o| format!("push \"{o}\"")).collect();
    Setup::new().server(&lines.join("\n"))
}

fn routes() -> Vec<Row> {
    let mut rows = vec![
        Row::works("`route` to hosts by name", |cell| {
            cell.file(
                "client/etc/hosts",
                "198.51.100.1 far.example\n203.0.113.7 outside.example\n",
            );
            let setup = Setup::new()
                .server("push \"redirect-gateway def1\"")
                .client("route outside.example 255.255.255.255 net_gateway")
                .client("route far.example");
            lead_there(cell, &setup, &[(FAR_V4, "tun0"), ("203.0.113.7", "cable")]);
        }),
        leads(
            "`route` and `route-ipv6` pushed",
            push(&[
                "route 198.51.100.0 255.255.255.0",
                "route-ipv6 2001:db8:ffff::/48",
            ]),
            &[(FAR_V4, "tun0"), (FAR_V6, "tun0"), ("8.8.8.8", "cable")],
        ),
        shows(
            "`route` with a metric, `route-metric`",
            push(&[
                "route 203.0.113.0 255.255.255.0 vpn_gateway 77",
                "route-metric 55",
                "route 192.0.2.0 255.255.255.0",
            ]),
            "route show",
            &[
                "203.0.113.0/24 via 10.9.0.1 dev tun0 proto 194 metric 77",
                "192.0.2.0/24 via 10.9.0.1 dev tun0 proto 194 metric 55",
            ],
        ),
    ];
    rows.extend(redirections());
    rows.extend(filters());
    rows
}

fn redirections() -> Vec<Row> {
    let all = push(&[
        "redirect-gateway def1 ipv6",
        "route 203.0.113.0 255.255.255.0 net_gateway",
    ]);
    vec![
        leads(
            "`redirect-gateway def1 ipv6`",
            all.clone(),
            &[
                (FAR_V4, "tun0"),
                ("8.8.8.8", "tun0"),
                ("2001:db8:5::1", "tun0"),
                (SERVER_V4, "cable"),
                ("203.0.113.7", "cable"),
            ],
        ),
        leads(
            "`redirect-gateway def1 ipv6`, server over IPv6",
            all.over_v6(),
            &[(FAR_V6, "tun0"), ("8.8.8.8", "tun0"), (SERVER_V6, "cable")],
        ),
        leads(
            "`redirect-gateway def1 ipv6`, TCP",
            push(&["redirect-gateway def1 ipv6"]).tcp(),
            &[(FAR_V4, "tun0"), (FAR_V6, "tun0"), (SERVER_V4, "cable")],
        ),
        leads(
            "`redirect-private`",
            push(&["redirect-private def1", "route 198.51.100.0 255.255.255.0"]),
            &[(FAR_V4, "tun0"), ("8.8.8.8", "cable"), (SERVER_V4, "cable")],
        ),
        leads(
            "`redirect-gateway block-local`",
            push(&["redirect-gateway def1 block-local"]),
            &[("10.77.0.66", "tun0"), (SERVER_V4, "cable")],
        ),
        Row::works("`redirect-gateway bypass-dns`", |cell| {
            cell.file("client/etc/resolv.conf", "nameserver 192.0.2.53\n");
            let setup = Setup::new()
                .server("push \"redirect-gateway def1 bypass-dns\"")
                .server("push \"dhcp-option DNS 10.9.0.1\"");
            lead_there(
                cell,
                &setup,
                &[("192.0.2.53", "cable"), ("192.0.2.54", "tun0")],
            );
        }),
    ]
}

fn filters() -> Vec<Row> {
    let route = || Setup::new().server("push \"route 198.51.100.0 255.255.255.0\"");
    vec![
        leads(
            "`route-nopull`",
            route().client("route-nopull"),
            &[(FAR_V4, "cable")],
        ),
        leads(
            "`pull-filter ignore`",
            route().client("pull-filter ignore \"route 198\""),
            &[(FAR_V4, "cable")],
        ),
        Row::refused("`pull-filter reject`", |cell| {
            let setup = Setup::new().server("push \"route 198.51.100.0 255.255.255.0\"");
            let setup = setup.client("pull-filter reject \"route 198\"");
            cell.assert_refuses(&setup, INCOMPATIBLE, &["rejects"]);
        }),
        Row::works("200 routes in several messages", |cell| {
            let routes: Vec<String> = (0..200)
                .map(|third| format!("push \"route 10.200.{third}.0 255.255.255.0\""))
                .collect();
            let setup = Setup::new().server(&routes.join("\n"));
            let _server = cell.serve(&setup);
            let client = cell.connect(&setup);
            client.wait_connected();
            let shown = cell.world.client.ip("route show dev tun0");
            assert_eq!(shown.matches("10.200.").count(), 200, "{shown}");
            cell.leave(client);
        })
        .quirks(&[29]),
    ]
}

fn sizes() -> Vec<Row> {
    let mtu =
        |pushed: &str| Setup::new().server(&format!("tun-mtu {pushed}\npush \"tun-mtu {pushed}\""));
    vec![
        shows(
            "`tun-mtu 1400` pushed",
            mtu("1400"),
            "link show dev tun0",
            &["mtu 1400"],
        ),
        shows(
            "`tun-mtu 9000` pushed: `tun-mtu-max` holds",
            mtu("9000"),
            "link show dev tun0",
            &["mtu 1600"],
        )
        .quirks(&[27]),
        shows(
            "`tun-mtu-max 9000` in the profile",
            mtu("9000").client("tun-mtu-max 9000"),
            "link show dev tun0",
            &["mtu 9000"],
        ),
        clamps("`mssfix 1200 fixed`", "mssfix 1200 fixed", |_| 1160),
        clamps("`mssfix 1300 mtu`", "mssfix 1300 mtu", |epoch| {
            1300 - 28 - 24 - epoch - 40
        }),
        clamps("`mssfix 1300`", "mssfix 1300", |epoch| {
            1300 - 24 - epoch - 40
        }),
        clamps("`mssfix` by default", "", |epoch| {
            1492 - 28 - 24 - epoch - 40
        }),
        clamps("`mssfix 0`", "mssfix 0", |_| 1460),
        clamps_with(
            "`mssfix 1300 mtu` over TCP",
            Setup::new().tcp().client("mssfix 1300 mtu"),
            |epoch| 1300 - 40 - 2 - 24 - epoch - 40,
        ),
        clamps_with(
            "`mssfix 1300 mtu` with `AES-256-CBC`",
            Setup::new()
                .both("data-ciphers AES-256-CBC\ncipher AES-256-CBC")
                .client("mssfix 1300 mtu"),
            // Whole blocks of 16 bytes behind head, HMAC and IV; one byte of padding, 4 of packet id.
            |_| (1300 - 28 - 4 - 20 - 16) / 16 * 16 - 1 - 4 - 40,
        ),
        Row::works("a path that loses packets above 1400 bytes", narrow_path),
        Row::works("`fragment 1200`", |cell| {
            let epoch = if since_2_7(cell.release) { 4 } else { 0 };
            fragments(cell, "fragment 1200", 1172 - epoch);
        }),
        Row::works(
            "`fragment 1300` with `comp-lzo no` and `AES-256-CBC`",
            |cell| {
                let lines =
                    "fragment 1300\ncomp-lzo no\ndata-ciphers AES-256-CBC\ncipher AES-256-CBC";
                fragments(cell, lines, 1238);
            },
        ),
    ]
}

fn the_rest() -> Vec<Row> {
    vec![
        resolves(
            "`dhcp-option DNS`, `DOMAIN`",
            &[
                "dhcp-option DNS 10.9.0.1",
                "dhcp-option DOMAIN corp.example",
            ],
        ),
        resolves(
            "`dns server`, `dns search-domains`",
            &[
                "dns server 1 address 10.9.0.1",
                "dns search-domains corp.example",
            ],
        ),
        shows(
            "unknown options pushed",
            Setup::new().server("push \"no-such-option 1\""),
            "addr show dev tun0",
            &["10.9.0.2"],
        ),
        Row::works(
            "`PUSH_UPDATE` of routes, DNS, an address and the MTU under traffic",
            updates,
        )
        .only(since_2_7),
    ]
}

/// `ip` says all of these words while it is connected.
fn shows(feature: &'static str, setup: Setup, asked: &'static str, words: &'static [&str]) -> Row {
    Row::works(feature, move |cell| {
        let _server = cell.serve(&setup);
        let client = cell.connect(&setup);
        client.wait_connected();
        let shown = cell.world.client.ip(asked);
        for word in words {
            assert!(
                shown.contains(word),
                "{word} is not in:\n{shown}\n{}",
                client.process.text()
            );
        }
        cell.leave(client);
    })
}

/// Ways to addresses lead through the interfaces; what is far is reached through the tunnel.
fn leads(feature: &'static str, setup: Setup, ways: &'static [(&str, &str)]) -> Row {
    Row::works(feature, move |cell| lead_there(cell, &setup, ways))
}

fn lead_there(cell: &Cell<'_>, setup: &Setup, ways: &[(&str, &str)]) {
    let _server = cell.serve(setup);
    let client = cell.connect(setup);
    client.wait_connected();
    for (to, by) in ways {
        let way = cell.world.client.ip(&format!("route get {to}"));
        assert!(
            way.contains(&format!("dev {by}")),
            "to {to}: {way}\n{}",
            client.process.text()
        );
        if *by == "tun0" && [FAR_V4, FAR_V6].contains(to) {
            cell.ping(&client, to);
        }
    }
    cell.leave(client);
}

/// Both sides send no packets above the limit: we none that must be cut, the server cuts.
fn fragments(cell: &Cell<'_>, lines: &str, mtu: u16) {
    // The device of a tunnel with IPv6 has 1280 at least.
    let setup = Setup::new()
        .network("server 10.9.0.0 255.255.255.0\ntopology subnet")
        .both(lines)
        .server("mssfix 0");
    let _server = cell.serve(&setup);
    let client = cell.connect(&setup);
    client.wait_connected();
    let shown = cell.world.client.ip("link show dev tun0");
    assert!(shown.contains(&format!("mtu {mtu} ")), "{shown}");
    let echo = cell.on_client("ping", "-n -q -c 3 -i 0.05 -W 5 -s 1450 -M dont 10.9.0.1");
    assert!(echo.contains(" 0% packet loss"), "{echo}");
    for direction in [Direction::Up, Direction::Down] {
        transfer(cell.world, direction, 1 << 20);
    }
    cell.leave(client);
}

/// It is noticed, and streams are fitted into what passes.
fn narrow_path(cell: &Cell<'_>) {
    let host = &cell.world.server;
    let nft = |rules: &str| {
        let output = host.command("nft").arg(rules).output();
        let output = output.expect("nft is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    };
    // Where packets leave, the header of the cable counts too.
    nft("table netdev narrow { \
         chain in { type filter hook ingress device cable priority 0; meta length > 1400 drop; }; \
         chain out { type filter hook egress device cable priority 0; meta length > 1414 drop; }; }");
    for end in [host, &cell.world.client] {
        end.ip("link set cable gso_max_segs 1");
    }
    let setup = Setup::new();
    let _server = cell.serve(&setup);
    let client = cell.connect(&setup);
    client.wait_connected();
    let said = client.process.wait_for("that packets get lost", |line| {
        line.contains("large packets get lost")
    });
    assert!(said.contains("\"mssfix 1400 mtu\""), "{said}");
    for direction in [Direction::Up, Direction::Down] {
        transfer(cell.world, direction, 1 << 20);
    }
    cell.leave(client);
    nft("delete table netdev narrow");
    for end in [host, &cell.world.client] {
        end.ip("link set cable gso_max_segs 65535");
    }
}

/// The segments of a stream through the tunnel have this size; epoch keys take 4 bytes more.
fn clamps(feature: &'static str, line: &'static str, size: fn(u32) -> u32) -> Row {
    clamps_with(feature, Setup::new().client(line), size)
}

fn clamps_with(feature: &'static str, setup: Setup, size: fn(u32) -> u32) -> Row {
    Row::works(feature, move |cell| {
        let setup = setup.clone().server("mssfix 0");
        let _server = cell.serve(&setup);
        let client = cell.connect(&setup);
        client.wait_connected();
        let listener = cell
            .world
            .server
            .inside(|| std::net::TcpListener::bind((INSIDE_V4, 0)).expect("the tunnel is up"));
        let address = listener.local_addr().expect("it is bound");
        let _stream = cell
            .world
            .client
            .inside(|| std::net::TcpStream::connect(address).expect("the tunnel carries streams"));
        let shown = cell.on_client("ss", "-Htin dst 10.9.0.1");
        let epoch = if since_2_7(cell.release) { 4 } else { 0 };
        // Each segment has 12 bytes of time stamps.
        let wanted = format!(" mss:{} ", size(epoch) - 12);
        assert!(shown.contains(&wanted), "{wanted} is not in: {shown}");
        cell.leave(client);
    })
}

/// The resolver's file names the server and the domain as long as it is connected.
fn resolves(feature: &'static str, options: &'static [&str]) -> Row {
    Row::works(feature, |cell| {
        let lines: Vec<String> = options.iter().map(|o| format!("push \"{o}\"")).collect();
        let setup = Setup::new().server(&lines.join("\n"));
        let before = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let _server = cell.serve(&setup);
        let client = cell.connect(&setup);
        client.wait_connected();
        let during = cell.read("client/etc/resolv.conf");
        assert!(during.contains("nameserver 10.9.0.1"), "{during}");
        assert!(during.contains("corp.example"), "{during}");
        cell.leave(client);
        assert_eq!(cell.read("client/etc/resolv.conf"), before);
    })
}

/// Not one byte is lost while routes and resolvers change.
fn updates(cell: &Cell<'_>) {
    let setup = Setup::new().server("push \"route 198.51.100.0 255.255.255.0\"");
    let _server = cell.serve(&setup);
    let manager = cell.management();
    let client = cell.connect(&setup);
    client.wait_connected();
    let update = |options: &str| {
        let heard = manager.count_lines();
        manager.order(&format!("push-update-broad \"{options}\""));
        manager.wait_for_from(heard, "SUCCESS:");
    };
    update("route 203.0.113.0 255.255.255.0,dhcp-option DNS 10.9.0.1,-?no-such-option");
    super::renewal::stream_until(cell.world, || {
        let way = cell.world.client.ip("route get 203.0.113.9");
        way.contains("tun0") && cell.read("client/etc/resolv.conf").contains("10.9.0.1")
    });
    // The route that was there before is replaced, as the first of its kind in the message.
    let way = cell.world.client.ip(&format!("route get {FAR_V4}"));
    assert!(way.contains("cable"), "{way}");
    let many: Vec<String> = (0..7)
        .map(|third| format!("route 10.200.{third}.0 255.255.255.0"))
        .collect();
    update(&format!("-dhcp-option,{}", many.join(",")));
    super::renewal::stream_until(cell.world, || {
        cell.world
            .client
            .ip("route show dev tun0")
            .matches("10.200.")
            .count()
            == 7
            && !cell.read("client/etc/resolv.conf").contains("10.9.0.1")
    });
    // The stream runs over IPv4, so that the other family may move.
    update("tun-mtu 1400,ifconfig-ipv6 fd09::2222/64 fd09::1");
    super::renewal::stream_until(cell.world, || {
        let device = cell.world.client.ip("addr show dev tun0");
        device.contains("mtu 1400") && device.contains("fd09::2222/64")
    });
    let device = cell.world.client.ip("addr show dev tun0");
    assert!(!device.contains("fd09::1000/64"), "{device}");
    assert_eq!(
        client.process.count(|line| line.starts_with("connected")),
        1
    );
    cell.ping(&client, INSIDE_V4);
    cell.leave(client);
}
