//! The list of a version's files, as its writer sends it (protocol reference 5.9). Pure.

use std::collections::BTreeMap;
use std::fmt;

use counterweight_storage::ContentHasher;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{ContentDigest, DigestAlgorithm};
use crate::error::{Error, Result};
use crate::file::FileName;

/// The largest manifest that is read.
pub const MOST_BYTES: u64 = 128 << 20;
/// Files of one version.
const MOST_ENTRIES: usize = 500_000;
/// What the digest of a version begins with.
const HEADER: &[u8] = b"wandb-artifact-manifest-v1\n";

/// A version's files, by path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    version: u32,
    storage_policy: Box<RawValue>,
    storage_policy_config: Box<RawValue>,
    #[serde(deserialize_with = "contents")]
    contents: BTreeMap<String, Box<RawValue>>,
}

/// What a manifest says of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ManifestEntry {
    /// Where it is in the version.
    pub(super) path: FileName,
    /// As it was written: of the content, or whatever a reference goes by.
    pub(super) digest: String,
    /// How many bytes.
    pub(super) size_bytes: i64,
    /// Where its bytes are, if not here.
    pub(super) reference: Option<String>,
    /// What its bytes are, if they are here.
    pub(super) content: Option<ContentDigest>,
}

#[derive(Deserialize)]
struct RawEntry {
    digest: String,
    size: Option<i64>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    #[serde(default)]
    extra: Option<Extra>,
}

#[derive(Deserialize)]
struct Extra {
    alg: Option<String>,
}

fn contents<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Box<RawValue>>, D::Error> {
    struct Contents;
    impl<'de> Visitor<'de> for Contents {
        type Value = BTreeMap<String, Box<RawValue>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with an entry for each file")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = BTreeMap::new();
            while let Some((path, entry)) = map.next_entry()? {
                entries.insert(path, entry);
                if entries.len() > MOST_ENTRIES {
                    return Err(A::Error::custom(format_args!("more than {MOST_ENTRIES} files")));
                }
            }
            Ok(entries)
        }
    }
    from.deserialize_map(Contents)
}

impl Manifest {
    /// Reads a manifest. `MANIFEST_INVALID` for what is none.
    pub(super) fn parse(json: &[u8]) -> Result<Self> {
        let manifest: Self = serde_json::from_slice(json).map_err(|error| invalid("", error.to_string()))?;
        if manifest.version != 1 {
            return Err(invalid("version", format!("there is no version {}", manifest.version)));
        }
        Ok(manifest)
    }

    /// As it is stored.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::internal)
    }

    /// How many files it has.
    pub(super) fn len(&self) -> usize {
        self.contents.len()
    }

    /// The same with the files of `other`, which win.
    pub(super) fn add(&mut self, other: Self) -> Result<()> {
        self.contents.extend(other.contents);
        if self.contents.len() > MOST_ENTRIES {
            return Err(invalid("contents", format!("more than {MOST_ENTRIES} files")));
        }
        Ok(())
    }

    /// Its files, in the order of their paths.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<ManifestEntry>> {
        self.contents.iter().map(|(path, entry)| parse_entry(path, entry))
    }

    /// The digest of a version that has these files, in hex.
    pub(super) fn digest(&self, algorithm: DigestAlgorithm) -> Result<String> {
        let mut hasher = ContentHasher::new(algorithm.into());
        hasher.update(HEADER);
        for entry in self.entries() {
            let ManifestEntry { path, digest, .. } = entry?;
            hasher.update(format!("{path}:{digest}\n").as_bytes());
        }
        Ok(hasher.finish().to_hex())
    }
}

fn parse_entry(path: &str, entry: &RawValue) -> Result<ManifestEntry> {
    let at = |part: &str| format!("manifest: {path:?}{part}");
    let raw: RawEntry =
        serde_json::from_str(entry.get()).map_err(|error| invalid(&at(""), error.to_string()))?;
    let name = FileName::parse(at(""), path)?;
    let size_bytes = raw.size.unwrap_or(0);
    if size_bytes < 0 {
        return Err(invalid(&at(".size"), "must not be negative"));
    }
    let content = if raw.reference.is_some() {
        None
    } else {
        let algorithm = match raw.extra.and_then(|extra| extra.alg).as_deref() {
            None | Some("MD5") => DigestAlgorithm::Md5,
            Some("XXH128") => DigestAlgorithm::Xxh128,
            Some(other) => return Err(invalid(&at(".extra.alg"), format!("there is no {other:?}"))),
        };
        Some(ContentDigest::parse(algorithm, &raw.digest, &at(".digest"))?)
    };
    Ok(ManifestEntry { path: name, digest: raw.digest, size_bytes, reference: raw.reference, content })
}

