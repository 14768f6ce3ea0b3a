//! One installed key: its format, its counters, its limits.

use std::ops::Range;

use super::classic::Classic;
use super::epoch::Epoch;
use super::fragment;
use super::framing::Content;
use super::key::{DataKey, Format, KeyError};
use super::legacy::Legacy;
use super::mss::{Kind, MssLimit};
use super::setup::DataSetup;
use super::stats::DropReason;
use crate::settings::Framing;
use crate::wire::data::DataHead;

/// One key that opens, and may seal.
#[derive(Debug)]
pub(super) struct Slot {
    head: DataHead,
    codec: Codec,
    format: Format,
    framing: Framing,
    /// A header of `fragment` is in front of each payload.
    fragments: bool,
    pub(super) mss: Option<MssLimit>,
    bytes: u64,
    packets: u64,
    limit_bytes: u64,
    limit_packets: u64,
    /// It was said that the key is nearly used up.
    limit_said: bool,
    /// The key seals, did so, or was heard from: hearing from it is no news.
    pub(super) known_to_peer: bool,
}

#[derive(Debug)]
enum Codec {
    Classic(Box<Classic>),
    Epoch(Box<Epoch>),
    Legacy(Box<Legacy>),
}

impl Slot {
    pub(super) fn new(setup: &DataSetup, key: &DataKey) -> Result<Self, KeyError> {
        let mismatch = KeyError::Mismatch { cipher: key.cipher };
        let codec = match key.format {
            Format::Classic => Codec::Classic(Box::new(Classic::new(setup, key).ok_or(mismatch)?)),
            Format::Epoch if key.peer_id.is_none() => return Err(KeyError::NoPeerId),
            Format::Epoch => Codec::Epoch(Box::new(Epoch::new(setup, key).ok_or(mismatch)?)),
            Format::Legacy { digest } => {
                Codec::Legacy(Box::new(Legacy::new(setup, key, digest).ok_or(mismatch)?))
            }
        };
        let mut slot = Self {
            head: DataHead::new(key.key_id, key.peer_id).ok_or(KeyError::KeyId(key.key_id))?,
            codec,
            format: key.format,
            framing: key.framing,
            fragments: false,
            mss: None,
            bytes: 0,
            packets: 0,
            limit_bytes: setup.reneg_bytes.unwrap_or(u64::MAX),
            limit_packets: setup.reneg_packets.unwrap_or(u64::MAX),
            limit_said: false,
            known_to_peer: false,
        };
        slot.set_mss(setup, None);
        Ok(slot)
    }

    /// Puts the header of `fragment` in front of each payload, and expects it there.
    pub(super) const fn use_fragments(&mut self) {
        self.fragments = true;
    }

    /// Clamps as the setup says, and so that tunnelled packets have at most `payload` bytes.
    pub(super) fn set_mss(&mut self, setup: &DataSetup, payload: Option<usize>) {
        let most = payload.and_then(MssLimit::from_total);
        self.mss =
            MssLimit::new(self.kind(setup)).map(|limit| most.map_or(limit, |most| limit.min(most)));
    }

    /// What its packets are like.
    pub(super) const fn kind<'a>(&self, setup: &'a DataSetup) -> Kind<'a> {
        Kind {
            setup,
            format: self.format,
            peer_id: matches!(self.head, DataHead::V2(_)),
            framing: self.framing,
            fragments: self.fragments,
        }
    }

    /// Bytes in front of a payload (exactly) and behind it (at most).
    pub(super) fn room(&self) -> (usize, usize) {
        let (front, back) = match &self.codec {
            Codec::Classic(_) => Classic::ROOM,
            Codec::Epoch(_) => Epoch::ROOM,
            Codec::Legacy(codec) => codec.room(),
        };
        let (framing_front, framing_back) = self.framing.room();
        let fragment = if self.fragments { fragment::HEADER } else { 0 };
        (
            self.head.bytes().len() + front + fragment + framing_front,
            back + framing_back,
        )
    }

    #[inline]
    pub(super) fn seal(
        &mut self,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, DropReason> {
        if payload.is_empty() {
            return Err(DropReason::Buffer);
        }
        let mut framed = self.framing.wrap(buffer, payload)?;
        if self.fragments {
            framed = fragment::mark_whole(buffer, framed)?;
        }
        self.count(framed.len());
        match &mut self.codec {
            Codec::Classic(codec) => codec.seal(self.head, buffer, framed),
            Codec::Epoch(codec) => codec.seal(self.head, buffer, framed),
            Codec::Legacy(codec) => codec.seal(self.head, buffer, framed),
        }
    }

    /// Opens a packet whose head is `head` bytes long; the answer is where the framed payload is.
    #[inline]
    pub(super) fn open(
        &mut self,
        packet: &mut [u8],
        head: usize,
    ) -> Result<Range<usize>, DropReason> {
        let framed = match &mut self.codec {
            Codec::Classic(codec) => codec.open(packet, head),
            Codec::Epoch(codec) => codec.open(packet, head),
            Codec::Legacy(codec) => codec.open(packet, head),
        }?;
        self.count(framed.len());
        Ok(framed)
    }

    /// Takes the framing off an opened payload.
    #[inline]
    pub(super) fn unframe(
        &self,
        packet: &mut [u8],
        framed: Range<usize>,
    ) -> Result<Content, DropReason> {
        self.framing.unwrap(packet, framed)
    }

    /// Whether a limit comes near; said once.
    #[inline]
    pub(super) fn take_nearly_used_up(&mut self) -> bool {
        if self.limit_said {
            return false;
        }
        self.limit_said = self.bytes >= self.limit_bytes
            || self.packets >= self.limit_packets
            || match &self.codec {
                Codec::Classic(codec) => codec.is_nearly_used_up(),
                Codec::Epoch(codec) => codec.is_nearly_used_up(),
                Codec::Legacy(codec) => codec.is_nearly_used_up(),
            };
        self.limit_said
    }

    const fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.packets += 1;
    }
}
