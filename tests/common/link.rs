//! What makes a cable between two namespaces a bad one.

use std::io::Write;
use std::process::Stdio;

use super::namespace::Namespace;

/// A link does nothing for us from here on: it neither cuts nor joins packets, and computes no checksums.
pub(crate) fn switch_offload_off(host: &Namespace, link: &str) {
    for features in [
        "gso off gro off tso off tx-udp-segmentation off",
        "tx off rx off",
    ] {
        let done = host
            .command("ethtool")
            .args(["-K", link])
            .args(features.split(' '))
            .output()
            .expect("it is installed");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

/// One packet of the cable in a hundred is lost, by chance.
pub(crate) fn lose_one_percent(host: &Namespace) {
    let rules = "table inet bad_cable {\n chain output {\n type filter hook output priority 0; policy accept;\n\
                 oifname \"cable\" numgen random mod 100 < 1 drop\n }\n}\n";
    let mut nft = host
        .command("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it is installed");
    let mut input = nft.stdin.take().expect("it is piped");
    input.write_all(rules.as_bytes()).expect("nft reads");
    drop(input);
    assert!(nft.wait().expect("nft ends").success());
}
