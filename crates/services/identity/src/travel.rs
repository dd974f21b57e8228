//! Impossible travel: two uses of one sign-in name, further apart than anybody can be in the time between them.
//!
//! Where an address is tells a directory that the operator gives: a CSV file with the columns `network`, `latitude` and
//! `longitude` among others, as directories of places are sold. Without one nothing is judged. Places are inexact, so
//! short ways never count.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;
use std::net::IpAddr;

use heng_store::StoreError;

use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::sessions::Means;
use crate::store::{self, PrincipalRow};

/// Rows of a directory at most.
const ROWS_MAX: usize = 10_000_000;
/// Longest line in bytes.
const LINE_MAX: usize = 4_096;
/// Nearer than this nothing is judged: directories are wrong by that much.
const NEAR_KM: f64 = 500.0;
/// Faster than this nobody travels; aeroplanes fly at about 900 km/h.
const FASTEST_KM_H: f64 = 1_000.0;
/// Mean radius of the earth (IUGG).
const EARTH_KM: f64 = 6_371.008_8;
const HOUR_NANOS: f64 = 3.6e12;

/// Degrees north and east.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    latitude: f32,
    longitude: f32,
}

impl Place {
    /// Along a great circle, by the haversine formula.
    fn km_to(self, other: Self) -> f64 {
        let radians = |place: Self| (f64::from(place.latitude).to_radians(), f64::from(place.longitude).to_radians());
        let ((north, east), (other_north, other_east)) = (radians(self), radians(other));
        let half = |angle: f64| (angle / 2.0).sin().powi(2);
        let h = half(other_north - north) + north.cos() * other_north.cos() * half(other_east - east);
        2.0 * EARTH_KM * h.sqrt().min(1.0).asin()
    }
}

/// Addresses of both kinds with bits in front: version, and length of the prefix.
type Kind = (bool, u8);

/// A directory of places.
#[derive(Clone, Default, PartialEq)]
pub struct Places {
    /// By kind of network, each sorted by the network's first address.
    networks: BTreeMap<Kind, Vec<(u128, Place)>>,
    rows: usize,
}

// Coordinates that are read are numbers, so equality is what it says.
impl Eq for Places {}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places of {} networks", self.rows)
    }
}

fn bits(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, u128::from(u32::from(address))),
        IpAddr::V6(address) => (true, u128::from(address)),
    }
}

/// The network of this length that an address is in.
fn masked((six, bits): (bool, u128), prefix: u8) -> u128 {
    let width: u32 = if six { 128 } else { 32 };
    let host = width - u32::from(prefix).min(width);
    bits.checked_shr(host).and_then(|net| net.checked_shl(host)).unwrap_or(0)
}

impl Places {
    /// Reads a directory.
    ///
    /// # Errors
    /// With the line, if it cannot be read: no such columns, a network or coordinate that is none, too many rows.
    pub fn read(mut file: impl BufRead) -> Result<Self, String> {
        let (mut places, mut line, mut number) = (Self::default(), String::new(), 0_usize);
        let mut columns: Option<[usize; 3]> = None;
        loop {
            line.clear();
            let mut limited = std::io::Read::take(&mut file, LINE_MAX as u64);
            let read = limited.read_line(&mut line).map_err(|error| format!("line {}: {error}", number + 1))?;
            if read == 0 {
                break;
            }
            number += 1;
            let wrong = |what: &str| format!("line {number}: {what}");
            if read >= LINE_MAX {
                return Err(wrong("it is longer than 4,096 bytes"));
            }
            let fields: Vec<&str> = line.trim_end().split(',').map(|field| field.trim().trim_matches('"')).collect();
            let Some([network, latitude, longitude]) = columns else {
                let find = |name: &str| fields.iter().position(|field| field.eq_ignore_ascii_case(name));
                let found = [find("network"), find("latitude"), find("longitude")];
                let [Some(network), Some(latitude), Some(longitude)] = found else {
                    return Err(wrong("the columns network, latitude and longitude are not all there"));
                };
                columns = Some([network, latitude, longitude]);
                continue;
            };
            let field = |at: usize| fields.get(at).copied().unwrap_or_default();
            // Directories leave out what they do not know.
            if field(latitude).is_empty() || field(longitude).is_empty() {
                continue;
            }
            let degrees = |text: &str, most: f32| {
                text.parse::<f32>().ok().filter(|degrees| degrees.is_finite() && degrees.abs() <= most)
            };
            let place = degrees(field(latitude), 90.0).zip(degrees(field(longitude), 180.0));
            let (latitude, longitude) = place.ok_or_else(|| wrong("latitude or longitude is none"))?;
            places.add(field(network), Place { latitude, longitude }).map_err(wrong)?;
        }
        if columns.is_none() {
            return Err("line 1: the file is empty".to_owned());
        }
        places.networks.values_mut().for_each(|networks| networks.sort_unstable_by_key(|(first, _)| *first));
        Ok(places)
    }

