//! What is known of a resource's wishes for proofs (RFC 9449 §7 to §9): its latest nonce and how far its clock is off, both
//! in memory. It judges objections to a proof, and lets each kind be met once for a message. Must never know a key.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, header};

use crate::credentials::record::unix_now;
use crate::oauth::challenge;
use crate::oauth::dpop::{self, Nonce, Objection};

/// Of one resource, for all messages.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    nonce: Mutex<Option<Nonce>>,
    /// How far the resource's clock is ahead, in seconds.
    skew: AtomicI64,
}

/// Of one message: what was met for it already.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// What the answer to this very message gave: others may have used up the latest.
    nonce: Option<Nonce>,
    for_nonce: bool,
    for_clock: bool,
}

/// What an objection to a proof comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is none: the token is what is wrong.
    TheToken,
    /// Another proof may do.
    SendAgain,
    /// Nothing that could be met is left.
    Refused(Objection),
}

impl Wishes {
    /// When a proof is to be issued, in Unix seconds by the resource's clock.
    pub(super) fn now(&self) -> u64 {
        unix_now().saturating_add_signed(self.skew.load(Ordering::Relaxed))
    }

    /// The nonce for the next proof of this message.
    pub(super) fn nonce(&self, met: &mut Met) -> Option<Nonce> {
        met.nonce.take().or_else(|| self.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Keeps what an answer of any status gives (RFC 9449 §8.2).
    pub(super) fn note(&self, headers: &HeaderMap) {
        if let Some(nonce) = Nonce::given_by(headers) {
            *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
        }
    }

    /// Judges a 401 to a proof.
    pub(super) fn judge(&self, headers: &HeaderMap, met: &mut Met) -> Judged {
        let challenges = challenge::parse(headers.get_all(header::WWW_AUTHENTICATE));
        match Objection::of_resource(&challenges) {
            None => Judged::TheToken,
            Some(objection @ Objection::UseNonce) => {
                met.nonce = Nonce::given_by(headers);
                if met.nonce.is_none() || met.for_nonce {
                    return Judged::Refused(objection);
                }
                met.for_nonce = true;
                Judged::SendAgain
            }
            Some(objection @ Objection::InvalidProof) => match dpop::skew(headers, unix_now()) {
                Some(skew) if !met.for_clock => {
                    met.for_clock = true;
                    self.skew.store(skew, Ordering::Relaxed);
                    Judged::SendAgain
                }
                _ => Judged::Refused(objection),
            },
        }
    }
}

impl Met {
    /// Another token begins anew.
    pub(super) fn forget(&mut self) {
        *self = Met::default();
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn answer(challenge: &'static str, nonce: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        if let Some(nonce) = nonce {
            headers.insert(dpop::DPOP_NONCE, HeaderValue::from_static(nonce));
        }
        headers
    }

    #[test]
    fn rfc9449_9_a_nonce_is_taken_once_for_a_message_and_again_with_another_token() {
        let (wishes, mut met) = (Wishes::default(), Met::default());
        let answer = |nonce| answer("DPoP error=\"use_dpop_nonce\"", Some(nonce));
        assert_eq!(wishes.judge(&answer("n1"), &mut met), Judged::SendAgain);
        assert_eq!(wishes.nonce(&mut met), Nonce::parse("n1"));
        assert_eq!(wishes.judge(&answer("n2"), &mut met), Judged::Refused(Objection::UseNonce));
        met.forget();
        assert_eq!(wishes.judge(&answer("n3"), &mut met), Judged::SendAgain);
    }

    #[test]
    fn rfc9449_9_a_demand_for_a_nonce_without_one_is_refused() {
        let judged = Wishes::default().judge(&answer("DPoP error=\"use_dpop_nonce\"", None), &mut Met::default());
        assert_eq!(judged, Judged::Refused(Objection::UseNonce));
    }

    #[test]
    fn rfc9449_8_2_the_nonce_of_any_answer_is_for_the_next_message() {
        let (wishes, mut met) = (Wishes::default(), Met::default());
        wishes.note(&answer("x", Some("n1")));
        wishes.note(&HeaderMap::new());
        assert_eq!(wishes.nonce(&mut met), Nonce::parse("n1"));
    }

    #[test]
    fn rfc9449_11_1_a_clock_that_differs_is_followed_once() {
        let (wishes, mut met) = (Wishes::default(), Met::default());
        let mut refused = answer("DPoP error=\"invalid_dpop_proof\"", None);
        assert_eq!(wishes.judge(&refused, &mut met), Judged::Refused(Objection::InvalidProof));
        let ahead = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        refused.insert(header::DATE, HeaderValue::try_from(httpdate::fmt_http_date(ahead)).unwrap());
        assert_eq!(wishes.judge(&refused, &mut met), Judged::SendAgain);
        assert!(wishes.now() > unix_now() + 3590);
        assert_eq!(wishes.judge(&refused, &mut met), Judged::Refused(Objection::InvalidProof));
    }

    #[test]
    fn rfc9449_7_1_a_token_that_is_refused_says_nothing_against_the_proof() {
        let judged = Wishes::default().judge(&answer("DPoP error=\"invalid_token\"", Some("n1")), &mut Met::default());
        assert_eq!(judged, Judged::TheToken);
    }
}
