//! The peer id of a data packet says nothing to a client.

use super::*;

#[test]
fn a_packet_opens_whatever_peer_id_it_bears() {
    for (cipher, format) in kinds() {
        let ours = key(0, cipher, format);
        for peer_id in [Some(0xff_ffff), Some(1), None] {
            if peer_id.is_none() && format == Format::Epoch {
                continue;
            }
            let mut server = plane(&DataKey {
                peer_id,
                ..mirrored(&ours)
            });
            let packet = sealed(&mut server, b"E: any id").unwrap();
            assert_eq!(
                opened(&mut plane(&ours), &packet).as_deref(),
                Some(&b"E: any id"[..])
            );
        }
    }
}
