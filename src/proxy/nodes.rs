//! Tells the other nodes what is in use here, in the background.

use std::sync::Arc;
use std::time::Duration;

use super::gate::Gate;
use crate::fleet::{TELL, Word};
use crate::telemetry::{Event, Trouble};

/// How long Redis is left alone when it cannot be reached.
const AGAIN: Duration = Duration::from_secs(1);
/// Deployments that rest are told every so many times.
const RESTS_EVERY: u32 = 5;

impl Gate {
    /// Shares limits and cooldowns with the other nodes, where that is configured; never returns. [`super::serve`] does so by
    /// itself, a server of somebody else's runs it in the background.
    pub async fn share_limits(self: Arc<Self>) {
        let Some(fleet) = &self.fleet else { return };
        let mut lost = false;
        for round in 0_u32.. {
            let now = self.around().clock.now();
            let mut word = fleet.tell(now).await;
            if word.is_none() && round.is_multiple_of(RESTS_EVERY) {
                let world = self.world();
                let mine: Vec<_> = world.rests(now).collect();
                match fleet.tell_rests(&mine).await {
                    Ok(others) => others.iter().for_each(|(id, time)| world.rest_as_told(id, *time, now)),
                    Err(trouble) => word = Some(trouble),
                }
            }
            match word {
                Some(Word::Reached) => {
                    lost = false;
                    self.say(&Event::Kept(&format!("limits are shared through Redis at {}", fleet.redis())));
                }
                Some(Word::Lost(cause)) if !lost => {
                    lost = true;
                    let cause =
                        format!("{}: {cause}; limits are counted on this node alone until it is back", fleet.redis());
                    self.say(&Event::Trouble(Trouble { subject: "redis", cause: &cause }));
                }
                Some(Word::Lost(_)) | None => {}
            }
            tokio::time::sleep(if fleet.is_up() { TELL } else { AGAIN }).await;
        }
    }

    fn say(&self, event: &Event<'_>) {
        self.around().telemetry.emit(event, self.around().clock.now());
    }
}
