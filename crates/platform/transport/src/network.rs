//! Addresses and networks, as settings and keys name them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address, or a network in CIDR form like `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` is inside. An IPv4 address that came in through an IPv6 socket is an IPv4 address.
    #[must_use]
    pub fn holds(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(net) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(net) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "is neither an address nor a network like 10.1.0.0/16";
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| wrong)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| wrong)?
            }
            Some(_) => return Err(wrong),
        };
        if prefix > longest { Err(wrong) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let check = |network: &str, address: &str| {
            let network: Network = network.parse().expect("a network");
            network.holds(address.parse().expect("an address"))
        };
        assert!(check("10.1.0.0/16", "10.1.255.3") && !check("10.1.0.0/16", "10.2.0.0"));
        assert!(check("10.1.2.3", "10.1.2.3") && !check("10.1.2.3", "10.1.2.4"));
        assert!(check("10.1.2.3", "::ffff:10.1.2.3"), "IPv4 through an IPv6 socket");
        assert!(check("0.0.0.0/0", "1.2.3.4") && !check("0.0.0.0/0", "::1"));
        assert!(check("2001:db8::/32", "2001:db8:1::7") && !check("2001:db8::/32", "2001:db9::"));
        assert!(check("::/0", "::1") && !check("::/0", "1.2.3.4"));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "10.1", "10.1.0.0/33", "::/129", "10.1.0.0/", "10.1.0.0/+8", "10.1.0.0/8/8", "host"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
