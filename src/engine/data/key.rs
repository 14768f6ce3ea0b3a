//! What a data key is made of, as the control channel hands it over.

use thiserror::Error;

use super::stats::DropReason;
use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;
use crate::crypto::replay::ReplayWindow;
use crate::crypto::static_key::{KeyDirection, StaticKey};
use crate::settings::Framing;

/// One key for both directions, to be installed in the [`super::plane::DataPlane`].
#[derive(Debug)]
pub struct DataKey {
    /// The key id, 0 to 7, in the first byte of each packet.
    pub key_id: u8,
    /// The cipher.
    pub cipher: Cipher,
    /// How packets look on the wire.
    pub format: Format,
    /// The 256 bytes from the TLS exporter or the PRF.
    pub block: StaticKey,
    /// Which half of `block` seals: [`KeyDirection::Normal`] on the client, [`KeyDirection::Inverse`] on the server.
    pub direction: KeyDirection,
    /// The peer id for the head of `P_DATA_V2`; `None`: `P_DATA_V1`.
    pub peer_id: Option<u32>,
    /// Compression framing inside of the encryption.
    pub framing: Framing,
}

/// How sealed packets look on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An AEAD cipher with 32-bit packet ids, the tag first.
    Classic,
    /// An AEAD cipher with 16-bit epochs and 48-bit counters, the tag last. Needs a peer id.
    Epoch,
    /// A CBC cipher with an HMAC in front.
    Legacy {
        /// The HMAC's digest.
        digest: Digest,
    },
}

/// Why a key cannot be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The key id does not fit into three bits.
    #[error("key id {0} does not exist")]
    KeyId(u8),
    /// Cipher and format contradict each other.
    #[error("{cipher} cannot be used in this packet format")]
    Mismatch {
        /// The cipher.
        cipher: Cipher,
    },
    /// The epoch format needs a peer id.
    #[error("the epoch packet format was agreed on without a peer id")]
    NoPeerId,
}

/// Why a window refuses an id.
#[cold]
pub(super) fn refusal(window: &ReplayWindow, id: u64, width: u32) -> DropReason {
    if id == 0 {
        DropReason::ReplayInvalid
    } else if id.saturating_add(u64::from(width)) <= window.newest() {
        DropReason::ReplayBacktrack
    } else {
        DropReason::Replay
    }
}

/// From this packet id on a key is nearly used up.
pub(super) const LAST_IDS: u32 = 0xff00_0000;
/// After so many forged packets a key is nearly used up.
pub(super) const FORGERIES_MANY: u64 = 1 << 35;
/// After so many forged packets a key opens nothing more.
pub(super) const FORGERIES_MAX: u64 = 1 << 36;
