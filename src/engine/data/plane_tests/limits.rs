//! A limit that a key reaches before it sends counts once it does.

use super::*;

#[test]
fn a_limit_that_is_reached_before_a_key_sends_is_said_once_it_does() {
    let newer = key(1, Cipher::Aes256Gcm, Format::Classic);
    let limited = DataSetup {
        reneg_packets: Some(3),
        ..setup()
    };
    let mut client = DataPlane::new(limited, start());
    client
        .install(&key(0, Cipher::Aes256Gcm, Format::Classic))
        .unwrap();
    client.switch_to(0);
    client.install(&newer).unwrap();
    let mut server = plane(&mirrored(&newer));
    let packet = Model::udp(b"early").build();
    for _ in 0..4 {
        let sent = sealed(&mut server, &packet).unwrap();
        assert!(opened(&mut client, &sent).is_some());
    }
    assert_eq!(
        client.poll(start()),
        Some(Notice::NewerKeyHeard { key_id: 1 })
    );
    assert_eq!(client.poll(start()), None);
    client.switch_to(1);
    sealed(&mut client, &packet).unwrap();
    assert_eq!(
        client.poll(start()),
        Some(Notice::KeyNearlyUsedUp { key_id: 1 })
    );
}
