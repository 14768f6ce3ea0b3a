//! A data plane with a key that needs no handshake.

use std::time::Instant;

use openvpn_engine::crypto::Cipher;
use openvpn_engine::crypto::{KeyDirection, StaticKey};
use openvpn_engine::data::{DataKey, Format};
use openvpn_engine::data::{DataPlane, DataSetup};
use openvpn_engine::secret::Secret;
use openvpn_engine::settings::{CompressionPolicy, Framing, MssFix, Transport};

/// Either end of a tunnel over UDP, ready to seal and to open.
pub(crate) fn plane(
    cipher: Cipher,
    format: Format,
    framing: Framing,
    direction: KeyDirection,
) -> DataPlane {
    let provider = rustls::crypto::ring::default_provider();
    let setup = DataSetup {
        compression: CompressionPolicy::Asymmetric,
        mssfix: MssFix::Default,
        outer_ipv6: false,
        random: provider.secure_random,
        reneg_bytes: None,
        reneg_packets: None,
        replay_window: 2048,
        socks_header: 0,
        transport: Transport::Udp,
        tun_mtu: 1500,
        tun_mtu_max: 1500,
    };
    let mut plane = DataPlane::new(setup, moment());
    let key = DataKey {
        key_id: 0,
        cipher,
        format,
        block: StaticKey(Secret::new(std::array::from_fn(|at| at.to_le_bytes()[0]))),
        direction,
        peer_id: Some(1),
        framing,
    };
    plane.install(&key).expect("cipher and format fit");
    plane.switch_to(0);
    plane
}

#[expect(clippy::disallowed_methods, reason = "any moment will do")]
pub(crate) fn moment() -> Instant {
    Instant::now()
}
