//! Which run has which ports. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aerolith_model::HostPort;
use aerolith_plan::RunId;

use super::NoPort;

/// Ports that instances are given (Baetyl v2), written `50200-51000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// Text that is no range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a range of ports: expected two of 1 to 65535 with the smaller first, as in 50200-51000")]
pub struct InvalidRange {
    /// The text as found.
    pub found: String,
}

impl Default for PortRange {
    fn default() -> Self {
        Self {
            first: 50200,
            last: 51000,
        }
    }
}

impl FromStr for PortRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let ends = text.split_once('-');
        let ends = ends.and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
        match ends {
            Some((first, last)) if 0 < first && first <= last => Ok(Self { first, last }),
            _ => Err(InvalidRange { found: text.to_owned() }),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl PortRange {
    const fn numbers(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

/// Which run has which ports.
#[derive(Debug)]
pub(super) struct Reservations {
    range: PortRange,
    /// The last one given: the next search goes on behind it, so that one just given back rests for a while.
    last: u16,
    runs: BTreeMap<RunId, Had>,
}

/// The ports of the host that a run declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) ports: Vec<HostPort>,
    /// Whether other runs of its service may have them too. The kernel decides then.
    pub(super) are_shared: bool,
}

#[derive(Debug, Default)]
struct Had {
    given: Option<u16>,
    declared: Declared,
}

impl Had {
    fn numbers(&self) -> impl Iterator<Item = u16> {
        let declared = self.declared.ports.iter().map(|port| port.number);
        self.given.into_iter().chain(declared)
    }

    fn has(&self, port: HostPort) -> bool {
        self.given == Some(port.number) || self.declares(port)
    }

    fn declares(&self, port: HostPort) -> bool {
        self.declared.ports.iter().any(|mine| mine.meets(port))
    }
}

impl Reservations {
    pub(super) fn new(range: PortRange) -> Self {
        Self {
            range,
            last: range.last,
            runs: BTreeMap::new(),
        }
    }

    /// Notes what a run had before, whatever others have.
    pub(super) fn take_up(&mut self, run: RunId, given: Option<u16>, declared: Declared) {
        self.runs.insert(run, Had { given, declared });
    }

    /// Notes what a run declares; or answers what another one has of it.
    pub(super) fn declare(&mut self, run: &RunId, declared: Declared) -> Option<(HostPort, RunId)> {
        let of_another = |port: HostPort| {
            let mut others = self.others(run).filter(|(_, had)| had.has(port));
            let owner = others.find(|(other, had)| !is_shared(port, (run, &declared), (other, had)))?;
            Some((port, owner.0.clone()))
        };
        let of_another = declared.ports.iter().copied().find_map(of_another);
        if of_another.is_none() {
            self.runs.entry(run.clone()).or_default().declared = declared;
        }
        of_another
    }

    /// Forgets what a run declares, since it cannot have it now.
    pub(super) fn withdraw(&mut self, run: &RunId) {
        if let Some(had) = self.runs.get_mut(run) {
            had.declared = Declared::default();
        }
    }

    /// Whether another run has a port that this one declares: it has been found free before.
    pub(super) fn is_had_by_another(&self, port: HostPort, run: &RunId) -> bool {
        self.owner(port, run).is_some()
    }

    /// Gives a run a port of its own from the range. One that it had before it keeps: what it was shown may name it.
    pub(super) fn claim(
        &mut self,
        run: &RunId,
        before: Option<u16>,
        mut is_free: impl FnMut(u16) -> bool,
    ) -> Result<u16, NoPort> {
        let had = before.or_else(|| self.runs.get(run).and_then(|had| had.given));
        let number = match had {
            Some(number) => self.kept(number, run)?,
            None => self.next(&mut is_free).ok_or(NoPort::Exhausted(self.range))?,
        };
        self.runs.entry(run.clone()).or_default().given = Some(number);
        Ok(number)
    }

    /// A run that gave its ports back may have lost one by the time that it needs them again.
    fn kept(&self, number: u16, run: &RunId) -> Result<u16, NoPort> {
        let taken = super::both(number)
            .into_iter()
            .find_map(|port| Some((port, self.owner(port, run)?)));
        taken.map_or(Ok(number), |(port, owner)| {
            let by = owner.instance.to_string();
            Err(NoPort::Held { port, by })
        })
    }

    fn next(&mut self, is_free: &mut impl FnMut(u16) -> bool) -> Option<u16> {
        let taken: BTreeSet<u16> = self.runs.values().flat_map(Had::numbers).collect();
        let behind = self.range.numbers().skip_while(|number| *number <= self.last);
        let mut all = behind.chain(self.range.numbers().take_while(|number| *number <= self.last));
        let number = all.find(|number| !taken.contains(number) && is_free(*number))?;
        self.last = number;
        Some(number)
    }

    fn owner(&self, port: HostPort, but: &RunId) -> Option<&RunId> {
        self.others(but).find(|(_, had)| had.has(port)).map(|(run, _)| run)
    }

    fn others(&self, but: &RunId) -> impl Iterator<Item = (&RunId, &Had)> {
        self.runs.iter().filter(move |(run, _)| *run != but)
    }

    pub(super) fn release(&mut self, run: &RunId) {
        self.runs.remove(run);
    }

    pub(super) fn of(&self, run: &RunId) -> Vec<u16> {
        let Some(had) = self.runs.get(run) else {
            return Vec::new();
        };
        let mut ports: Vec<u16> = had.given.into_iter().collect();
        for port in &had.declared.ports {
            if !ports.contains(&port.number) {
                ports.push(port.number);
            }
        }
        ports
    }
}

/// Whether a port that another run has can be had by a run of the same service too.
fn is_shared(port: HostPort, (run, declared): (&RunId, &Declared), (other, had): (&RunId, &Had)) -> bool {
    let is_given = had.given == Some(port.number);
    !is_given && declared.are_shared && had.declared.are_shared && run.instance.service == other.instance.service
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_model::Protocol;
    use proptest::prelude::*;

    fn run(number: u32) -> RunId {
        RunId {
            instance: format!("shop.web.{}", number / 2 + 1).parse().unwrap(),
            fingerprint: if number.is_multiple_of(2) { "ab" } else { "cd" }
                .repeat(32)
                .parse()
                .unwrap(),
        }
    }

    fn declared(number: u16, address: Option<&str>) -> HostPort {
        HostPort {
            number,
            protocol: Protocol::Tcp,
            address: address.map(|address| address.parse().unwrap()),
        }
    }

    fn alone(number: u16) -> Declared {
        Declared {
            ports: vec![declared(number, None)],
            are_shared: false,
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Claim(u32),
        Declare(u32, u16),
        Release(u32),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            3 => (0..12_u32).prop_map(Act::Claim),
            1 => (0..12_u32, 50_200..50_208_u16).prop_map(|(run, port)| Act::Declare(run, port)),
            2 => (0..12_u32).prop_map(Act::Release),
        ]
    }

    proptest! {
        /// Whatever is claimed, declared and given back in whatever order: each port has one run at most, what strangers
        /// hold is not given, a run keeps its port until it gives it back, and only a full range gives none.
        #[test]
        fn a_port_has_one_run_at_most(acts in prop::collection::vec(act(), 0..80), strangers in prop::collection::btree_set(50_200..50_208_u16, 0..4)) {
            let mut all = Reservations::new("50200-50207".parse().unwrap());
            let mut given: BTreeMap<u32, u16> = BTreeMap::new();
            for act in acts {
                match act {
                    Act::Claim(number) => match all.claim(&run(number), None, |port| !strangers.contains(&port)) {
                        Ok(port) => {
                            prop_assert!(!strangers.contains(&port));
                            prop_assert_eq!(*given.entry(number).or_insert(port), port);
                        }
                        Err(_) => {
                            let had: BTreeSet<u16> = (0..12).flat_map(|number| all.of(&run(number))).chain(strangers.iter().copied()).collect();
                            prop_assert_eq!(had.len(), 8);
                        }
                    },
                    Act::Declare(number, port) => drop(all.declare(&run(number), alone(port))),
                    Act::Release(number) => {
                        all.release(&run(number));
                        given.remove(&number);
                        prop_assert!(all.of(&run(number)).is_empty());
                    }
                }
                let had: Vec<u16> = (0..12).flat_map(|number| all.of(&run(number))).collect();
                prop_assert_eq!(had.len(), had.iter().collect::<BTreeSet<_>>().len());
            }
        }
    }

    #[test]
    fn one_that_was_just_given_back_rests_until_the_others_had_their_turn() {
        let mut all = Reservations::new("50200-50202".parse().unwrap());
        assert_eq!(all.claim(&run(0), None, |_| true), Ok(50200));
        all.release(&run(0));
        assert_eq!(all.claim(&run(1), None, |_| true), Ok(50201));
        assert_eq!(all.claim(&run(2), None, |_| true), Ok(50202));
        assert_eq!(all.claim(&run(3), None, |_| true), Ok(50200));
        let none = all.claim(&run(4), None, |_| true).unwrap_err().to_string();
        assert!(
            none.contains("no port of 50200-50202 is free") && none.contains("`ports.dynamic`"),
            "{none}"
        );
    }

    #[test]
    fn what_a_run_had_before_the_daemon_was_away_is_its_own_again() {
        let mut all = Reservations::new(PortRange::default());
        all.take_up(run(0), Some(50_200), alone(8080));
        assert_eq!(all.claim(&run(1), None, |_| true), Ok(50_201));
        assert_eq!(all.claim(&run(0), Some(50_200), |_| true), Ok(50_200));
        assert_eq!(all.declare(&run(1), alone(8080)), Some((declared(8080, None), run(0))));
        assert_eq!(all.of(&run(0)), [50_200, 8080]);
    }

    #[test]
    fn runs_of_one_service_share_what_they_declare_and_no_run_shares_what_it_was_given() {
        let mut all = Reservations::new(PortRange::default());
        let shared = |number| Declared {
            are_shared: true,
            ..alone(number)
        };
        assert_eq!(all.declare(&run(0), shared(8080)), None);
        assert_eq!(all.declare(&run(1), shared(8080)), None);
        assert_eq!(all.declare(&run(2), alone(8080)), Some((declared(8080, None), run(0))));
        let stranger = RunId {
            instance: "cafe.web.1".parse().unwrap(),
            ..run(0)
        };
        assert_eq!(
            all.declare(&stranger, shared(8080)),
            Some((declared(8080, None), run(0)))
        );
        all.withdraw(&run(0));
        all.withdraw(&run(1));
        assert_eq!(all.declare(&stranger, shared(8080)), None);
        assert_eq!(all.claim(&run(0), None, |_| true), Ok(50_200));
        assert_eq!(
            all.declare(&run(1), shared(50_200)),
            Some((declared(50_200, None), run(0)))
        );
    }

    #[test]
    fn a_range_reads_back_and_what_is_none_is_refused() {
        assert_eq!("50200-51000".parse(), Ok(PortRange::default()));
        assert_eq!(PortRange::default().to_string(), "50200-51000");
        for bad in ["", "50200", "51000-50200", "0-9", "1-65536", "a-b"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad}");
        }
    }
}