    fn add(&mut self, network: &str, place: Place) -> Result<(), &'static str> {
        let wrong = "the network is none";
        let (address, prefix) = network.split_once('/').ok_or(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong)?;
        let (six, first) = match address {
            IpAddr::V4(address) => (false, u128::from(u32::from(address))),
            IpAddr::V6(address) => (true, u128::from(address)),
        };
        let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= if six { 128 } else { 32 }).ok_or(wrong)?;
        self.rows += 1;
        if self.rows > ROWS_MAX {
            return Err("there are more than 10,000,000 networks");
        }
        self.networks.entry((six, prefix)).or_default().push((masked((six, first), prefix), place));
        Ok(())
    }

    /// Where an address is, by the narrowest network that holds it.
    fn find(&self, address: IpAddr) -> Option<Place> {
        let (six, number) = bits(address);
        let narrowest_first = self.networks.range((six, 0)..=(six, 128)).rev();
        for ((_, prefix), networks) in narrowest_first {
            let first = masked((six, number), *prefix);
            if let Ok(at) = networks.binary_search_by_key(&first, |(first, _)| *first) {
                return Some(networks[at].1);
            }
        }
        None
    }

    /// Kilometres and km/h between two uses, if nobody can have travelled like that. Times in nanoseconds.
    fn impossible(&self, before: (IpAddr, i64), now: (IpAddr, i64)) -> Option<(f64, f64)> {
        let km = self.find(before.0)?.km_to(self.find(now.0)?);
        // A minute at least, so that clocks and late notes of use do not make a walk a flight.
        let hours = ((now.1 - before.1).max(60_000_000_000)) as f64 / HOUR_NANOS;
        let km_h = km / hours;
        (km > NEAR_KM && km_h > FASTEST_KM_H).then_some((km, km_h))
    }
}

impl Identity {
    /// Judges a sign-in whose proofs were good by where the last use came from. With a second factor it goes on, and the
    /// sessions from before end; with a password alone it is refused. Either is told to the audit trail.
    pub(crate) async fn judge_travel(
        &self,
        row: &PrincipalRow,
        address: Option<IpAddr>,
        means: Means,
    ) -> Result<(), IdentityError> {
        let (Some(places), Some(address)) = (&self.options.places, address) else { return Ok(()) };
        let now = self.clock.now();
        let Some(before) = self.last_use(row.id).await? else { return Ok(()) };
        let Some((km, km_h)) = places.impossible(before, (address, now)) else { return Ok(()) };
        let refused = means == Means::Password;
        let told = format!("{km:.0} km from {} at {km_h:.0} km/h; signed in by {}", before.0, means.name());
        let note = AuditRow::of(now, "attack.travel", if refused { "denied" } else { "done" }).from(Some(address));
        self.audit.note(AuditRow { name: row.name.clone(), principal: row.id, ..note.telling(told) });
        if refused {
            let why =
                "this place is too far from where you signed in last; use a second factor, or ask the service desk";
            return Err(IdentityError::Forbidden(why.to_owned()));
        }
        let mut change = self.store.begin().await?;
        store::revoke_signed_in(change.connection(), row.id, 0, now).await?;
        change.commit().await?;
        self.sessions.forget_principal(row.id);
        Ok(())
    }

    async fn last_use(&self, principal: u64) -> Result<Option<(IpAddr, i64)>, StoreError> {
        let last = store::last_use(&mut self.store.read().await?, principal).await?;
        Ok(last.and_then(|(address, at)| Some((address.parse().ok()?, at))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "network,geoname_id,latitude,longitude\n\
        203.0.113.0/24,1,31.22,121.46\n203.0.113.128/25,2,39.91,116.40\n198.51.100.0/24,3,51.51,-0.13\n\
        192.0.2.0/24,4,,\n2001:db8::/32,5,31.22,121.46\n";

    fn places() -> Places {
        Places::read(FILE.as_bytes()).expect("a directory")
    }

    fn at(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_narrowest_network_tells_the_place() {
        let places = places();
        let latitude = |address: &str| places.find(at(address)).map(|place| place.latitude);
        assert_eq!(latitude("203.0.113.5"), Some(31.22));
        assert_eq!(latitude("203.0.113.200"), Some(39.91));
        assert_eq!(latitude("::ffff:203.0.113.200"), Some(39.91), "an IPv4 address on an IPv6 socket");
        assert_eq!(latitude("2001:db8:9::1"), Some(31.22));
        assert_eq!((latitude("192.0.2.1"), latitude("8.8.8.8"), latitude("::1")), (None, None, None));
    }

    #[test]
    fn only_what_nobody_can_travel_is_judged() {
        let (places, hour) = (places(), 3_600_000_000_000_i64);
        let way = |from: &str, to: &str, nanos: i64| places.impossible((at(from), 0), (at(to), nanos));
        // Shanghai to London is 9,200 km, to Beijing 1,067 km (by other people's calculators).
        let (km, km_h) = way("203.0.113.5", "198.51.100.1", hour).expect("nobody flies that in an hour");
        assert!((9_150.0..9_250.0).contains(&km) && (km - km_h).abs() < 1.0, "{km} {km_h}");
        assert_eq!(way("203.0.113.5", "198.51.100.1", 12 * hour), None, "a flight takes 12 hours");
        assert!(way("203.0.113.5", "203.0.113.200", hour / 2).is_some());
        assert_eq!(way("203.0.113.5", "203.0.113.200", 2 * hour), None);
        assert_eq!(way("203.0.113.5", "203.0.113.6", 0), None, "the same place");
        assert_eq!(way("203.0.113.5", "8.8.8.8", 0), None, "an unknown place");
    }

    #[test]
    fn what_is_no_directory_is_told_with_its_line() {
        let refused = |text: &str| Places::read(text.as_bytes()).expect_err(text);
        assert_eq!(refused(""), "line 1: the file is empty");
        assert!(refused("a,b\n").starts_with("line 1: the columns"));
        let head = "network,latitude,longitude\n";
        for row in ["1.2.3.4/33,0,0", "1.2.3.4,0,0", "x/8,0,0", "::/129,0,0", "1.2.3.0/24,91,0", "1.2.3.0/24,0,NaN"] {
            assert!(refused(&format!("{head}{row}\n")).starts_with("line 2: "), "{row}");
        }
        assert!(refused(&format!("{head}{}\n", "x".repeat(5_000))).contains("longer"));
    }
}
