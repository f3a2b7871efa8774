//! Which `issuer` passes for a server that was named otherwise (A3): to the letter is the rule. What else passes is a final
//! slash after a bare origin, a pair of the reviewed data file, what the person set by `--issuer`, and what a person once
//! said yes to; each for this one pair alone. It must never guess from a URL's shape. Read `server_metadata` next.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Issuer;

/// The data file: every entry with the public source that backs it and the day of the look.
const KNOWN: &str = include_str!("../../../data/issuer-spellings.json");

static SPELLINGS: LazyLock<Vec<KnownSpelling>> = LazyLock::new(|| serde_json::from_str(KNOWN).unwrap_or_default());

/// A server that is known to call itself otherwise than it is named.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct KnownSpelling {
    /// The host that it is named by.
    pub host: String,
    /// How it is named: by the resource's `authorization_servers`, or by its own metadata.
    pub named: String,
    /// How it calls itself there.
    pub published: String,
    /// Where it does.
    #[serde(rename = "in")]
    pub place: Place,
    /// Where that is told in public.
    pub source: String,
    /// When that was looked at, `YYYY-MM-DD`.
    pub looked: String,
}

/// Where an issuer is published.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `issuer` of its metadata (RFC 8414 §3.3).
    Metadata,
    /// `iss` of its authorization responses (RFC 9207 §2.4).
    Response,
}

/// Whom a person vouched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouched {
    /// `--issuer`: the one issuer that is wanted, to the letter. It passes for servers on its own origin.
    pub issuer: Option<String>,
    /// The issuer that is published, under the identifier that is named: what a person said yes to.
    pub answers: BTreeMap<String, String>,
}

/// Why a published issuer passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// It is the identifier, to the letter (RFC 8414 §3.3).
    Same,
    /// But for a final slash after a bare origin: worth a warning.
    FinalSlash,
    /// The data file has the pair.
    Known,
    /// The person vouched for it.
    Vouched,
}

impl Vouched {
    /// Whether `published` passes for a server that was named `issuer`, and why; `None` where it does not.
    #[must_use]
    pub fn judge(&self, issuer: &Issuer, published: &str) -> Option<Spelling> {
        if published == issuer.as_str() {
            return Some(Spelling::Same);
        }
        // On another origin anybody could call themselves so, and get what is meant for that issuer.
        let said = self.issuer.as_deref() == Some(published) && issuer.is_on_origin_of(published);
        if said || self.answers.get(issuer.as_str()).is_some_and(|answer| answer == published) {
            return Some(Spelling::Vouched);
        }
        if known(Place::Metadata, issuer.as_str()).any(|known| known.published == published) {
            return Some(Spelling::Known);
        }
        issuer.differs_by_final_slash(published).then_some(Spelling::FinalSlash)
    }

    /// Whether a server is the one that the person wants, by how it is named or by how it calls itself; any is, where they
    /// named none.
    #[must_use]
    pub fn wants(&self, named: &str, published: &str) -> bool {
        self.issuer.as_deref().is_none_or(|wanted| wanted == named || wanted == published)
    }
}

/// What else than the recorded `issuer` a server is known to send as `iss`: to be compared to the letter, like that.
pub fn known_in_response(issuer: &str) -> impl Iterator<Item = &'static str> {
    known(Place::Response, issuer).map(|known| known.published.as_str())
}

fn known(place: Place, named: &str) -> impl Iterator<Item = &'static KnownSpelling> {
    SPELLINGS.iter().filter(move |known| known.place == place && known.named == named)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use url::Url;

    use super::{KNOWN, KnownSpelling, Place, Spelling, Vouched, known_in_response};
    use crate::oauth::endpoint::UrlRule;
    use crate::oauth::issuer::Issuer;

    const ATLASSIAN: &str = "https://auth.atlassian.com/VCeDsk8ZHncYF1g234fKtc4lNipbBhu3";

    #[test]
    fn every_entry_of_the_data_file_is_of_two_https_issuers_with_a_source_and_a_day() {
        let entries: Vec<KnownSpelling> = serde_json::from_str(KNOWN).unwrap();
        assert!(!entries.is_empty());
        for entry in &entries {
            for issuer in [&entry.named, &entry.published] {
                assert!(
                    Issuer::parse(issuer, &UrlRule::default()).is_ok() && issuer.starts_with("https://"),
                    "{entry:?}"
                );
            }
            assert_ne!(entry.named, entry.published);
            assert_eq!(Url::parse(&entry.named).unwrap().host_str(), Some(entry.host.as_str()), "{entry:?}");
            assert!(entry.source.starts_with("https://") && entry.looked.len() == 10, "{entry:?}");
        }
    }

    #[test]
    fn a3_what_passes_beside_the_identifier_is_one_pair_at_a_time() {
        let answers = BTreeMap::from([("https://a.example".to_owned(), "https://b.example".to_owned())]);
        let answered = Vouched { issuer: None, answers };
        let pinned = Vouched { issuer: Some("https://b.example".to_owned()), answers: BTreeMap::new() };
        let nobody = Vouched::default();
        let table = [
            ("to the letter", &nobody, "https://a.example", "https://a.example", Some(Spelling::Same)),
            ("a final slash", &nobody, "https://a.example", "https://a.example/", Some(Spelling::FinalSlash)),
            ("a known pair", &nobody, ATLASSIAN, "https://auth.atlassian.com", Some(Spelling::Known)),
            ("a known pair turned round", &nobody, "https://auth.atlassian.com", ATLASSIAN, None),
            ("a known issuer of another server", &nobody, "https://a.example", "https://auth.atlassian.com", None),
            ("known in responses only", &nobody, "https://auth.monday.com/mcp", "https://auth.monday.com", None),
            ("answered", &answered, "https://a.example", "https://b.example", Some(Spelling::Vouched)),
            ("answered for another server", &answered, "https://c.example", "https://b.example", None),
            ("another than was answered", &answered, "https://a.example", "https://c.example", None),
            ("a slash more than was answered", &answered, "https://a.example", "https://b.example/", None),
            ("set", &pinned, "https://b.example/tenant", "https://b.example", Some(Spelling::Vouched)),
            ("set, and said by another origin", &pinned, "https://a.example", "https://b.example", None),
            ("another than is set", &pinned, "https://a.example", "https://c.example", None),
            ("a letter of another case", &pinned, "https://a.example", "https://B.example", None),
        ];
        for (name, vouched, named, published, expected) in table {
            let issuer = Issuer::parse(named, &UrlRule::default()).unwrap();
            assert_eq!(vouched.judge(&issuer, published), expected, "{name}");
        }
    }

    #[test]
    fn a2_the_issuer_that_is_set_chooses_by_either_spelling() {
        let pinned = Vouched { issuer: Some("https://b.example".to_owned()), ..Vouched::default() };
        assert!(Vouched::default().wants("https://a.example", "https://a.example"));
        assert!(pinned.wants("https://a.example", "https://b.example"));
        assert!(pinned.wants("https://b.example", "https://b.example/"));
        assert!(!pinned.wants("https://a.example", "https://a.example"));
    }

    #[test]
    fn a11_a_known_iss_is_of_one_issuer() {
        assert_eq!(known_in_response("https://auth.monday.com/mcp").collect::<Vec<_>>(), ["https://auth.monday.com"]);
        assert_eq!(known_in_response("https://auth.monday.com").count(), 0);
        assert_eq!(known_in_response(ATLASSIAN).count(), 0, "of its metadata only");
        assert_eq!(Place::Response, serde_json::from_str("\"response\"").unwrap());
    }
}
