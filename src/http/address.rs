//! Which addresses are public, and networks that are let in all the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network: `10.20.0.0/16`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// What was to be a network is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no network")]
pub struct NoNetwork;

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => (base, Some(prefix)),
            Some(_) => return Err(NoNetwork),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| NoNetwork)?;
        let whole = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(whole), |prefix| prefix.parse().map_err(|_| NoNetwork))?;
        if prefix > whole { Err(NoNetwork) } else { Ok(Self { base, prefix }) }
    }
}

impl Network {
    const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> Self {
        Self { base: IpAddr::V4(Ipv4Addr::new(a, b, c, 0)), prefix }
    }

    const fn v6(a: u16, b: u16, prefix: u8) -> Self {
        Self { base: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), prefix }
    }

    /// Of one family with it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differs = match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => u128::from(base.to_bits() ^ address.to_bits()) << 96,
            (IpAddr::V6(base), IpAddr::V6(address)) => base.to_bits() ^ address.to_bits(),
            _ => return false,
        };
        differs.leading_zeros() >= u32::from(self.prefix)
    }
}

/// What of IPv4 is no public unicast (<https://www.iana.org/assignments/iana-ipv4-special-registry>).
const NOT_PUBLIC_V4: [Network; 15] = [
    Network::v4(0, 0, 0, 8),
    Network::v4(10, 0, 0, 8),
    Network::v4(100, 64, 0, 10),
    Network::v4(127, 0, 0, 8),
    Network::v4(169, 254, 0, 16),
    Network::v4(172, 16, 0, 12),
    Network::v4(192, 0, 0, 24),
    Network::v4(192, 0, 2, 24),
    Network::v4(192, 88, 99, 24),
    Network::v4(192, 168, 0, 16),
    Network::v4(198, 18, 0, 15),
    Network::v4(198, 51, 100, 24),
    Network::v4(203, 0, 113, 24),
    Network::v4(224, 0, 0, 4),
    Network::v4(240, 0, 0, 4),
];

/// All public unicast of IPv6 lies in here.
const GLOBAL_V6: Network = Network::v6(0x2000, 0, 3);

/// What of that is none (<https://www.iana.org/assignments/iana-ipv6-special-registry>): protocol assignments with Teredo, which
/// embeds addresses of its own, and documentation.
const NOT_PUBLIC_V6: [Network; 3] =
    [Network::v6(0x2001, 0, 23), Network::v6(0x2001, 0x0db8, 32), Network::v6(0x3fff, 0, 20)];

const SIX_TO_FOUR: Network = Network::v6(0x2002, 0, 16);

/// Addresses of IPv6 that stand for one of IPv4: mapped (`::ffff:0:0/96`), and translated by a NAT64 (`64:ff9b::/96`).
fn stands_for(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., high, low] = address.segments();
    match address.segments()[..6] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(v4(high, low)),
        _ => None,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// Whether an address may be called: it is public, or in one of the networks that are `allowed` all the same.
pub fn may_call(address: IpAddr, allowed: &[Network]) -> bool {
    let is_in = |address: IpAddr| allowed.iter().any(|network| network.contains(address));
    let address = match address {
        IpAddr::V6(v6) if !is_in(address) => stands_for(v6).map_or(address, IpAddr::V4),
        _ => address,
    };
    is_in(address) || is_public(address)
}

fn is_public(address: IpAddr) -> bool {
    let IpAddr::V6(v6) = address else { return !NOT_PUBLIC_V4.iter().any(|network| network.contains(address)) };
    if SIX_TO_FOUR.contains(address) {
        let [_, high, low, ..] = v6.segments();
        return is_public(IpAddr::V4(v4(high, low)));
    }
    GLOBAL_V6.contains(address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::{Network, may_call};

    fn called(address: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<Network> = allowed.iter().map(|network| network.parse().unwrap()).collect();
        may_call(address.parse().unwrap(), &allowed)
    }

    #[test]
    fn public_addresses_may_be_called() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2003::1",
            "2a00::1",
            "3ffe::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            assert!(called(public, &[]), "{public}");
        }
    }

    #[test]
    fn all_others_may_not() {
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:a9fe:a9fe",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2001:1ff::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:1::",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!called(other, &[]), "{other}");
        }
    }

    #[test]
    fn what_is_allowed_is_in_whatever_its_spelling() {
        let allowed = ["127.0.0.2", "10.20.0.0/16", "fd00::/8", "::1"];
        for inside in ["127.0.0.2", "::ffff:127.0.0.2", "64:ff9b::10.20.3.4", "10.20.255.255", "fd12::1", "::1"] {
            assert!(called(inside, &allowed), "{inside}");
        }
        for outside in ["127.0.0.1", "10.21.0.0", "::ffff:127.0.0.1", "fc00::1", "2002:7f00:2::"] {
            assert!(!called(outside, &allowed), "{outside}");
        }
        assert!(called("127.0.0.1", &["0.0.0.0/0"]) && called("::1", &["::/0"]) && !called("::1", &["0.0.0.0/0"]));
    }

    #[test]
    fn networks_are_read() {
        for wrong in
            ["", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "::/129", "10.0.0.0/8/8", "localhost", "10.0.0.256"]
        {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
