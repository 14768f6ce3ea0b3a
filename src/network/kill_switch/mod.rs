//! The kill switch: while it is up, only the tunnel and the VPN server are reached.
//!
//! It is an `nf_tables` table of our own, so that nobody else's rules are touched. What each session needs is kept as
//! a record in a folder; every change makes the table anew from all records, in one step that leaves no gap. Neither
//! a crash nor a restart of a session takes it down: only [`KillSwitch::down`] does.

pub mod nftables;
pub mod opening;

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::network::kill_switch::nftables::{Batch, Hook, IPV4, IPV6, Key, Test};
use openvpn_engine::config::Transport;
use rustix::fs::{FlockOperation, flock};

/// Where the records are: the sessions' account owns it, so that they can change what they need, and it goes when the
/// machine is switched off, as the table does.
pub const FOLDER: &str = "/run/openvpn3-backend/kill-switch";
/// The table's name, as `nft list ruleset` shows it.
pub const TABLE: &str = "openvpn3-backend";
const CHAINS: [(&str, Hook); 2] = [("output", Hook::Output), ("forward", Hook::Forward)];
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// `NF_CT_STATE_BIT(IP_CT_ESTABLISHED)` and `NF_CT_STATE_BIT(IP_CT_RELATED)`.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
/// Networks that never leave the site: RFC 1918, RFC 3927, RFC 4193, RFC 4291, multicast.
const LAN: [(&[u8], &[u8]); 5] = [
    (&[10], &[0xff]),
    (&[172, 16], &[0xff, 0xf0]),
    (&[192, 168], &[0xff, 0xff]),
    (&[169, 254], &[0xff, 0xff]),
    (&[224], &[0xf0]),
];
const LAN6: [(&[u8], &[u8]); 3] = [
    (&[0xfe, 0x80], &[0xff, 0xc0]),
    (&[0xfc], &[0xfe]),
    (&[0xff, 0x02], &[0xff, 0x0f]),
];

/// The kill switch of this machine.
#[derive(Debug)]
pub struct KillSwitch {
    folder: PathBuf,
}

/// What one session may reach beside its tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The servers.
    pub servers: Vec<(SocketAddr, Transport)>,
    /// The session's TUN device.
    pub device: Option<String>,
    /// Accounts whose DNS queries pass: only while a server's name is looked up.
    pub resolver_uids: Vec<u32>,
    /// The local network stays within reach.
    pub allow_lan: bool,
}

impl KillSwitch {
    /// The kill switch whose records are in `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Puts it up for the session `name`, or changes how it is up. What the session has open stays so.
    ///
    /// # Errors
    ///
    /// When the record can't be written, or the kernel refuses the table; then nothing has changed.
    pub fn up(&self, name: &str, allow_lan: bool) -> io::Result<()> {
        let _lock = self.lock()?;
        let path = self.path(name).ok_or_else(bad_name)?;
        let known = match fs::read_to_string(&path) {
            Ok(text) => text,
            // It may be connected already.
            Err(_) => fs::read_to_string(self.open_path(name)?).unwrap_or_default(),
        };
        let mut record = Record::from_text(&known);
        record.allow_lan = allow_lan;
        self.set(&path, &record)
    }

