//! The epoch ratchet: the next key from this one.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;

use ring::hkdf::{HKDF_SHA256, KeyType, Prk};

use super::aead::{AeadKey, NONCE_LEN};
use super::cipher::Cipher;
use super::replay::ReplayWindow;
use crate::secret::Secret;

/// The keys of both directions in the epoch format.
///
/// A packet id has the epoch in its upper 16 bits and a counter in the lower 48, as on the wire. Sending: take
/// [`Epochs::next_packet`]. Receiving: ask [`Epochs::is_new`], open with [`Epochs::receive_key`], then call
/// [`Epochs::accept`] if the packet was authentic, else [`Epochs::forged`].
#[derive(Debug)]
pub struct Epochs {
    limit: Option<u64>,
    send: Sending,
    receive: ReceiveKeys,
}

impl Epochs {
    /// Begins with epoch 1 of both directions. `None` if the cipher is no AEAD.
    ///
    /// The secrets come from [`KeyHalf::epoch_secret`](super::static_key::KeyHalf::epoch_secret); `replay_width` is
    /// that of [`ReplayWindow::new`].
    #[must_use]
    pub fn new(
        cipher: Cipher,
        send_secret: Secret<32>,
        receive_secret: Secret<32>,
        replay_width: u32,
    ) -> Option<Self> {
        Some(Self {
            limit: cipher.usage_limit(),
            send: Sending::new(Ratchet::new(cipher, send_secret))?,
            receive: ReceiveKeys::new(
                Ratchet::new(cipher, receive_secret),
                FUTURE_KEYS,
                replay_width,
            )?,
        })
    }

    /// The key and the packet id for sealing `text_len` bytes. Goes to the next epoch first where this one is used
    /// up. `None` at the very end of all epochs.
    pub fn next_packet(&mut self, text_len: usize) -> Option<(&EpochKey, u64)> {
        if self.send_is_used_up() {
            self.send.advance();
        }
        self.send.next_packet(text_len)
    }

    /// The epoch that sends.
    #[must_use]
    pub const fn send_epoch(&self) -> u16 {
        self.send.key.epoch
    }

    /// The highest epoch that an authentic packet came from.
    #[must_use]
    pub const fn receive_epoch(&self) -> u16 {
        self.receive.current.key.epoch
    }

    /// Whether so many epochs are behind us that the whole session should be renegotiated.
    #[must_use]
    pub const fn should_renegotiate(&self) -> bool {
        self.send_epoch() >= RENEGOTIATE_FROM
    }

    /// Whether a packet with this id could be accepted. Asked before it is opened, so that replays cost nothing.
    #[inline]
    #[must_use]
    pub fn is_new(&self, packet_id: u64) -> bool {
        self.receive.is_new(packet_id)
    }

    /// The key that opens a packet with this id, if there is one.
    #[inline]
    #[must_use]
    pub fn receive_key(&self, packet_id: u64) -> Option<&EpochKey> {
        self.receive.key(epoch_of(packet_id))
    }

    /// An authentic packet of `text_len` bytes came. `false` if its id was seen before. The first packet of a later
    /// epoch moves both directions there.
    #[inline]
    pub fn accept(&mut self, packet_id: u64, text_len: usize) -> bool {
        let accepted = self.receive.accept(packet_id, text_len);
        while self.send_epoch() < self.receive_epoch() && self.send.advance() {}
        accepted
    }

    /// A packet with this id did not open.
    pub fn forged(&mut self, packet_id: u64) {
        if let Some(key) = self.receive.in_use(epoch_of(packet_id)) {
            key.forgeries = key.forgeries.saturating_add(1);
        }
    }

    fn send_is_used_up(&self) -> bool {
        let beyond = |usage: u64| self.limit.is_some_and(|limit| usage > limit);
        let peer = &self.receive.current;
        let peer_lags = peer.key.epoch == self.send_epoch()
            && (beyond(peer.usage) || peer.forgeries > FORGERIES_NUDGE);
        beyond(self.send.usage) || self.send.counter >= COUNTER_MAX || peer_lags
    }
}

/// The key of one epoch in one direction.
pub struct EpochKey {
    epoch: u16,
    aead: AeadKey,
    iv: [u8; NONCE_LEN],
}

impl EpochKey {
    /// What seals and opens.
    #[must_use]
    pub const fn aead(&self) -> &AeadKey {
        &self.aead
    }

