//! Proxies that refuse: the next remote is asked, and nothing ends by it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use super::namespace::SERVER_V4;
use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::skipped_connecting;

/// What a proxy speaks.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Http,
    Socks,
}

/// A proxy of the usual rule: connections to port 443 only. To others it gives `refusal`.
fn serve_proxy(scene: &Scene, kind: Kind, refusal: &'static [u8]) {
    let listener = scene
        .world
        .server
        .inside(|| TcpListener::bind((SERVER_V4, 3128)).expect("the port is free"));
    let name = scene.world.server.name().to_owned();
    drop(std::thread::spawn(move || {
        // Threads that begin here stay in the namespace of the server.
        let namespace = std::fs::File::open(format!("/run/netns/{name}")).expect("it exists");
        rustix::thread::move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&namespace),
            Some(rustix::thread::LinkNameSpaceType::Network),
        )
        .expect("root may enter a namespace");
        drop(namespace);
        for stream in listener.incoming().flatten() {
            drop(std::thread::spawn(move || handle(stream, kind, refusal)));
        }
    }));
}

fn handle(mut client: TcpStream, kind: Kind, refusal: &[u8]) {
    let asked = match kind {
        Kind::Http => {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                if client.read_exact(&mut byte).is_err() {
                    return;
                }
                head.push(byte[0]);
            }
            String::from_utf8_lossy(&head).contains(":443 ")
        }
        Kind::Socks => {
            let mut greeting = [0; 2];
            client.read_exact(&mut greeting).expect("it greets");
            let mut methods = vec![0; usize::from(greeting[1])];
            client.read_exact(&mut methods).expect("it names methods");
            client.write_all(&[5, 0]).expect("it listens");
            let mut request = [0; 10];
            client.read_exact(&mut request).expect("it asks for IPv4");
            request[8..] == 443_u16.to_be_bytes()
        }
    };
    if !asked {
        let _refused = client.write_all(refusal);
        let _over = client.shutdown(Shutdown::Both);
        return;
    }
    let mut server = TcpStream::connect((SERVER_V4, 443)).expect("the server listens");
    let granted: &[u8] = match kind {
        Kind::Http => b"HTTP/1.1 200 Connection established\r\n\r\n",
        Kind::Socks => &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    };
    client.write_all(granted).expect("it listens");
    let (mut from, mut to) = (
        client.try_clone().expect("a copy"),
        server.try_clone().expect("a copy"),
    );
    let back = std::thread::spawn(move || {
        let _ended = std::io::copy(&mut server, &mut client);
        let _over = client.shutdown(Shutdown::Both);
    });
    let _ended = std::io::copy(&mut from, &mut to);
    let _over = to.shutdown(Shutdown::Both);
    let _joined = back.join();
}

/// The remote at 1194 is refused by the proxy; the one at 443 is let through.
fn finds_443(kind: Kind, refusal: &'static [u8]) {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let lines = scene::server(Transport::Tcp, Wrapping::TlsCrypt, Login::Certificate);
    let _server = scene.serve(&lines.replace("port 1194", "port 443"));
    serve_proxy(&scene, kind, refusal);
    let remotes = format!("remote {SERVER_V4} 1194\nremote {SERVER_V4} 443");
    let option = match kind {
        Kind::Http => "http-proxy",
        Kind::Socks => "socks-proxy",
    };
    let lines = scene::profile(
        Transport::Tcp,
        Wrapping::TlsCrypt,
        Login::Certificate,
        SERVER_V4,
    )
    .replace(&format!("remote {SERVER_V4} 1194"), &remotes);
    let client = scene.connect(&format!(
        "{lines}{option} {SERVER_V4} 3128\nconnect-retry 1 1\n"
    ));
    client.wait_connected();
    scene.assert_passes(&client);
    client.leave();
    scene.assert_as_before();
}

#[test]
fn a_proxy_that_forbids_one_port_is_asked_for_the_other() {
    finds_443(
        Kind::Http,
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn a_proxy_that_redirects_is_asked_for_the_other_remote() {
    finds_443(
        Kind::Http,
        b"HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn a_proxy_that_has_too_much_to_do_is_asked_for_the_other_remote() {
    finds_443(
        Kind::Http,
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn a_proxy_that_fails_is_asked_for_the_other_remote() {
    finds_443(
        Kind::Http,
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn a_proxy_that_wants_a_login_of_no_kind_is_asked_for_the_other_remote() {
    finds_443(
        Kind::Http,
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn a_socks_proxy_whose_rules_forbid_one_port_is_asked_for_the_other() {
    finds_443(Kind::Socks, &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
}