    /// Changes what the session `name` may reach, at once where its kill switch is up, else for when it is put up.
    ///
    /// # Errors
    ///
    /// When the record can't be written, or the kernel refuses the table; then nothing has changed.
    pub fn open(&self, name: &str, change: impl Fn(&mut Record)) -> io::Result<()> {
        let _lock = self.lock()?;
        let open = self.open_path(name)?;
        let mut record = Record::from_text(&fs::read_to_string(&open).unwrap_or_default());
        change(&mut record);
        if record == Record::default() {
            remove(&open)?;
        } else {
            write(&open, record.to_text().as_bytes())?;
        }
        let path = self.path(name).ok_or_else(bad_name)?;
        let before = match fs::read_to_string(&path) {
            Ok(text) => Record::from_text(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut record = before.clone();
        change(&mut record);
        if record == before {
            return Ok(());
        }
        self.set(&path, &record)
    }

    /// Forgets what the session `name` has open: it is over. Its kill switch stays as it is.
    ///
    /// # Errors
    ///
    /// When that cannot be removed.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        let _lock = self.lock()?;
        remove(&self.open_path(name)?)
    }

    fn set(&self, path: &Path, record: &Record) -> io::Result<()> {
        let previous = fs::read(path).ok();
        write(path, record.to_text().as_bytes())?;
        self.enforce().inspect_err(|_| {
            // The record must not promise what is not in force.
            let _ = previous.map_or_else(|| fs::remove_file(path), |text| write(path, &text));
        })
    }

    /// Takes it down for the session `name`; where it was not up, nothing happens.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the change.
    pub fn down(&self, name: &str) -> io::Result<()> {
        let _lock = self.lock()?;
        match fs::remove_file(self.path(name).ok_or_else(bad_name)?) {
            Ok(()) => self.enforce(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Keeps everybody else from changing records and table, until it is dropped.
    fn lock(&self) -> io::Result<fs::File> {
        fs::create_dir_all(&self.folder)?;
        let folder = fs::File::open(&self.folder)?;
        flock(&folder, FlockOperation::LockExclusive)?;
        Ok(folder)
    }

    /// Where is kept what a session has open, also while its kill switch is down.
    fn open_path(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name).ok_or_else(bad_name)?;
        let mut hidden = std::ffi::OsString::from(".open-");
        hidden.push(path.file_name().unwrap_or_default());
        Ok(path.with_file_name(hidden))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        plain.then(|| self.folder.join(name))
    }

    /// Makes the table anew from all records; without a record there is no table.
    fn enforce(&self) -> io::Result<()> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                records.push(Record::from_text(&fs::read_to_string(entry.path())?));
            }
        }
        let mut batch = Batch::new();
        batch.add_table(TABLE);
        batch.delete_table(TABLE);
        if !records.is_empty() {
            batch.add_table(TABLE);
            for (chain, hook) in CHAINS {
                batch.add_chain(TABLE, chain, hook);
                for tests in records.iter().flat_map(|record| record.rules(hook)) {
                    batch.accept(TABLE, chain, &tests);
                }
            }
        }
        batch.commit()
    }
}

impl Record {
    /// The packets that pass, as lists of tests.
    fn rules(&self, hook: Hook) -> Vec<Vec<Test>> {
        let leaves_by = |name: &str| vec![interface(Key::OutputInterface, name)];
        let mut rules: Vec<_> = self.device.iter().map(|device| leaves_by(device)).collect();
        if matches!(hook, Hook::Forward) {
            let answers = |device: &String| {
                vec![
                    interface(Key::InputInterface, device),
                    one_of(Key::ConnectionState, ESTABLISHED_OR_RELATED),
                ]
            };
            rules.extend(self.device.iter().map(answers));
            return rules;
        }
        rules.push(leaves_by("lo"));
        rules.extend(
            self.servers
                .iter()
                .map(|(address, transport)| server(*address, *transport)),
        );
        rules.extend(address_configuration());
        for uid in &self.resolver_uids {
            for (protocol, port) in [(UDP, 53_u16), (TCP, 53), (TCP, 853)] {
                let owner = equal(Key::SocketOwner, &uid.to_ne_bytes());
                rules.push(vec![
                    owner,
                    transport_is(protocol),
                    equal(Key::TransportHeader(2, 2), &port.to_be_bytes()),
                ]);
            }
        }
        if self.allow_lan {
            rules.extend(
                LAN.iter()
                    .map(|(network, mask)| vec![family(IPV4), masked(16, network, mask)]),
            );
            rules.extend(
                LAN6.iter()
                    .map(|(network, mask)| vec![family(IPV6), masked(24, network, mask)]),
            );
        }
        rules
    }

    /// One fact a line.
    fn to_text(&self) -> String {
        let mut text = String::from("openvpn3-backend kill switch 1\n");
        for (address, transport) in &self.servers {
            let protocol = match transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            text += &format!("server {protocol} {address}\n");
        }
        if let Some(device) = &self.device {
            text += &format!("device {device}\n");
        }
        for uid in &self.resolver_uids {
            text += &format!("resolver {uid}\n");
        }
        if self.allow_lan {
            text += "allow-lan\n";
        }
        text
    }

    /// What can't be read opens nothing.
    fn from_text(text: &str) -> Self {
        let mut record = Self::default();
        for line in text.lines().skip(1) {
            let words: Vec<_> = line.split(' ').collect();
            match *words.as_slice() {
                ["server", protocol, address] => {
                    let transport = if protocol == "tcp" {
                        Transport::Tcp
                    } else {
                        Transport::Udp
                    };
                    record
                        .servers
                        .extend(address.parse().ok().map(|address| (address, transport)));
                }
                ["device", name] => record.device = Some(name.to_owned()),
                ["resolver", uid] => record.resolver_uids.extend(uid.parse::<u32>().ok()),
                ["allow-lan"] => record.allow_lan = true,
                _ => {}
            }
        }
        record
    }
}