    /// The nonce of a packet whose eight bytes of epoch and counter are `packet_id`.
    #[inline]
    #[must_use]
    pub fn nonce(&self, packet_id: [u8; 8]) -> [u8; NONCE_LEN] {
        let mut nonce = self.iv;
        for (byte, with) in nonce.iter_mut().zip(packet_id) {
            *byte ^= with;
        }
        nonce
    }
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochKey({}, ..)", self.epoch)
    }
}

/// The secret of one epoch, from which its key and the next secret come.
#[derive(Debug)]
struct Ratchet {
    cipher: Cipher,
    epoch: u16,
    secret: Secret<32>,
}

impl Ratchet {
    const fn new(cipher: Cipher, secret: Secret<32>) -> Self {
        Self {
            cipher,
            epoch: 1,
            secret,
        }
    }

    /// `None` if the cipher is no AEAD.
    fn key(&self) -> Option<EpochKey> {
        let mut key = Secret::new([0; 32]);
        let key = &mut key.expose_mut()[..self.cipher.key_len()];
        expand_label(self.secret.expose(), "data_key", key);
        let mut iv = [0; NONCE_LEN];
        expand_label(self.secret.expose(), "data_iv", &mut iv);
        Some(EpochKey {
            epoch: self.epoch,
            aead: AeadKey::new(self.cipher, key)?,
            iv,
        })
    }

    /// Moves to the next epoch; `false` at the last one.
    fn advance(&mut self) -> bool {
        let Some(next) = self.epoch.checked_add(1) else {
            return false;
        };
        let mut secret = Secret::new([0; 32]);
        expand_label(self.secret.expose(), "datakey upd", secret.expose_mut());
        self.secret = secret;
        self.epoch = next;
        true
    }
}

/// The sending half: one key at a time.
#[derive(Debug)]
struct Sending {
    ratchet: Ratchet,
    key: EpochKey,
    counter: u64,
    usage: u64,
}

impl Sending {
    fn new(ratchet: Ratchet) -> Option<Self> {
        let key = ratchet.key()?;
        Some(Self {
            ratchet,
            key,
            counter: 0,
            usage: 0,
        })
    }

    fn next_packet(&mut self, text_len: usize) -> Option<(&EpochKey, u64)> {
        if self.counter >= COUNTER_MAX {
            return None;
        }
        self.counter += 1;
        self.usage = self.usage.saturating_add(usage_of(text_len));
        Some((&self.key, u64::from(self.key.epoch) << 48 | self.counter))
    }

    /// Goes to the next epoch, whose counter starts over; `false` at the last one.
    fn advance(&mut self) -> bool {
        if !self.ratchet.advance() {
            return false;
        }
        let Some(key) = self.ratchet.key() else {
            return false;
        };
        self.key = key;
        self.counter = 0;
        self.usage = 0;
        true
    }
}

/// The receiving half: the current key, the one before it, and those that may come.
#[derive(Debug)]
struct ReceiveKeys {
    current: Receiving,
    retiring: Option<Receiving>,
    /// Consecutive epochs, the first follows `current`.
    future: VecDeque<EpochKey>,
    /// How many future keys are held.
    ahead: u16,
    /// At the newest future key.
    ratchet: Ratchet,
    replay_width: u32,
}

impl ReceiveKeys {
    fn new(ratchet: Ratchet, ahead: u16, replay_width: u32) -> Option<Self> {
        let current = Receiving::new(ratchet.key()?, replay_width);
        let mut keys = Self {
            current,
            retiring: None,
            future: VecDeque::with_capacity(usize::from(ahead)),
            ahead,
            ratchet,
            replay_width,
        };
        keys.refill();
        Some(keys)
    }

    /// The epochs for which a future key is held.
    fn future_epochs(&self) -> Option<RangeInclusive<u16>> {
        Some(self.future.front()?.epoch..=self.future.back()?.epoch)
    }

    fn key(&self, epoch: u16) -> Option<&EpochKey> {
        match self.receiving(epoch) {
            Some(known) if known.forgeries > FORGERIES_MAX => None,
            Some(known) => Some(&known.key),
            None => {
                let ahead = epoch.checked_sub(self.future.front()?.epoch)?;
                self.future.get(usize::from(ahead))
            }
        }
    }

