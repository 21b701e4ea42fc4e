//! What people were told: each acknowledged answer is a write to the thing that it was about, and what a thing is at any
//! moment is the value of a write that no later one has replaced.

use std::collections::{BTreeMap, BTreeSet};

/// What promises are about, by storage ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Run(i64),
    File(i64, &'static str),
    /// How many lines a run's history has.
    Lines(i64),
    Project(i64),
    Version(i64),
    Link(i64),
    Hold(&'static str, i64),
}

impl Thing {
    /// What it is before anybody writes.
    fn at_first(&self) -> &'static str {
        match self {
            Self::Run(_) | Self::Project(_) => "live",
            Self::File(..) | Self::Link(_) => "none",
            Self::Lines(_) => "0",
            Self::Version(_) => "pending",
            Self::Hold(..) => "released",
        }
    }
}

#[derive(Clone, Debug)]
struct Write {
    value: String,
    began: u64,
    ended: Option<u64>,
    /// Acknowledged. Of others nobody knows whether they were done.
    is_sure: bool,
}

/// A write that was asked for.
#[derive(Clone, Debug)]
#[must_use]
pub(super) struct Ticket(Thing, u64);

/// All writes.
#[derive(Debug, Default)]
pub(super) struct Promises {
    moment: u64,
    writes: BTreeMap<Thing, Vec<Write>>,
}

impl Promises {
    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// Somebody asks for it.
    pub(super) fn begin(&mut self, thing: Thing, value: impl Into<String>) -> Ticket {
        let began = self.tick();
        let first =
            || vec![Write { value: thing.at_first().to_owned(), began: 0, ended: Some(0), is_sure: true }];
        let writes = self.writes.entry(thing.clone()).or_insert_with(first);
        writes.push(Write { value: value.into(), began, ended: None, is_sure: false });
        Ticket(thing, began)
    }

    /// It was acknowledged.
    pub(super) fn kept(&mut self, ticket: &Ticket) {
        self.end(ticket, true);
    }

    /// The answer was lost, or does not say.
    pub(super) fn unknown(&mut self, ticket: &Ticket) {
        self.end(ticket, false);
    }

    fn end(&mut self, ticket: &Ticket, is_sure: bool) {
        let moment = self.tick();
        for write in self.of(ticket) {
            (write.ended, write.is_sure) = (Some(moment), is_sure);
        }
    }

    /// It was refused: nothing was done.
    pub(super) fn refused(&mut self, ticket: &Ticket) {
        if let Some(writes) = self.writes.get_mut(&ticket.0) {
            writes.retain(|write| write.began != ticket.1);
        }
    }

    fn of(&mut self, ticket: &Ticket) -> impl Iterator<Item = &mut Write> {
        let writes = self.writes.get_mut(&ticket.0).into_iter().flatten();
        writes.filter(|write| write.began == ticket.1)
    }

    /// What a thing may be now.
    pub(super) fn possible(&self, thing: &Thing) -> BTreeSet<&str> {
        self.possible_since(thing, u64::MAX)
    }

    /// What it may have been at any moment from then on.
    pub(super) fn possible_since(&self, thing: &Thing, moment: u64) -> BTreeSet<&str> {
        let Some(writes) = self.writes.get(thing) else { return BTreeSet::from([thing.at_first()]) };
        let is_replaced = |write: &Write| {
            let after = |other: &&Write| {
                other.is_sure
                    && other.ended.is_some_and(|ended| ended <= moment)
                    && write.ended.is_some_and(|ended| other.began > ended)
            };
            writes.iter().any(|other| after(&other))
        };
        writes.iter().filter(|write| !is_replaced(write)).map(|write| write.value.as_str()).collect()
    }

    /// The moment of the last event.
    pub(super) fn moment(&self) -> u64 {
        self.moment
    }

    /// All things that something was said of.
    pub(super) fn things(&self) -> impl Iterator<Item = &Thing> {
        self.writes.keys()
    }
}
