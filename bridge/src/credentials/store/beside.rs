//! What lies beside the record and is not precious: the server's last answers, and the right to start a worker.

use std::time::Duration;

use super::{Room, StoreError};
use crate::credentials::file::{self, Durability};
use crate::credentials::lock::Lock;

/// The folder of the server's last answers, and the file in it.
const ANSWERS: &str = "answers";
const LAST: &str = "last.json";
/// The fingerprint of the token that the upstream took last, beside the answers.
const ACCEPTED: &str = "accepted";
/// How long to wait for the answers' lock at most, to note a token.
const LONGEST_NOTE: Duration = Duration::from_secs(1);
/// The folder whose lock is the person's attention, beside all rooms.
const TURN: &str = "turn";
/// How long to wait for it at most; a sign-in may be given a day.
const LONGEST_TURN: Duration = Duration::from_secs(86_400);
/// The folder whose lock is the right to start a worker.
const START: &str = "start";

impl Room {
    /// The server's last answers, as [`Room::keep`] was given them; `None` if there are none that can be read.
    #[must_use]
    pub fn recall(&self) -> Option<Vec<u8>> {
        if let Some(memory) = &self.memory {
            return memory.answers();
        }
        let answers = file::read(&self.folder.join(ANSWERS).join(LAST)).ok().flatten();
        answers.map(|answers| answers.to_vec())
    }

    /// Keeps the server's answers, unless another process does so just now.
    pub fn keep(&self, answers: &[u8]) -> Result<(), StoreError> {
        if let Some(memory) = &self.memory {
            memory.keep_answers(answers);
            return Ok(());
        }
        self.prepare()?;
        let folder = self.folder.join(ANSWERS);
        file::private_folder(&folder).map_err(StoreError::Folder)?;
        if let Some(_lock) = Lock::try_acquire(&folder).map_err(StoreError::Lock)? {
            file::replace(&folder.join(LAST), answers, Durability::Kill).map_err(StoreError::Write)?;
        }
        Ok(())
    }

    /// Notes the fingerprint of a token that the upstream has taken; waits for a moment while the first answers are kept.
    pub async fn note_accepted(&self, fingerprint: &str) -> Result<(), StoreError> {
        if let Some(memory) = &self.memory {
            memory.note_accepted(fingerprint);
            return Ok(());
        }
        let folder = self.folder.join(ANSWERS);
        file::private_folder(&folder).map_err(StoreError::Folder)?;
        if let Some(_lock) = Lock::acquire_within(&folder, LONGEST_NOTE).await.map_err(StoreError::Lock)? {
            file::replace(&folder.join(ACCEPTED), fingerprint.as_bytes(), Durability::Kill)
                .map_err(StoreError::Write)?;
        }
        Ok(())
    }

    /// The fingerprint of the token that the upstream took last.
    #[must_use]
    pub fn accepted(&self) -> Option<String> {
        if let Some(memory) = &self.memory {
            return memory.accepted();
        }
        let noted = file::read(&self.folder.join(ANSWERS).join(ACCEPTED)).ok().flatten()?;
        String::from_utf8(noted.to_vec()).ok()
    }

    /// Removes the answers: another account may get others.
    pub(super) fn forget_answers(&self) -> Result<(), StoreError> {
        let folder = self.folder.join(ANSWERS);
        file::remove(&folder.join(ACCEPTED)).map_err(StoreError::Write)?;
        file::remove(&folder.join(LAST)).map_err(StoreError::Write)
    }

    /// The person's attention: waits until no other sign-in of this state folder has a tab open. Falls free with its process.
    pub async fn turn(&self) -> Result<Option<Lock>, StoreError> {
        let folder = self.root.join(TURN);
        match file::private_folder(&folder) {
            // Who keeps nothing may have no place for locks: then nobody else is known.
            Err(_) if self.memory.is_some() => return Ok(None),
            made => made.map_err(StoreError::Folder)?,
        }
        let turn = Lock::acquire_within(&folder, LONGEST_TURN).await.map_err(StoreError::Lock)?;
        Ok(turn)
    }

    /// The right to start a worker; `None` while another process has it. To be held while that worker is at work, so that
    /// of fifty bridges one starts one. Needs [`Room::prepare`].
    pub fn try_start(&self) -> Result<Option<Lock>, StoreError> {
        if let Some(memory) = &self.memory {
            return Ok(memory.start.try_acquire(&self.folder));
        }
        let folder = self.folder.join(START);
        file::private_folder(&folder).map_err(StoreError::Folder)?;
        Lock::try_acquire(&folder).map_err(StoreError::Lock)
    }
}