    fn receiving(&self, epoch: u16) -> Option<&Receiving> {
        if self.current.key.epoch == epoch {
            return Some(&self.current);
        }
        self.retiring.as_ref().filter(|old| old.key.epoch == epoch)
    }

    fn in_use(&mut self, epoch: u16) -> Option<&mut Receiving> {
        if self.current.key.epoch == epoch {
            return Some(&mut self.current);
        }
        self.retiring.as_mut().filter(|old| old.key.epoch == epoch)
    }

    fn is_new(&self, packet_id: u64) -> bool {
        let epoch = epoch_of(packet_id);
        match self.receiving(epoch) {
            Some(known) => known.window.is_new(packet_id & COUNTER_MAX),
            None => packet_id & COUNTER_MAX != 0 && self.key(epoch).is_some(),
        }
    }

    fn accept(&mut self, packet_id: u64, text_len: usize) -> bool {
        let epoch = epoch_of(packet_id);
        if self
            .future_epochs()
            .is_some_and(|ahead| ahead.contains(&epoch))
        {
            self.move_to(epoch);
        }
        let Some(known) = self.in_use(epoch) else {
            return false;
        };
        known.usage = known.usage.saturating_add(usage_of(text_len));
        known.window.accept(packet_id & COUNTER_MAX)
    }

    /// Makes a future epoch the current one. Epochs between are skipped for good.
    fn move_to(&mut self, epoch: u16) {
        while let Some(key) = self.future.pop_front() {
            if key.epoch == epoch {
                let current = Receiving::new(key, self.replay_width);
                self.retiring = Some(std::mem::replace(&mut self.current, current));
                break;
            }
        }
        self.refill();
    }

    /// Derives future keys until there are enough, or the last usable epoch is reached.
    fn refill(&mut self) {
        let last = u16::MAX - self.ahead - 1;
        while self.future.len() < usize::from(self.ahead)
            && self.ratchet.epoch < last
            && self.ratchet.advance()
        {
            self.future.extend(self.ratchet.key());
        }
    }
}

/// A key that receives, and what it has received.
#[derive(Debug)]
struct Receiving {
    key: EpochKey,
    window: ReplayWindow,
    usage: u64,
    forgeries: u64,
}

impl Receiving {
    fn new(key: EpochKey, replay_width: u32) -> Self {
        Self {
            key,
            window: ReplayWindow::new(replay_width),
            usage: 0,
            forgeries: 0,
        }
    }
}

/// Fills `out` with key material for `label` out of `secret` (HKDF-Expand with SHA-256).
pub fn expand_label(secret: &[u8; 32], label: &str, out: &mut [u8]) {
    let full = [b"ovpn ", label.as_bytes()].concat();
    let out_len = u16::try_from(out.len()).unwrap_or(u16::MAX);
    let label_len = u8::try_from(full.len()).unwrap_or(u8::MAX);
    let info: [&[u8]; 4] = [&out_len.to_be_bytes(), &[label_len], &full, &[0]];
    hkdf_expand(secret, &info, out);
}

fn hkdf_expand(secret: &[u8; 32], info: &[&[u8]], out: &mut [u8]) {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    Prk::new_less_safe(HKDF_SHA256, secret)
        .expand(info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("far fewer bytes than the 8160 that HKDF can give");
}

fn epoch_of(packet_id: u64) -> u16 {
    u16::try_from(packet_id >> 48).expect("16 of 64 bits")
}

/// What a packet counts towards [`Cipher::usage_limit`].
fn usage_of(text_len: usize) -> u64 {
    let blocks = text_len.div_ceil(16);
    u64::try_from(blocks).unwrap_or(u64::MAX).saturating_add(1)
}

/// How many keys beyond the current one are held ready for receiving.
const FUTURE_KEYS: u16 = 16;

/// From this send epoch on the whole session is to be renegotiated.
const RENEGOTIATE_FROM: u16 = 0xf000;

/// The highest counter within an epoch.
const COUNTER_MAX: u64 = (1 << 48) - 1;

/// After how many forged packets a receiving key makes us leave our own, which nudges the peer to follow.
const FORGERIES_NUDGE: u64 = 1 << 35;

/// After how many forged packets a receiving key opens nothing more.
const FORGERIES_MAX: u64 = 1 << 36;

#[cfg(test)]
mod tests;
