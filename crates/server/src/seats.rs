//! Connections that stay open: so many for each caller, so many in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use counterweight_domain::id::UserId;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::problem::{Problem, seconds};

const MOST_OF_ONE: usize = 32;
const MOST: usize = 1024;
const COME_BACK: Duration = Duration::from_secs(5);

/// The places for connections that stay open.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
    open: TaskTracker,
}

/// A place, free again once it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    whose: UserId,
    _open: TaskTrackerToken,
}

impl Seats {
    /// Waits until all places are free. Those who have one are to know that they must go.
    pub async fn emptied(&self) {
        self.open.close();
        self.open.wait().await;
    }

    /// A place for a caller; 429 where there is none.
    pub fn take(&self, whose: UserId) -> Result<Seat, Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.entry(whose).or_default();
        if *own >= MOST_OF_ONE || all >= MOST {
            let message = "too many connections are open; close one first";
            let refusal = Problem::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_CONNECTIONS", message);
            return Err(refusal.header(RETRY_AFTER, seconds(COME_BACK)));
        }
        *own += 1;
        Ok(Seat { seats: self.clone(), whose, _open: self.open.token() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.whose) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_places_of_others_and_a_place_is_given_back() {
        let seats = Seats::default();
        let mut own: Vec<_> = (0..MOST_OF_ONE).map(|_| seats.take(UserId(1)).unwrap()).collect();
        assert_eq!(seats.take(UserId(1)).unwrap_err().status(), 429);
        assert!(seats.take(UserId(2)).is_ok());
        own.pop();
        assert!(seats.take(UserId(1)).is_ok());
        drop(own);
        assert!(seats.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn there_are_so_many_places_in_all() {
        let seats = Seats::default();
        let users = (1_i64..).flat_map(|id| std::iter::repeat_n(UserId(id), MOST_OF_ONE));
        let _all: Vec<_> = users.take(MOST).map(|user| seats.take(user).unwrap()).collect();
        assert_eq!(seats.take(UserId(0)).unwrap_err().status(), 429);
    }
}
