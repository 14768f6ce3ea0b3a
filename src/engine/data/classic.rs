//! Seals and opens with 32-bit packet ids, the tag first: `head | packet id | tag | ciphertext`.

use std::fmt;
use std::ops::Range;

use super::key::DataKey;
use super::key::{FORGERIES_MANY, FORGERIES_MAX, LAST_IDS, refusal};
use super::packet::take;
use super::setup::DataSetup;
use super::stats::DropReason;
use crate::crypto::aead::{AeadKey, NONCE_LEN, TAG_LEN};
use crate::crypto::replay::ReplayWindow;
use crate::wire::data::DataHead;

/// An AEAD key of the classic format.
#[derive(Debug)]
pub(super) struct Classic {
    sealing: Half,
    opening: Half,
    /// The id of the last packet sealed.
    last_id: u32,
    window: ReplayWindow,
    replay_width: u32,
    forgeries: u64,
    /// How much each half may be used before it is nearly used up.
    usage_limit: u64,
}

struct Half {
    key: AeadKey,
    iv: [u8; 8],
    /// Blocks and packets.
    usage: u64,
}

impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Half")
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}

impl Classic {
    /// Bytes between the head and the payload, and behind it.
    pub(super) const ROOM: (usize, usize) = (ID_LEN + TAG_LEN, 0);

    pub(super) fn new(setup: &DataSetup, key: &DataKey) -> Option<Self> {
        let sealing = key.block.sending(key.direction);
        let opening = key.block.receiving(key.direction);
        Some(Self {
            sealing: Half {
                key: AeadKey::new(key.cipher, sealing.cipher)?,
                iv: sealing.implicit_iv(),
                usage: 0,
            },
            opening: Half {
                key: AeadKey::new(key.cipher, opening.cipher)?,
                iv: opening.implicit_iv(),
                usage: 0,
            },
            last_id: 0,
            window: ReplayWindow::new(setup.replay_window),
            replay_width: setup.replay_window,
            forgeries: 0,
            usage_limit: key
                .cipher
                .usage_limit()
                .map_or(u64::MAX, |limit| limit / 8 * 7),
        })
    }

    #[inline]
    pub(super) fn seal(
        &mut self,
        head: DataHead,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, DropReason> {
        let head = head.bytes();
        let front_len = head.len() + ID_LEN + TAG_LEN;
        let start = payload
            .start
            .checked_sub(front_len)
            .ok_or(DropReason::Buffer)?;
        let packet = start..payload.end;
        let (front, text) = buffer
            .get_mut(packet.clone())
            .ok_or(DropReason::Buffer)?
            .split_at_mut(front_len);
        self.last_id = self.last_id.checked_add(1).ok_or(DropReason::KeyLimit)?;
        let id = self.last_id.to_be_bytes();
        let (aad, tag_place) = front.split_at_mut(head.len() + ID_LEN);
        aad[..head.len()].copy_from_slice(head);
        aad[head.len()..].copy_from_slice(&id);
        let tag = self
            .sealing
            .key
            .seal_in_place(nonce(id, self.sealing.iv), covered(aad), text);
        tag_place.copy_from_slice(&tag);
        self.sealing.count(text.len());
        Ok(packet)
    }

    #[inline]
    pub(super) fn open(
        &mut self,
        packet: &mut [u8],
        head: usize,
    ) -> Result<Range<usize>, DropReason> {
        let text_at = head + ID_LEN + TAG_LEN;
        let text_range = text_at..packet.len();
        let (front, text) = packet
            .split_at_mut_checked(text_at)
            .ok_or(DropReason::Buffer)?;
        if text.is_empty() {
            return Err(DropReason::Buffer);
        }
        let (aad, tag) = front.split_at(head + ID_LEN);
        let id: [u8; ID_LEN] = take(aad, head).ok_or(DropReason::Buffer)?;
        let tag: [u8; TAG_LEN] = take(tag, 0).ok_or(DropReason::Buffer)?;
        let number = u64::from(u32::from_be_bytes(id));
        if !self.window.is_new(number) {
            return Err(refusal(&self.window, number, self.replay_width));
        }
        if self.forgeries > FORGERIES_MAX {
            return Err(DropReason::KeyLimit);
        }
        let opened =
            self.opening
                .key
                .open_in_place(nonce(id, self.opening.iv), covered(aad), text, tag);
        if opened.is_err() {
            self.forgeries += 1;
            return Err(DropReason::Decrypt);
        }
        self.window.accept(number);
        self.opening.count(text.len());
        Ok(text_range)
    }

    #[inline]
    pub(super) const fn is_nearly_used_up(&self) -> bool {
        self.last_id > LAST_IDS
            || self.sealing.usage > self.usage_limit
            || self.opening.usage > self.usage_limit
            || self.forgeries > FORGERIES_MANY
    }
}

impl Half {
    #[inline]
    const fn count(&mut self, bytes: usize) {
        self.usage = self.usage.saturating_add(bytes.div_ceil(16) as u64 + 1);
    }
}

/// What the tag covers beside the text: head and packet id with `P_DATA_V2`, the packet id alone with `P_DATA_V1`.
#[inline]
fn covered(aad: &[u8]) -> &[u8] {
    match aad {
        [_, id @ ..] if id.len() == ID_LEN => id,
        aad => aad,
    }
}

#[inline]
const fn nonce([a, b, c, d]: [u8; ID_LEN], iv: [u8; 8]) -> [u8; NONCE_LEN] {
    let [e, f, g, h, i, j, k, l] = iv;
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

const ID_LEN: usize = 4;
