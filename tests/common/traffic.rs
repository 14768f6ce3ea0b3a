//! A stream of bytes through the tunnel, whose digest must be the same at both ends.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use sha2::{Digest, Sha256};

use super::namespace::{INSIDE_V4, INSIDE_V6, World};

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Down,
    Up,
}

/// Sends blocks as long as `more` says so after each, with the number of bytes sent; gives how many bytes went through.
/// Panics if the stream breaks or anything is changed on the way.
pub(crate) fn stream(
    world: &World,
    direction: Direction,
    more: impl Fn(u64) -> bool + Send + Sync,
) -> u64 {
    stream_to(world, INSIDE_V4, direction, more)
}

/// The same between the client's host and this address of the server's.
pub(crate) fn stream_to(
    world: &World,
    inside: &str,
    direction: Direction,
    more: impl Fn(u64) -> bool + Send + Sync,
) -> u64 {
    let address = SocketAddr::new(inside.parse::<IpAddr>().expect("an address"), 0);
    let listener = world
        .server
        .inside(|| TcpListener::bind(address).expect("the server's end of the tunnel is up"));
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    let client = world.client.inside(|| {
        TcpStream::connect_timeout(&address, PATIENCE)
            .expect("the server's end of the tunnel can be reached")
    });
    set_socket_timeout(&listener, Timeout::Recv, Some(PATIENCE)).expect("a time-out can be set");
    let (server, _) = listener.accept().expect("the connection is there");
    let (sender, receiver) = match direction {
        Direction::Down => (server, client),
        Direction::Up => (client, server),
    };
    let (sent, got) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(sender, &more));
        let receiving = scope.spawn(|| receive(receiver));
        (
            sending.join().expect("sending works"),
            receiving.join().expect("receiving works"),
        )
    });
    assert_eq!(sent, got, "the stream was changed on its way");
    sent.0
}

/// Sends so many bytes.
pub(crate) fn transfer(world: &World, direction: Direction, bytes: u64) {
    stream(world, direction, |sent| sent < bytes);
}

/// Sends so many bytes in each of eight streams at once, half of them in each direction and half over each family.
pub(crate) fn eight_transfers(world: &World, bytes: u64) {
    std::thread::scope(|scope| {
        for number in 0..8 {
            let inside = if number % 2 == 0 {
                INSIDE_V4
            } else {
                INSIDE_V6
            };
            let direction = if number < 4 {
                Direction::Up
            } else {
                Direction::Down
            };
            scope.spawn(move || stream_to(world, inside, direction, |sent| sent < bytes));
        }
    });
}

type Sum = (u64, [u8; 32]);

fn send(mut stream: TcpStream, more: impl Fn(u64) -> bool) -> Sum {
    stream
        .set_write_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
        .expect("a time-out can be set");
    let mut block = vec![0_u8; BLOCK];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for chunk in block.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_ne_bytes());
    }
    let mut digest = Sha256::new();
    let mut sent = 0_u64;
    loop {
        // Each block is another one.
        block[..8].copy_from_slice(&sent.to_ne_bytes());
        digest.update(&block);
        stream.write_all(&block).expect("the stream holds");
        sent += u64::try_from(BLOCK).expect("a block is small");
        if !more(sent) {
            break;
        }
    }
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("the stream can be ended");
    // The receiver has all of it once it ends its side.
    let _other_side_ended = stream.read(&mut [0]);
    (sent, digest.finalize().into())
}

fn receive(mut stream: TcpStream) -> Sum {
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time-out can be set");
    let mut digest = Sha256::new();
    let mut got = 0_u64;
    let mut buffer = vec![0_u8; BLOCK];
    loop {
        let length = stream.read(&mut buffer).expect("the stream holds");
        if length == 0 {
            return (got, digest.finalize().into());
        }
        digest.update(&buffer[..length]);
        got += u64::try_from(length).expect("a read is small");
    }
}

const BLOCK: usize = 1 << 17;
/// How long the stream may stand still.
const PATIENCE: Duration = Duration::from_secs(30);
