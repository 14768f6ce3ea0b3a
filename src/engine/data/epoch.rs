//! Seals and opens with 64-bit packet ids, the tag last: `head | epoch | counter | ciphertext | tag`.

use std::ops::Range;

use super::key::DataKey;
use super::packet::take;
use super::setup::DataSetup;
use super::stats::DropReason;
use crate::crypto::aead::TAG_LEN;
use crate::crypto::epoch::Epochs;
use crate::wire::data::DataHead;

/// An AEAD key of the epoch format.
#[derive(Debug)]
pub(super) struct Epoch {
    epochs: Epochs,
}

impl Epoch {
    /// Bytes between the head and the payload, and behind it.
    pub(super) const ROOM: (usize, usize) = (ID_LEN, TAG_LEN);

    pub(super) fn new(setup: &DataSetup, key: &DataKey) -> Option<Self> {
        let epochs = Epochs::new(
            key.cipher,
            key.block.sending(key.direction).epoch_secret(),
            key.block.receiving(key.direction).epoch_secret(),
            setup.replay_window,
        )?;
        Some(Self { epochs })
    }

    #[inline]
    pub(super) fn seal(
        &mut self,
        head: DataHead,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, DropReason> {
        let head = head.bytes();
        let front_len = head.len() + ID_LEN;
        let start = payload
            .start
            .checked_sub(front_len)
            .ok_or(DropReason::Buffer)?;
        let packet = start..payload.end + TAG_LEN;
        let (front, rest) = buffer
            .get_mut(packet.clone())
            .ok_or(DropReason::Buffer)?
            .split_at_mut(front_len);
        let (text, tag_place) = rest.split_at_mut(payload.len());
        let (key, id) = self
            .epochs
            .next_packet(text.len())
            .ok_or(DropReason::KeyLimit)?;
        let id = id.to_be_bytes();
        front[..head.len()].copy_from_slice(head);
        front[head.len()..].copy_from_slice(&id);
        let tag = key.aead().seal_in_place(key.nonce(id), front, text);
        tag_place.copy_from_slice(&tag);
        Ok(packet)
    }

    #[inline]
    pub(super) fn open(
        &mut self,
        packet: &mut [u8],
        head: usize,
    ) -> Result<Range<usize>, DropReason> {
        let text_at = head + ID_LEN;
        let tag_at = packet.len().saturating_sub(TAG_LEN);
        if tag_at <= text_at {
            return Err(DropReason::Buffer);
        }
        let (front, rest) = packet.split_at_mut(text_at);
        let (text, tag) = rest.split_at_mut(tag_at - text_at);
        let id: [u8; ID_LEN] = take(front, head).ok_or(DropReason::Buffer)?;
        let tag: [u8; TAG_LEN] = take(tag, 0).ok_or(DropReason::Buffer)?;
        let number = u64::from_be_bytes(id);
        let known = self
            .epochs
            .receive_key(number)
            .ok_or(DropReason::KeyState)?;
        if !self.epochs.is_new(number) {
            return Err(replayed(number));
        }
        if known
            .aead()
            .open_in_place(known.nonce(id), front, text, tag)
            .is_err()
        {
            self.epochs.forged(number);
            return Err(DropReason::Decrypt);
        }
        if !self.epochs.accept(number, text.len()) {
            return Err(replayed(number));
        }
        Ok(text_at..tag_at)
    }

    #[inline]
    pub(super) const fn is_nearly_used_up(&self) -> bool {
        self.epochs.should_renegotiate()
    }
}

/// Why an id of a known epoch is refused. How far back it lies is not told apart.
#[cold]
const fn replayed(packet_id: u64) -> DropReason {
    if packet_id << 16 == 0 {
        DropReason::ReplayInvalid
    } else {
        DropReason::Replay
    }
}

const ID_LEN: usize = 8;
