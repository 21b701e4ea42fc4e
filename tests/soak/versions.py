"""Versions of artifacts of an author: made, read, named, linked, held and deleted."""

import base64
import dataclasses
import hashlib
import json
import time
import uuid

# Versions that an author has at most.
MOST_LIVE = 24
MOST_HELD = 3
COLLECTIONS = 3
# Files of a version that most reads look at; some look at all.
SAMPLE = 8
# How long those are kept that nobody deletes, in seconds; and those that are held before their time is over, which
# on a busy machine takes its time.
SHORT, HELD_TTL = 10, 90

FIELDS = """artifactCollectionMembership(name: $name) {
    versionIndex artifact { id state files(first: 200) { edges { node { name directUrl } } } }
}"""
MANIFEST = "wandb_manifest.json"


@dataclasses.dataclass(eq=False)
class Version:
    """A version as its author knows it."""

    id: str
    collection: str
    index: int
    files: dict
    run: object = None
    link: int | None = None

    @property
    def name(self):
        return f"{self.collection}:v{self.index}"


class Versions:
    """What an author does with versions."""

    def __init__(self, author):
        self.author = author
        self.live = []
        self.held = []
        self.gone = []
        # The version under each collection's alias `best`.
        self.best = {}
        self.portfolio = f"best-of-{author.project}"

    def actions(self):
        return [
            (22, self.log_one),
            (22, self.read_one),
            (8, self.delete_one),
            (5, self.name_one),
            (4, self.link_one),
            (2, self.log_for_a_while),
            (1, self.hold_one),
            (1, self.hold_for_good),
        ]

    def farewell(self):
        for version in [*self.live, *self.held]:
            yield lambda version=version: self.read(version, all_files=True)
        for name in self.gone[-100:]:
            yield lambda name=name: self.must_be_gone(name)

    def pick(self, when=lambda version: True):
        found = [version for version in self.live if when(version)]
        return self.author.rng.choice(found) if found else None

    def log_one(self):
        if len(self.live) >= MOST_LIVE:
            return self.delete_one()
        run = self.author.runs.pick(lambda run: not run.ended)
        collection = f"data-{self.author.rng.randrange(COLLECTIONS)}"
        files = self.author.files(self.author.rng.randrange(8, 60))
        version = self.log(self.author.project, collection, files, run)
        self.live.append(version)
        if self.author.rng.random() < 0.3:
            self.read(version)
        return version

    def log(self, project, collection, files, run=None, ttl=None):
        """The client's way: begin, announce, send what is not there, the manifest, commit."""
        author, caller = self.author, self.author.caller
        where = {"entityName": author.entity, "projectName": project, "runName": run.name if run else ""}
        digests = {name: md5(content) for name, content in files.items()}
        made = caller.mutate(
            "createArtifact",
            "artifact { id state }",
            **where,
            artifactTypeName="dataset",
            artifactCollectionName=collection,
            digest=version_digest(digests),
            ttlDurationSeconds=ttl,
            enableDigestDeduplication=True,
            clientID=str(uuid.UUID(int=author.rng.getrandbits(128))),
        )
        id = made["artifact"]["id"]
        specs = [{"artifactID": id, "name": name, "md5": digest} for name, digest in digests.items()]
        announced = caller.mutate(
            "createArtifactFiles",
            "files { edges { node { name uploadUrl } } }",
            artifactFiles=specs,
            storageLayout="V2",
        )
        for edge in announced["files"]["edges"]:
            if edge["node"]["uploadUrl"]:
                caller.put("put an artifact's file", edge["node"]["uploadUrl"], files[edge["node"]["name"]])
            else:
                author.ledger.count("files of artifacts that were there already")
        manifest = manifest_of(files, digests)
        stored = caller.mutate(
            "createArtifactManifest",
            "artifactManifest { file { uploadUrl } }",
            **where,
            artifactID=id,
            name=MANIFEST,
            digest=md5(manifest.encode()),
            type="FULL",
        )
        caller.put("put a manifest", stored["artifactManifest"]["file"]["uploadUrl"], manifest.encode())
        committed = caller.mutate("commitArtifact", "artifact { id versionIndex }", artifactID=id)
        return Version(id, collection, committed["artifact"]["versionIndex"], files, run)

    def log_for_a_while(self):
        """Nobody deletes it: its time is over soon."""
        collection = "short-lived"
        version = self.log(self.author.project, collection, self.author.files(12), ttl=SHORT)
        self.gone.append(version.name)

    def read_one(self):
        version = self.pick()
        if version:
            self.read(version, all_files=self.author.rng.random() < 0.2)

    def read(self, version, all_files=False, project=None):
        """The bytes of its files, as its writer sent them."""
        found = self.author.ask_project("read a version", FIELDS, project, name=version.name)
        place = found and found["artifactCollectionMembership"]
        self.author.must(place, f"version {version.name} is not there")
        self.compare(version, place, all_files)

    def compare(self, version, place, all_files=False):
        author, artifact = self.author, place["artifact"]
        author.must(artifact["id"] == version.id, f"{version.name} is another version")
        urls = {edge["node"]["name"]: edge["node"]["directUrl"] for edge in artifact["files"]["edges"]}
        author.must(
            urls.keys() == version.files.keys(),
            f"{version.name} lists {len(urls)} of {len(version.files)} files",
        )
        names = sorted(version.files)
        for name in names if all_files else author.rng.sample(names, min(SAMPLE, len(names))):
            got = author.caller.get("get an artifact's file", urls[name])
            author.must(got == version.files[name], f"{version.name}: {name} has other bytes")

    def must_be_gone(self, name):
        fields = "artifactCollectionMembership(name: $name) { id }"
        found = self.author.ask_project("look for a version", fields, name=name)
        self.author.must(found["artifactCollectionMembership"] is None, f"deleted version {name} is there")

    def delete_one(self):
        author, version, begun = self.author, self.pick(), time.time()
        if version is None:
            return
        author.caller.mutate(
            "deleteArtifact", "clientMutationId", {"NOT_FOUND"}, artifactID=version.id, deleteAliases=True
        )
        self.forget(version)
        self.must_be_gone(version.name)
        self.must_name_nothing(version)
        if author.rng.random() < 0.3:
            author.stage.ending.wait(author.rng.random() * author.stage.trash * 0.8)
            if author.undo("restoreArtifact", begun + author.stage.trash, artifactID=version.id):
                self.gone.remove(version.name)
                self.live.append(version)
                self.read(version, all_files=True)

    def forget(self, version):
        self.live.remove(version)
        self.gone.append(version.name)
        self.best = {collection: best for collection, best in self.best.items() if best is not version}

    def delete_those_of(self, run):
        """A run was deleted with what it made."""
        for version in [version for version in self.live if version.run is run]:
            self.forget(version)
            self.must_be_gone(version.name)
            self.must_name_nothing(version)

    def must_name_nothing(self, version):
        """That no link to a deleted version is left in the registry."""
        if version.link is not None:
            place = self.in_registry(version.link)
            self.author.must(place is None, f"the registry has {version.name}, which was deleted")

    def name_one(self):
        version = self.pick()
        if version is None:
            return
        alias = {
            "entityName": self.author.entity,
            "projectName": self.author.project,
            "artifactCollectionName": version.collection,
            "alias": "best",
        }
        self.author.caller.mutate("addAliases", artifactID=version.id, aliases=[alias])
        self.best[version.collection] = version
        for collection, best in self.best.items():
            name = f"{collection}:best"
            place = self.author.ask_project("read an alias", FIELDS, name=name)[
                "artifactCollectionMembership"
            ]
            self.author.must(
                place and place["artifact"]["id"] == best.id, f"{name} does not mean {best.name}"
            )

    def link_one(self):
        version = self.pick(lambda version: version.link is None)
        if version is None:
            return
        entity, project = self.author.registry
        linked = self.author.caller.mutate(
            "linkArtifact",
            "versionIndex",
            artifactID=version.id,
            entityName=entity,
            projectName=project,
            artifactPortfolioName=self.portfolio,
        )
        version.link = linked["versionIndex"]
        place = self.in_registry(version.link)
        self.author.must(place, f"the registry has no {version.name}")
        self.compare(version, place)

    def in_registry(self, index):
        entity, project = self.author.registry
        name = f"{self.portfolio}:v{index}"
        found = self.author.ask_project("read a link", FIELDS, project, entity, name=name)
        return found["artifactCollectionMembership"]

    def hold_one(self):
        version = self.pick()
        if version:
            self.author.hold_for_a_moment(
                "Artifact", version.id, "deleteArtifact", artifactID=version.id, deleteAliases=True
            )
            self.read(version)

    def hold_for_good(self):
        """Its time is over before it is looked at, unless it was made at the very end."""
        if len(self.held) >= MOST_HELD:
            return
        version = self.log(self.author.project, "held", self.author.files(12), ttl=HELD_TTL)
        self.author.caller.mutate("holdArtifact", "hold { id }", id=version.id, reason="until the end")
        self.held.append(version)


def md5(content):
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def version_digest(digests):
    """Of a version with these files, as the client makes it."""
    hasher = hashlib.md5(b"wandb-artifact-manifest-v1\n")
    for name in sorted(digests):
        hasher.update(f"{name}:{digests[name]}\n".encode())
    return hasher.hexdigest()


def manifest_of(files, digests):
    contents = {name: {"digest": digests[name], "size": len(files[name])} for name in files}
    return json.dumps(
        {
            "version": 1,
            "storagePolicy": "wandb-storage-policy-v1",
            "storagePolicyConfig": {"storageLayout": "V2"},
            "contents": contents,
        }
    )
