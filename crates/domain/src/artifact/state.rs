//! Where artifacts and collections stand, and the words for what they are. Pure.

use sea_orm::{DeriveActiveEnum, EnumIter};

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ArtifactState {
    /// Begun; no lookup finds it but that of its writers.
    Pending,
    /// Whole: it has a version, and all its files are there.
    Committed,
    /// Gone from every lookup; its rows and bytes follow.
    Deleted,
}

/// Whether versions are made in a collection, or linked to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum CollectionKind {
    /// Runs make versions in it.
    Sequence,
    /// Versions of sequences are linked to it, as in a registry.
    Portfolio,
}

/// Where a collection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum CollectionState {
    /// Listed and writable.
    Live,
    /// Gone, with the versions that were made in it; its name is free.
    Deleted,
}

/// How the digest of a version is made of its entries, and how theirs are made of their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DigestAlgorithm {
    /// With MD5.
    #[default]
    Md5,
    /// With XXH128.
    Xxh128,
}

/// What a manifest is a list of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ManifestKind {
    /// All files.
    Full,
    /// Those of one of several writers.
    Patch,
    /// Those that are added to a base, or replace what it has.
    Incremental,
}

/// What a run has to do with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ArtifactRole {
    /// The run made it, or would have made the same.
    Output,
    /// The run used it.
    Input,
}
