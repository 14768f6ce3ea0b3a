//! Seals and opens with CBC and a separate HMAC: `head | HMAC | IV | CBC(packet id | payload | padding)`.

use std::ops::Range;

use rustls::crypto::SecureRandom;

use super::key::DataKey;
use super::key::{LAST_IDS, refusal};
use super::packet::{put, take};
use super::setup::DataSetup;
use super::stats::DropReason;
use crate::crypto::cbc::{BLOCK_LEN, CbcKey};
use crate::crypto::hmac::Digest;
use crate::crypto::replay::ReplayWindow;
use crate::wire::data::DataHead;

/// A key of an old cipher.
#[derive(Debug)]
pub(super) struct Legacy {
    sealing: CbcKey,
    opening: CbcKey,
    hmac_len: usize,
    random: &'static dyn SecureRandom,
    /// The id of the last packet sealed.
    last_id: u32,
    window: ReplayWindow,
    replay_width: u32,
}

impl Legacy {
    pub(super) fn new(setup: &DataSetup, key: &DataKey, digest: Digest) -> Option<Self> {
        let sealing = key.block.sending(key.direction);
        let opening = key.block.receiving(key.direction);
        Some(Self {
            sealing: CbcKey::new(key.cipher, sealing.cipher, digest, sealing.hmac)?,
            opening: CbcKey::new(key.cipher, opening.cipher, digest, opening.hmac)?,
            hmac_len: digest.output_len(),
            random: setup.random,
            last_id: 0,
            window: ReplayWindow::new(setup.replay_window),
            replay_width: setup.replay_window,
        })
    }

    /// Bytes between the head and the payload (exactly), and behind it (at most).
    pub(super) const fn room(&self) -> (usize, usize) {
        (self.hmac_len + BLOCK_LEN + ID_LEN, BLOCK_LEN)
    }

    pub(super) fn seal(
        &mut self,
        head: DataHead,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, DropReason> {
        let head = head.bytes();
        let front_len = head.len() + self.hmac_len + BLOCK_LEN;
        let text_len = ID_LEN + payload.len();
        let start = payload
            .start
            .checked_sub(front_len + ID_LEN)
            .ok_or(DropReason::Buffer)?;
        let packet = start..start + front_len + CbcKey::padded_len(text_len);
        let (front, text) = buffer
            .get_mut(packet.clone())
            .ok_or(DropReason::Buffer)?
            .split_at_mut(front_len);
        self.last_id = self.last_id.checked_add(1).ok_or(DropReason::KeyLimit)?;
        let mut iv = [0; BLOCK_LEN];
        self.random
            .fill(&mut iv)
            .map_err(|_| DropReason::KeyState)?;
        put(text, 0, self.last_id.to_be_bytes());
        let code = self
            .sealing
            .seal_in_place(&iv, text, text_len)
            .ok_or(DropReason::Buffer)?;
        let (head_place, rest) = front.split_at_mut(head.len());
        let (code_place, iv_place) = rest.split_at_mut(self.hmac_len);
        head_place.copy_from_slice(head);
        code_place.copy_from_slice(code.as_ref());
        iv_place.copy_from_slice(&iv);
        Ok(packet)
    }

    pub(super) fn open(
        &mut self,
        packet: &mut [u8],
        head: usize,
    ) -> Result<Range<usize>, DropReason> {
        let text_at = head + self.hmac_len + BLOCK_LEN;
        let (front, text) = packet
            .split_at_mut_checked(text_at)
            .ok_or(DropReason::Buffer)?;
        let code = front
            .get(head..head + self.hmac_len)
            .ok_or(DropReason::Buffer)?;
        let iv: [u8; BLOCK_LEN] = take(front, head + self.hmac_len).ok_or(DropReason::Buffer)?;
        let text_len = self
            .opening
            .open_in_place(&iv, text, code)
            .map_err(|_| DropReason::Hmac)?;
        if text_len <= ID_LEN {
            return Err(DropReason::Buffer);
        }
        let id: [u8; ID_LEN] = take(text, 0).ok_or(DropReason::Buffer)?;
        let number = u64::from(u32::from_be_bytes(id));
        if !self.window.is_new(number) {
            return Err(refusal(&self.window, number, self.replay_width));
        }
        self.window.accept(number);
        Ok(text_at + ID_LEN..text_at + text_len)
    }

    #[inline]
    pub(super) const fn is_nearly_used_up(&self) -> bool {
        self.last_id > LAST_IDS
    }
}

const ID_LEN: usize = 4;
