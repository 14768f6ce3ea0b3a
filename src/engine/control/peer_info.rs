//! The IV_* lines that say what we can do.

use crate::config::{CompressionPolicy, ConnectionConfig};
use crate::crypto::cipher::Cipher;

/// The whole text: what a server acts on first, then what only describes us.
///
/// Lines of the user come last, and stop where the text would become longer than servers read.
#[must_use]
pub fn peer_info(config: &ConnectionConfig) -> String {
    let mut lines = Lines::default();
    let about = &config.peer_info;
    lines.add("IV_VER", FEATURE_LEVEL);
    lines.add("IV_PLAT", "linux");
    lines.add("IV_TCPNL", "1");
    lines.add("IV_MTU", &config.data.tun_mtu_max.to_string());
    if promises_gcm(&config.data.ciphers) {
        lines.add("IV_NCP", "2");
    }
    let names: Vec<&str> = config
        .data
        .ciphers
        .iter()
        .map(|cipher| cipher.name())
        .collect();
    lines.add("IV_CIPHERS", &names.join(":"));
    lines.add("IV_PROTO", &PROTO.to_string());
    for framing in framings(config.data.compression) {
        lines.add(framing, "1");
    }
    if about.auto_session {
        lines.add("IV_AUTO_SESS", "1");
    }
    lines.add_some("IV_GUI_VER", about.gui_version.as_deref());
    lines.add_some("IV_SSO", about.sso.as_deref());
    if !about.app_control.is_empty() {
        lines.add(
            "IV_ACC",
            &format!("{APP_CONTROL},{}", about.app_control.join(":")),
        );
    }
    if about.push {
        lines.add_some("IV_HWADDR", about.hardware_address.as_deref());
        lines.add("IV_SSL", TLS_LIBRARY);
        lines.add_some("IV_PLAT_VER", about.platform_version.as_deref());
        for (name, value) in &about.user_variables {
            lines.add(name, value);
        }
    }
    lines.text
}

/// `KEY=value` lines, bounded.
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    /// Adds a line; what would break it (a line end in the value) is left out of it.
    fn add(&mut self, key: &str, value: &str) {
        if self.text.len() + key.len() + value.len() + 2 > LONGEST {
            tracing::warn!(key, "peer info is full, line left out");
            return;
        }
        self.text
            .extend(key.chars().filter(|c| !c.is_control() && *c != '='));
        self.text.push('=');
        self.text.extend(value.chars().filter(|c| !c.is_control()));
        self.text.push('\n');
    }

    fn add_some(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }
}

/// `IV_NCP=2` promises both; a server of 2.4 pushes one of them without asking further.
fn promises_gcm(ciphers: &[Cipher]) -> bool {
    ciphers.contains(&Cipher::Aes128Gcm) && ciphers.contains(&Cipher::Aes256Gcm)
}

const fn framings(policy: CompressionPolicy) -> &'static [&'static str] {
    match policy {
        CompressionPolicy::Asymmetric => &[
            "IV_LZO",
            "IV_LZO_STUB",
            "IV_LZ4",
            "IV_LZ4v2",
            "IV_COMP_STUB",
            "IV_COMP_STUBv2",
        ],
        CompressionPolicy::No => &["IV_LZO_STUB", "IV_COMP_STUB", "IV_COMP_STUBv2"],
    }
}

/// What we commit to. Bit 5, negotiation between peers, must never be set by a client.
const PROTO: u32 = proto::DATA_V2
    | proto::REQUEST_PUSH
    | proto::TLS_KEY_EXPORT
    | proto::AUTH_PENDING_KEYWORDS
    | proto::CONTROL_EXIT
    | proto::AUTH_FAILED_TEMPORARILY
    | proto::DYNAMIC_TLS_CRYPT
    | proto::DATA_EPOCH
    | proto::DNS_OPTION
    | proto::PUSH_UPDATE;

/// The bits of `IV_PROTO`.
mod proto {
    pub(super) const DATA_V2: u32 = 1 << 1;
    pub(super) const REQUEST_PUSH: u32 = 1 << 2;
    pub(super) const TLS_KEY_EXPORT: u32 = 1 << 3;
    pub(super) const AUTH_PENDING_KEYWORDS: u32 = 1 << 4;
    pub(super) const CONTROL_EXIT: u32 = 1 << 7;
    pub(super) const AUTH_FAILED_TEMPORARILY: u32 = 1 << 8;
    pub(super) const DYNAMIC_TLS_CRYPT: u32 = 1 << 9;
    pub(super) const DATA_EPOCH: u32 = 1 << 10;
    pub(super) const DNS_OPTION: u32 = 1 << 11;
    pub(super) const PUSH_UPDATE: u32 = 1 << 12;
}

/// `IV_VER`: the release of the OpenVPN 3 core whose protocol features we match; servers' policies compare it. Who we
/// are is in `IV_GUI_VER`.
const FEATURE_LEVEL: &str = "3.11";
/// `IV_SSL`.
const TLS_LIBRARY: &str = "rustls/0.23";
/// The first fields of `IV_ACC`: the longest message, and the encodings we read.
const APP_CONTROL: &str = "2048,6:A";
/// Servers of the 2.x line read the whole key exchange message into 2048 bytes.
const LONGEST: usize = 1400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_bits_are_those_of_a_full_client() {
        assert_eq!(PROTO, 8094);
        assert_eq!(PROTO & (1 << 5), 0);
        assert_eq!(PROTO & 1, 0);
    }

    #[test]
    fn ncp_is_promised_only_with_both_gcm_ciphers() {
        assert!(promises_gcm(&Cipher::DEFAULT));
        assert!(!promises_gcm(&[
            Cipher::Aes256Gcm,
            Cipher::ChaCha20Poly1305
        ]));
    }

    #[test]
    fn a_value_cannot_forge_a_line() {
        let mut lines = Lines::default();
        lines.add("UV_A", "x\nIV_PROTO=0");
        assert_eq!(lines.text, "UV_A=xIV_PROTO=0\n");
    }

    #[test]
    fn the_text_is_bounded() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.add("UV_LONG", &"x".repeat(60));
        }
        assert!(lines.text.len() <= LONGEST);
    }
}
