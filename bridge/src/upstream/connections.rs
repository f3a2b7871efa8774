//! The client and its connections, for as long as they are of use: given up once nothing has gone for a while, for the
//! client's own housekeeping would wake the process every few seconds for ever; and after this machine slept, for whoever was
//! at the other end has forgotten them (T8).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::time::sleep_until;

use crate::http::MessageClient;

/// The wall clock runs while a machine sleeps, the other does not: a difference over this was a sleep.
const SLEPT: Duration = Duration::from_secs(20);

/// The client, while there is one.
#[derive(Default)]
pub(super) struct Connections(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    client: Option<MessageClient>,
    used: Option<(Instant, SystemTime)>,
    /// Somebody waits for it to be idle.
    watched: bool,
}

impl Connections {
    /// The client, built where there is none. `idle` says for how long it is kept after it was last asked for. Needs the
    /// runtime.
    ///
    /// # Errors
    /// Those of `build`.
    pub(super) fn client<E>(
        &self,
        idle: Duration,
        build: impl FnOnce() -> Result<MessageClient, E>,
    ) -> Result<MessageClient, E> {
        let mut kept = lock(&self.0);
        let now = (Instant::now(), SystemTime::now());
        if kept.used.is_some_and(|before| slept(before, now)) {
            tracing::debug!("this machine slept: new connections");
            kept.client = None;
        }
        kept.used = Some(now);
        let client = match &kept.client {
            Some(client) => client.clone(),
            None => kept.client.insert(build()?).clone(),
        };
        if !kept.watched {
            kept.watched = true;
            tokio::spawn(give_up_when_idle(Arc::downgrade(&self.0), idle));
        }
        Ok(client)
    }

    /// The next message goes by new connections; what is under way keeps its own.
    pub(super) fn give_up(&self) {
        lock(&self.0).client = None;
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

async fn give_up_when_idle(kept: Weak<Mutex<Kept>>, idle: Duration) {
    loop {
        let Some(used) = kept.upgrade().and_then(|kept| lock(&kept).used) else { return };
        sleep_until((used.0 + idle).into()).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut kept = lock(&kept);
        if kept.used.is_none_or(|(at, _)| at.elapsed() >= idle) {
            // What is under way keeps its own connection.
            (kept.client, kept.watched) = (None, false);
            return;
        }
    }
}

fn slept(before: (Instant, SystemTime), now: (Instant, SystemTime)) -> bool {
    let by_the_wall = now.1.duration_since(before.1).unwrap_or_default();
    by_the_wall > now.0.duration_since(before.0) + SLEPT
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::http::Network;
    use crate::settings::NetworkSettings;

    #[tokio::test]
    async fn t8_an_idle_client_is_given_up_and_nothing_wakes_us_after_that() {
        let connections = Connections::default();
        let url = Url::parse("http://127.0.0.1/").unwrap();
        let network = Network::load(&NetworkSettings::default()).unwrap();
        let mut built = 0;
        let mut ask = || {
            let build = || {
                built += 1;
                MessageClient::build(&url, &network, Duration::from_secs(1))
            };
            connections.client(Duration::ZERO, build).unwrap();
            built
        };
        assert_eq!((ask(), ask()), (1, 1));
        let given_up = async {
            while lock(&connections.0).watched {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), given_up).await.unwrap();
        assert_eq!(ask(), 2);
    }

    #[test]
    fn t8_a_sleep_shows_in_the_difference_of_the_clocks() {
        let before = (Instant::now(), SystemTime::now());
        let later = |mono, wall| (before.0 + Duration::from_secs(mono), before.1 + Duration::from_secs(wall));
        assert!(!slept(before, later(100, 110)));
        assert!(slept(before, later(100, 130)));
        assert!(!slept(before, (before.0 + Duration::from_secs(10), before.1 - Duration::from_secs(3600))));
    }
}