fn invalid(at: &str, reason: impl Into<String>) -> Error {
    let field = if at.is_empty() { "manifest" } else { at };
    Error::invalid("MANIFEST_INVALID", field, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = r#"{"version":1,"storagePolicy":"wandb-storage-policy-v1","storagePolicyConfig":{"storageLayout":"V2"},"contents":{}}"#;

    fn with(contents: &str) -> Result<Manifest> {
        Manifest::parse(EMPTY.replace("\"contents\":{}", &format!("\"contents\":{{{contents}}}")).as_bytes())
    }

    fn code(contents: &str) -> &'static str {
        let read = with(contents).and_then(|manifest| manifest.entries().collect::<Result<Vec<_>>>());
        read.unwrap_err().code()
    }

    /// The digests are what the released client makes of the same entries.
    #[test]
    fn the_digest_of_a_version_is_that_of_its_entries_by_path() {
        let digests = |manifest: &Manifest| {
            [DigestAlgorithm::Md5, DigestAlgorithm::Xxh128].map(|with| manifest.digest(with).unwrap())
        };
        let none = with("").unwrap();
        assert_eq!(digests(&none), ["64e7c61456b10382e2f3b571ac24b659", "f13c5dd8602ab5d18a0c87ce730a735e"]);
        let two = with(
            r#""b.txt":{"digest":"XUFAKrxLKna5cZ2REBfFkg==","size":5},
               "a.txt":{"digest":"fc3ff98e8c6a0d3087d515c0473f8677","ref":"s3://bucket/a.txt","size":1}"#,
        );
        let two = two.unwrap();
        let entries: Vec<_> = two.entries().map(Result::unwrap).collect();
        assert_eq!(entries[0].reference.as_deref(), Some("s3://bucket/a.txt"));
        assert_eq!(entries[1].content.unwrap().to_string(), "md5:XUFAKrxLKna5cZ2REBfFkg==");
        assert_eq!((two.len(), entries[1].size_bytes), (2, 5));
        assert_eq!(digests(&two), ["a16e0d819924347ff92437b477867d93", "1948abe10edcb8588131e9608ad735af"]);
    }

    #[test]
    fn files_of_an_addition_win_and_keep_what_was_written_of_them() {
        let mut base =
            with(r#""a":{"digest":"XUFAKrxLKna5cZ2REBfFkg=="},"b":{"digest":"x","ref":"y"}"#).unwrap();
        base.add(with(r#""b":{"digest":"z","ref":"y","extra":{"etag":"e"}}"#).unwrap()).unwrap();
        let json = String::from_utf8(base.to_json().unwrap()).unwrap();
        assert!(json.contains(r#""b":{"digest":"z","ref":"y","extra":{"etag":"e"}}"#), "{json}");
    }

    #[test]
    fn what_is_no_manifest_is_refused_by_name() {
        assert_eq!(Manifest::parse(b"{").unwrap_err().code(), "MANIFEST_INVALID");
        let later = EMPTY.replace("\"version\":1", "\"version\":2");
        assert_eq!(Manifest::parse(later.as_bytes()).unwrap_err().code(), "MANIFEST_INVALID");
        assert_eq!(code(r#""../a":{"digest":"XUFAKrxLKna5cZ2REBfFkg=="}"#), "FILE_NAME_INVALID");
        assert_eq!(code(r#""a":{"digest":"short"}"#), "DIGEST_INVALID");
        assert_eq!(code(r#""a":{"digest":"XUFAKrxLKna5cZ2REBfFkg==","size":-1}"#), "MANIFEST_INVALID");
        assert_eq!(code(r#""a":{"size":1}"#), "MANIFEST_INVALID");
        let many = (0..=MOST_ENTRIES).map(|n| format!(r#""{n}":{{}}"#)).collect::<Vec<_>>().join(",");
        assert_eq!(with(&many).unwrap_err().code(), "MANIFEST_INVALID");
    }
}
