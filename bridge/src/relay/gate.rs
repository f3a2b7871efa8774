//! A gate that messages wait at until an earlier one is through (T3). It opens when its keeper lets go of it, whatever
//! happens to the keeper: no message can be locked in.

use tokio::sync::watch;

/// Where a message waits.
#[derive(Clone, Debug)]
pub struct Gate(watch::Receiver<()>);

/// Keeps a gate shut while it lives.
#[derive(Debug)]
pub struct Shut {
    _sender: watch::Sender<()>,
}

impl Gate {
    /// A gate that is shut until the [`Shut`] is dropped.
    #[must_use]
    pub fn shut() -> (Self, Shut) {
        let (sender, receiver) = watch::channel(());
        (Gate(receiver), Shut { _sender: sender })
    }

    /// Resolves once the gate is open.
    pub async fn pass(mut self) {
        // Nothing is ever sent: the only event is the sender's end.
        while self.0.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;

    #[tokio::test]
    async fn a_gate_opens_for_all_who_wait_when_its_keeper_is_gone() {
        let (gate, shut) = Gate::shut();
        let waiters = [tokio::spawn(gate.clone().pass()), tokio::spawn(gate.pass())];
        tokio::task::yield_now().await;
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        drop(shut);
        for waiter in waiters {
            waiter.await.unwrap();
        }
    }
}
