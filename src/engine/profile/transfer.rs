//! Data-channel options with the same form in the profile and in a push: MTU, `mssfix`, compression, flow limits.

use std::time::Duration;

use super::value::{BadValue, choice, number, seconds, word};
use crate::settings::{Framing, MssFix, PacketLimit};

/// `compress` and `comp-lzo` in the profile or in a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compression {
    /// The framing that comes with it.
    pub(super) framing: Framing,
    /// A real algorithm is named: the server may send compressed packets.
    pub(super) real: bool,
}

/// `comp-lzo [yes|no|adaptive]`.
pub(super) fn comp_lzo(args: &[&str]) -> Result<Compression, BadValue> {
    let real = match args.first() {
        None => true,
        Some(_) => choice(args, 0, &[("yes", true), ("no", false), ("adaptive", true)])?,
    };
    Ok(Compression {
        framing: Framing::Lzo,
        real,
    })
}

/// `compress [algorithm]`.
pub(super) fn compress(args: &[&str]) -> Result<Compression, BadValue> {
    const FORMS: &[(&str, (Framing, bool))] = &[
        ("stub-v2", (Framing::V2, false)),
        ("stub", (Framing::Swap, false)),
        ("lz4-v2", (Framing::V2, true)),
        ("lz4", (Framing::Swap, true)),
        ("lzo", (Framing::Lzo, true)),
        ("migrate", (Framing::None, false)),
    ];
    let (framing, real) = match args.first() {
        None => (Framing::Swap, false),
        Some(_) => choice(args, 0, FORMS)?,
    };
    Ok(Compression { framing, real })
}

/// `mssfix [N [mtu|fixed]]`.
pub(super) fn mssfix(args: &[&str]) -> Result<MssFix, BadValue> {
    match args.first() {
        None => return Ok(MssFix::Default),
        Some(&"0") => return Ok(MssFix::Off),
        Some(_) => {}
    }
    let size: u16 = number(args, 0, 154..=u16::MAX)?;
    match args.get(1) {
        None => Ok(MssFix::Payload(size)),
        Some(_) => {
            let form: fn(u16) -> MssFix = choice(
                args,
                1,
                &[
                    ("mtu", MssFix::Mtu as fn(u16) -> MssFix),
                    ("fixed", MssFix::Fixed),
                ],
            )?;
            Ok(form(size))
        }
    }
}

/// `fragment N [mtu]`; zero is off.
pub(super) fn fragment(args: &[&str]) -> Result<Option<PacketLimit>, BadValue> {
    if args.first() == Some(&"0") {
        return Ok(None);
    }
    let size = number(args, 0, 154..=u16::MAX)?;
    if args.len() > 1 {
        return choice(args, 1, &[("mtu", Some(PacketLimit::Mtu(size)))]);
    }
    Ok(Some(PacketLimit::Payload(size)))
}

/// `inactive N [bytes]`; zero is never.
pub(super) fn inactive(args: &[&str]) -> Result<(Duration, u64), BadValue> {
    let after = seconds(args, 0)?;
    let bytes = if args.len() > 1 {
        number(args, 1, 0..=u64::MAX)?
    } else {
        0
    };
    Ok((after, bytes))
}

/// `reneg-bytes`, `reneg-pkts`; -1 and 0 are never.
pub(super) fn limit(args: &[&str]) -> Result<u64, BadValue> {
    if word(args, 0)? == "-1" {
        Ok(0)
    } else {
        number(args, 0, 0..=u64::MAX)
    }
}

/// `explicit-exit-notify [N]`.
pub(super) fn exit_notify(args: &[&str]) -> Result<u8, BadValue> {
    if args.is_empty() {
        Ok(1)
    } else {
        number(args, 0, 0..=u8::MAX)
    }
}

/// The longest ping interval and silence, as OpenVPN has it: a day.
const MAX_PING: u32 = 86_400;

/// `ping`, `ping-restart`, `ping-exit`: seconds, at most a day.
pub(super) fn ping(args: &[&str], index: usize) -> Result<Duration, BadValue> {
    number(args, index, 0..=MAX_PING).map(|n| Duration::from_secs(n.into()))
}

/// `keepalive interval timeout [early]`.
pub(super) fn keepalive(args: &[&str]) -> Result<(Duration, Duration), BadValue> {
    let (interval, timeout) = (ping(args, 0)?, ping(args, 1)?);
    if timeout < interval.saturating_mul(2) {
        let reason = "the second number is too small";
        return Err(BadValue::because(
            1,
            reason,
            "at least twice the first, and the server's is best",
        ));
    }
    Ok((interval, timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mssfix_has_four_forms() {
        assert_eq!(mssfix(&[]), Ok(MssFix::Default));
        assert_eq!(mssfix(&["0"]), Ok(MssFix::Off));
        assert_eq!(mssfix(&["1400"]), Ok(MssFix::Payload(1400)));
        assert_eq!(mssfix(&["1400", "mtu"]), Ok(MssFix::Mtu(1400)));
        assert_eq!(mssfix(&["1400", "fixed"]), Ok(MssFix::Fixed(1400)));
        assert!(mssfix(&["153"]).is_err());
        assert!(mssfix(&["1400", "other"]).is_err());
    }

    #[test]
    fn fragment_has_three_forms() {
        assert_eq!(fragment(&["0"]), Ok(None));
        assert_eq!(fragment(&["1300"]), Ok(Some(PacketLimit::Payload(1300))));
        assert_eq!(fragment(&["1300", "mtu"]), Ok(Some(PacketLimit::Mtu(1300))));
        assert!(fragment(&["60"]).is_err());
        assert!(fragment(&[]).is_err());
    }

    #[test]
    fn comp_lzo_no_is_a_framing_not_off() {
        assert_eq!(
            comp_lzo(&["no"]),
            Ok(Compression {
                framing: Framing::Lzo,
                real: false
            })
        );
        assert_eq!(
            comp_lzo(&[]),
            Ok(Compression {
                framing: Framing::Lzo,
                real: true
            })
        );
    }

    #[test]
    fn each_form_of_compress_has_its_framing() {
        assert_eq!(
            compress(&[]),
            Ok(Compression {
                framing: Framing::Swap,
                real: false
            })
        );
        assert_eq!(
            compress(&["stub-v2"]),
            Ok(Compression {
                framing: Framing::V2,
                real: false
            })
        );
        assert_eq!(
            compress(&["lz4-v2"]),
            Ok(Compression {
                framing: Framing::V2,
                real: true
            })
        );
        assert_eq!(
            compress(&["lzo"]),
            Ok(Compression {
                framing: Framing::Lzo,
                real: true
            })
        );
        assert_eq!(
            compress(&["migrate"]),
            Ok(Compression {
                framing: Framing::None,
                real: false
            })
        );
        assert!(compress(&["zstd"]).is_err());
    }

    #[test]
    fn keepalive_wants_twice_the_interval() {
        assert!(keepalive(&["10", "20"]).is_ok());
        assert!(keepalive(&["10", "19"]).is_err());
    }
}