/// Any of these bits is set, in the machine's order.
fn one_of(key: Key, bits: u32) -> Test {
    Test {
        key,
        mask: Some(bits.to_ne_bytes().to_vec()),
        is: false,
        value: vec![0; 4],
    }
}

fn equal(key: Key, value: &[u8]) -> Test {
    Test {
        key,
        mask: None,
        is: true,
        value: value.to_vec(),
    }
}

fn masked(offset: u32, network: &[u8], mask: &[u8]) -> Test {
    let length = u32::try_from(network.len()).unwrap_or(u32::MAX);
    Test {
        key: Key::NetworkHeader(offset, length),
        mask: Some(mask.to_vec()),
        is: true,
        value: network.to_vec(),
    }
}

fn family(protocol: u8) -> Test {
    equal(Key::NetworkProtocol, &[protocol])
}

fn transport_is(protocol: u8) -> Test {
    equal(Key::TransportProtocol, &[protocol])
}

fn interface(key: Key, name: &str) -> Test {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    equal(key, &padded)
}

fn server(address: SocketAddr, transport: Transport) -> Vec<Test> {
    let protocol = match transport {
        Transport::Tcp => TCP,
        Transport::Udp => UDP,
    };
    let mut tests = match address.ip() {
        IpAddr::V4(ip) => vec![family(IPV4), equal(Key::NetworkHeader(16, 4), &ip.octets())],
        IpAddr::V6(ip) => vec![
            family(IPV6),
            equal(Key::NetworkHeader(24, 16), &ip.octets()),
        ],
    };
    tests.push(transport_is(protocol));
    tests.push(equal(
        Key::TransportHeader(2, 2),
        &address.port().to_be_bytes(),
    ));
    tests
}

/// What a machine needs to have an address at all: DHCP for both families, neighbour and router discovery.
fn address_configuration() -> Vec<Vec<Test>> {
    let ports = |from: u16, to: u16| [from.to_be_bytes(), to.to_be_bytes()].concat();
    let dhcp4 = || {
        vec![
            family(IPV4),
            transport_is(UDP),
            equal(Key::TransportHeader(0, 4), &ports(68, 67)),
        ]
    };
    let dhcp6 = || {
        vec![
            family(IPV6),
            transport_is(UDP),
            equal(Key::TransportHeader(0, 4), &ports(546, 547)),
        ]
    };
    let mut rules = Vec::new();
    // To the link alone: by broadcast, or to a server that has an address of a site.
    for (network, mask) in LAN.iter().chain([&(&[0xff_u8; 4][..], &[0xff_u8; 4][..])]) {
        let mut rule = dhcp4();
        rule.push(masked(16, network, mask));
        rules.push(rule);
    }
    for (network, mask) in LAN6 {
        let mut rule = dhcp6();
        rule.push(masked(24, network, mask));
        rules.push(rule);
    }
    for kind in [133_u8, 135, 136] {
        rules.push(vec![
            family(IPV6),
            transport_is(ICMPV6),
            equal(Key::TransportHeader(0, 1), &[kind]),
        ]);
    }
    rules
}

/// Replaces a file as a whole; the half-written one is hidden.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let new = path.with_file_name(name);
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text))
        .and_then(|()| fs::rename(&new, path));
    written.inspect_err(|_| {
        // Where there is no room, nothing half-written stays.
        let _ = fs::remove_file(&new);
    })
}

fn bad_name() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a session's name is neither empty nor hidden, and holds no slash",
    )
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            servers: vec![
                (
                    "192.0.2.1:1194".parse().expect("an address"),
                    Transport::Udp,
                ),
                (
                    "[2001:db8::1]:443".parse().expect("an address"),
                    Transport::Tcp,
                ),
            ],
            device: Some("tun0".to_owned()),
            resolver_uids: vec![101],
            allow_lan: true,
        }
    }

    #[test]
    fn a_record_survives_its_text() {
        assert_eq!(Record::from_text(&record().to_text()), record());
        assert_eq!(Record::from_text(""), Record::default());
    }

    #[test]
    fn a_record_that_cannot_be_read_opens_nothing() {
        let record = Record::from_text(
            "header\nserver udp nonsense\ndevice\nresolver x\nallow-everything\n",
        );
        assert_eq!(record, Record::default());
    }

    #[test]
    fn forwarded_packets_leave_by_the_tunnel_only() {
        assert_eq!(
            record().rules(Hook::Forward).len(),
            2,
            "out of it, and into it"
        );
        assert!(Record::default().rules(Hook::Forward).is_empty());
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        let switch = KillSwitch::new(Path::new("/nonexistent"));
        for name in ["", "..", "../x", "a/b", ".hidden"] {
            assert!(switch.path(name).is_none(), "{name}");
        }
    }
}
