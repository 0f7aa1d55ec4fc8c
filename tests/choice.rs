//! The choice of a deployment allocates nothing, however many there are. Alone in its process: allocations are counted
//! for all threads.

use std::alloc::System;
use std::sync::Arc;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tollgate::routing::{self, Bond, Health, Member, Standing, Tried};
use tollgate::vocabulary::Clock;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_choice_allocates_nothing() {
    let clock = Clock::manual(0);
    for size in [1, 2, 10, 100, 1000] {
        let members: Vec<_> = (0..size).map(|deployment| Member { deployment, order: 1, share: 1 }).collect();
        let health: Vec<Arc<Health>> = (0..size).map(|_| Arc::default()).collect();
        let now = clock.now();
        let usable = |at: usize| matches!(health[at].standing(now), Standing::Open | Standing::Trial);
        let score = |at: usize| u64::from(health[at].open()) + health[at].latency(true, now).1;
        let region = Region::new(COUNTED);
        for random in [0, 7, u64::MAX / 3, u64::MAX] {
            let picked = routing::choose(&members, Tried::default(), usable, random).unwrap();
            assert!(routing::least(&members, Tried::default(), usable, score, 100, random).is_some());
            assert!(routing::better_of_two(&members, Tried::default(), usable, score, random).is_some());
            let open = |at: usize| health[at].open();
            let bond = Bond::of(0, [random.to_le_bytes().as_slice()]);
            assert!(routing::bound(&members, Tried::default(), usable, open, |at| at as u64, bond).is_some());
            drop(health[picked].begin(false, now).unwrap());
        }
        assert_eq!(region.change().allocations, 0, "{size} deployments");
    }
}
