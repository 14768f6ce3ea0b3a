//! Values that a profile sets and several rooms use: no behaviour, no dependency.

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// A stream of length-prefixed packets.
    Tcp,
    /// One packet per datagram.
    Udp,
}

/// A TLS version that rustls has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// How strong certificates must be (`tls-cert-profile`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CertProfile {
    /// Anything that can be verified.
    Insecure,
    /// RSA from 1024 bits, SHA-1 signatures allowed. The default.
    #[default]
    Legacy,
    /// RSA from 2048 bits, SHA-256 and better.
    Preferred,
    /// NSA Suite B: ECDSA with P-256 or P-384.
    SuiteB,
}

/// What the server's leaf certificate must satisfy beside the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerChecks {
    /// `remote-cert-tls`.
    pub cert_type: Option<CertType>,
    /// `remote-cert-ku`: acceptable key-usage bytes; `Some` of an empty list demands the extension only.
    pub key_usage: Option<Vec<u8>>,
    /// `remote-cert-eku`: a name or a dotted OID.
    pub extended_key_usage: Option<String>,
    /// `ns-cert-type`.
    pub netscape_type: Option<CertType>,
    /// `verify-x509-name` (and the old `tls-remote`).
    pub name: Option<NameCheck>,
    /// `verify-hash`: fingerprints of the certificate at a depth of the chain (1: the issuer).
    pub hash: Option<HashCheck>,
    /// `x509-username-field`: where `NameCheck` looks in place of the common name.
    pub username_field: Option<String>,
}

/// `verify-hash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashCheck {
    /// Acceptable fingerprints, SHA-1 (20 bytes) or SHA-256 (32 bytes).
    pub fingerprints: Vec<Vec<u8>>,
    /// Depth in the chain, 0 is the leaf.
    pub depth: usize,
}

/// Which side a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertType {
    /// A TLS client.
    Client,
    /// A TLS server.
    Server,
}

/// `verify-x509-name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameCheck {
    /// The common name equals the text.
    Name(String),
    /// The common name starts with the text.
    NamePrefix(String),
    /// The whole subject, as OpenVPN prints it, equals the text.
    Subject(String),
}

/// How data packets are framed inside of the encryption, for compression's sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// `comp-lzo` and `compress lzo`: one byte in front, 0xFA when not compressed.
    Lzo,
    /// None.
    #[default]
    None,
    /// `compress`, `compress stub`, `compress lz4`: 0xFB in place of the first byte, which moves to the end.
    Swap,
    /// `compress stub-v2`, `compress lz4-v2`: nothing, but for packets that begin with 0x50.
    V2,
}

/// What is let in of compression (`allow-compression`). We never compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompressionPolicy {
    /// Compressed packets from the server are decompressed (`asym`, `yes`).
    Asymmetric,
    /// Framing only; a compressed packet is dropped and counted.
    #[default]
    No,
}

/// How TCP's segment size is clamped (`mssfix`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MssFix {
    /// By the default rule: packets on the wire of at most 1492 bytes when the TUN's MTU is 1500, else `tun_mtu`.
    Default,
    /// `mssfix N fixed`: the tunnelled IP packet is at most N bytes.
    Fixed(u16),
    /// `mssfix N mtu`: the packet on the wire, with IP and UDP headers, is at most N bytes.
    Mtu(u16),
    /// Not at all.
    Off,
    /// `mssfix N`: the UDP payload is at most N bytes.
    Payload(u16),
}

/// Which pushed options are let in.
#[derive(Debug, Clone, Default)]
pub struct PullRules {
    /// `pull-filter`, in order; the first match decides.
    pub filters: Vec<PullFilter>,
    /// `route-nopull`.
    pub no_routes: bool,
    /// `allow-compression`: a push of a real algorithm needs it.
    pub compression: CompressionPolicy,
    /// `allow-pull-fqdn`: pushed routes may name hosts.
    pub host_names: bool,
}

/// One `pull-filter` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullFilter {
    /// What happens to an option that matches.
    pub action: PullAction,
    /// The text that the option must begin with.
    pub text: String,
}

/// What `pull-filter` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullAction {
    /// Let it in, whatever follows.
    Accept,
    /// Leave it out.
    Ignore,
    /// End the attempt.
    Reject,
}

/// DNSSEC as pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsSec {
    /// Off.
    No,
    /// Where possible.
    Optional,
    /// Required.
    Yes,
}

/// How DNS travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsTransport {
    /// Over HTTPS.
    Https,
    /// Plain.
    Plain,
    /// Over TLS.
    Tls,
}
