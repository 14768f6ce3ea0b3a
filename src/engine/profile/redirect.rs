//! `redirect-gateway` and `redirect-private`.

use super::value::BadValue;

/// The flags of `redirect-gateway` and `redirect-private`, joined over all lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the option, and they are independent"
)]
pub struct Redirect {
    /// `redirect-gateway` is among the lines.
    pub gateway: bool,
    /// `redirect-private` is among the lines, and wins.
    pub private: bool,
    /// `def1`: two halves in place of the default route.
    pub def1: bool,
    /// `local`: the server is on our own link, and needs no bypass.
    pub local: bool,
    /// `autolocal`: find out whether the server is on our own link.
    pub autolocal: bool,
    /// `bypass-dhcp`: the DHCP server stays outside of the tunnel.
    pub bypass_dhcp: bool,
    /// `bypass-dns`: the DNS servers in use stay outside of the tunnel.
    pub bypass_dns: bool,
    /// `block-local`: the local subnets are not reachable.
    pub block_local: bool,
    /// IPv4 is redirected; off with `!ipv4`.
    pub ipv4: bool,
    /// IPv6 is redirected; on with `ipv6`.
    pub ipv6: bool,
}

impl Default for Redirect {
    fn default() -> Self {
        Self {
            gateway: false,
            private: false,
            def1: false,
            local: false,
            autolocal: false,
            bypass_dhcp: false,
            bypass_dns: false,
            block_local: false,
            ipv4: true,
            ipv6: false,
        }
    }
}

impl Redirect {
    /// Whether the default route goes into the tunnel.
    #[must_use]
    pub const fn default_route(&self) -> bool {
        self.gateway && !self.private
    }

    /// The flags of both: any is set that either sets, and `!ipv4` of either counts.
    #[must_use]
    pub const fn joined(self, other: Self) -> Self {
        Self {
            gateway: self.gateway || other.gateway,
            private: self.private || other.private,
            def1: self.def1 || other.def1,
            local: self.local || other.local,
            autolocal: self.autolocal || other.autolocal,
            bypass_dhcp: self.bypass_dhcp || other.bypass_dhcp,
            bypass_dns: self.bypass_dns || other.bypass_dns,
            block_local: self.block_local || other.block_local,
            ipv4: self.ipv4 && other.ipv4,
            ipv6: self.ipv6 || other.ipv6,
        }
    }

    /// `redirect-gateway`.
    pub(super) fn gateway(&mut self, args: &[&str]) -> Result<(), BadValue> {
        self.flags(args)?;
        self.gateway = true;
        Ok(())
    }

    /// `redirect-private`.
    pub(super) fn private(&mut self, args: &[&str]) -> Result<(), BadValue> {
        self.flags(args)?;
        self.private = true;
        Ok(())
    }

    fn flags(&mut self, args: &[&str]) -> Result<(), BadValue> {
        let mut with = *self;
        for (index, flag) in args.iter().enumerate() {
            match *flag {
                "def1" => with.def1 = true,
                "local" => with.local = true,
                "autolocal" => with.autolocal = true,
                "bypass-dhcp" => with.bypass_dhcp = true,
                "bypass-dns" => with.bypass_dns = true,
                "block-local" => with.block_local = true,
                "ipv4" => with.ipv4 = true,
                "!ipv4" => with.ipv4 = false,
                "ipv6" => with.ipv6 = true,
                "!ipv6" => with.ipv6 = false,
                other => {
                    let right =
                        "def1, local, autolocal, bypass-dhcp, bypass-dns, block-local, ipv6, !ipv4";
                    return Err(BadValue::new(index, other, right));
                }
            }
        }
        *self = with;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_flag_changes_nothing() {
        let mut redirect = Redirect::default();
        assert!(redirect.gateway(&["def1", "nonsense"]).is_err());
        assert_eq!(redirect, Redirect::default());
    }
}
