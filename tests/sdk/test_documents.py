"""Every document inside the installed client is checked against `schema.graphql`."""

import pytest
from graphql import build_schema, validate

from documents import all_documents
from server import ROOT

SERVED = """
    Viewer GetViewer GetDefaultEntity ServerInfo ServerFeaturesQuery OrgFeatureFlags EntityIsTeam
    XXHashDigestsEnabled OrganizationCoreWeaveOrganizationID FetchOrgEntityFromEntity
    ProbeServerCapabilities ProbeServerSettings

    NotifyScriptableRunAlert SearchUsers
    UpsertBucket RunResumeStatus StopRun stopRun RunStoppedStatus DeleteRun UpdateRunState Run Runs
    ProjectRuns RunState QueryRunInfo RunInfo Project ProbeRunInput TypeFields InputFields

    RunFullHistory RunSampledHistory RunHistoryKeys RunParquetHistory HistoryPage SampledHistoryPage
    RunConsoleLogTail RunConsoleLogPage

    CreateRunFiles MarkRunFilesUploaded RunFiles deleteFiles RunConfigs RunUploadUrls RunDownloadUrls
    RunDownloadUrl ProbeDeleteFilesProjectIdInput

    GetProject GetProjects Projects CreateProject UpsertModel EntityProjects ProjectDetails
    EvalTableProjectScope

    ArtifactType CreateArtifact CreateArtifactType CreateArtifactManifest UpdateArtifactManifest
    CreateArtifactFiles CommitArtifact UpdateArtifact UseArtifact ClientIDMapping
    FetchArtifactDigestAlgorithm CompleteMultipartUploadArtifact

    ArtifactByID ArtifactByName ProbeServerProjectInfo ArtifactMembershipByName FetchArtifactManifest ArtifactManifest ArtifactMembershipFiles
    GetArtifactMembershipFileUrls ArtifactFileURLs ArtifactFileURLsByManifestEntries ArtifactUsedBy
    ArtifactCreatedBy FetchLinkedArtifacts LinkArtifact UnlinkArtifact AddAliases DeleteAliases DeleteArtifact
    RunOutputArtifacts RunInputArtifacts ProjectArtifacts ProjectArtifactTypes ProjectArtifactType
    ProjectArtifactCollection ProjectArtifactCollections ArtifactTypeArtifactCollections
    ArtifactCollectionAliases UpdateArtifactSequence UpdateArtifactPortfolio UpdateArtifactSequenceType
    DeleteArtifactSequence DeleteArtifactPortfolio AddArtifactCollectionTags DeleteArtifactCollectionTags
    ArtifactOfType IsProjectReadOnly

    FetchOrgInfoFromEntity FetchOrganization FetchAdvancedRegistryFeatures FetchRegistry FetchRegistries
    RegistryCollections RegistryVersions UpsertRegistry RenameRegistry DeleteRegistry RegistryUserMembers
    RegistryTeamMembers CreateRegistryMembers DeleteRegistryMembers UpdateUserRegistryRole
    UpdateTeamRegistryRole

    GetTeamEntity CreateTeam CreateInvite DeleteInvite CreateServiceAccount CreateUserFromAdmin DeleteApiKey
    GenerateApiKey

    UpsertSweep UpsertSweepState GetSweeps GetSweep GetSweepLegacy GetSweepAgent GetSweepAgents GetAgentRuns
    SweepWithRuns CreateAgent Heartbeat GetSweepState SweepConfig SweepRunsWithHistory SweepWatchedRuns
""".split()

# Sent by both releases: were one of these not found, the search would be at fault.
SENT_BY_ALL = """
    Viewer ServerFeaturesQuery OrganizationCoreWeaveOrganizationID UpsertBucket RunResumeStatus CreateRunFiles
    Run Runs RunState RunFiles DeleteRun deleteFiles RunFullHistory RunSampledHistory RunHistoryKeys
    HistoryPage SampledHistoryPage
""".split()


@pytest.fixture(scope="module")
def schema():
    return build_schema((ROOT / "schema.graphql").read_text())


@pytest.fixture(scope="module")
def documents():
    return all_documents()


def problems(schema, documents, name):
    checked = ((where, validate(schema, document)) for where, document in documents[name])
    return [f"{name} ({where}): {errors[0].message}" for where, errors in checked if errors]


@pytest.mark.smoke
def test_the_documents_are_found(documents):
    assert documents.keys() >= set(SENT_BY_ALL)


@pytest.mark.smoke
def test_the_documents_of_the_served_areas_pass(schema, documents):
    refused = [
        problem for name in SERVED if name in documents for problem in problems(schema, documents, name)
    ]
    assert not refused, "\n".join(refused)


def test_the_others_are_counted(schema, documents, record_property):
    others = documents.keys() - set(SERVED)
    refused = [name for name in others if problems(schema, documents, name)]
    count = sum(map(len, documents.values()))
    record_property(
        "documents",
        f"{count}; of {len(others)} operations of other areas, {len(refused)} are not in the schema",
    )
    assert len(others) < len(documents)
