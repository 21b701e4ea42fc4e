"""The less usual ways to log an artifact, and what the server makes of each."""

import os
import pathlib

import pytest
import wandb

from client import script, since

pytestmark = pytest.mark.usefixtures("server")


def built(content="one", type="dataset"):
    """An artifact of one file."""
    artifact = wandb.Artifact("data", type)
    with artifact.new_file("file.txt") as file:
        file.write(content)
    return artifact


def logged(project, artifact, **options):
    """The artifact as it was committed by a run of its own."""
    with wandb.init(project=project) as run:
        return run.log_artifact(artifact, **options).wait()


def find(project, name):
    """The version as the server has it now."""
    return wandb.Api().artifact(f"admin/{project}/{name}")


def versions(project):
    return sorted(found.version for found in wandb.Api().artifacts("dataset", f"admin/{project}/data"))


def test_the_same_content_again_gives_its_version_the_new_aliases(project):
    first = logged(project, built(), aliases=["once"])
    again = logged(project, built(), aliases=["again"])
    assert (again.id, again.version) == (first.id, "v0")
    assert versions(project) == ["v0"]
    assert {"once", "again"} <= set(find(project, "data:v0").aliases)


@pytest.mark.smoke
def test_an_artifact_is_saved_without_a_run(project):
    artifact = built()
    artifact.save(project=project)
    artifact.wait()
    found = find(project, "data:v0")
    assert found.digest == artifact.digest
    assert pathlib.Path(found.download("back"), "file.txt").read_text() == "one"


def test_finish_waits_for_what_is_still_uploading(project):
    script(
        """
        open("large.bin", "wb").write(os.urandom(8 << 20))
        run = wandb.init(project=project)
        run.log_artifact("large.bin", name="large", type="model")
        run.finish()
        """,
        project=project,
    )
    folder = find(project, "large:latest").download("back")
    assert pathlib.Path(folder, "large.bin").read_bytes() == pathlib.Path("large.bin").read_bytes()


def test_a_collection_keeps_to_its_type(project):
    logged(project, built())
    with wandb.init(project=project) as run, pytest.raises(ValueError, match="already exists with type"):
        run.log_artifact(built("two", type="model"))
    assert versions(project) == ["v0"]


@since(0, 31, "knows MD5 alone")
def test_a_version_is_hashed_by_xxh128(server, project, tmp_path):
    def build(**files):
        artifact = wandb.Artifact("data", "dataset", digest_algorithm="XXH128")
        for name, content in files.items():
            with artifact.new_file(name) as file:
                file.write(content)
        return artifact

    first = logged(project, build(a="one", b="two"))
    found = find(project, "data:v0")
    assert found.digest == found.manifest.digest() == first.digest
    assert [entry.extra for entry in found.manifest.entries.values()] == [{"alg": "XXH128"}] * 2
    folder = found.download(tmp_path / "back")
    found.verify(folder)
    assert pathlib.Path(folder, "b").read_text() == "two"
    assert logged(project, build(a="one", b="two")).id == first.id
    second = logged(project, build(a="one", c="three"))
    assert (second.version, second.digest) == ("v1", find(project, f"data:{second.digest}").digest)
    query = "query ($id: ID!) { artifact(id: $id) { digestAlgorithm artifactSequence { digestAlgorithm } } }"
    shown = server.graphql(query, id=second.id)["artifact"]
    assert shown == {"digestAlgorithm": "MANIFEST_XXH128", "artifactSequence": {"digestAlgorithm": "MANIFEST_XXH128"}}
    assert find(project, "data:v1").manifest.entries["a"].digest == found.manifest.entries["a"].digest


def test_a_draft_takes_over_what_it_does_not_change(project):
    first = built()
    kept = os.urandom(1000)
    pathlib.Path("kept.bin").write_bytes(kept)
    first.add_file("kept.bin")
    draft = logged(project, first).new_draft()
    draft.remove("file.txt")
    logged(project, draft)
    # Two folders: what one version left behind is not mistaken for the other's.
    assert sorted(os.listdir(find(project, "data:v0").download("v0"))) == ["file.txt", "kept.bin"]
    assert os.listdir(find(project, "data:v1").download("v1")) == ["kept.bin"]
    assert pathlib.Path("v1/kept.bin").read_bytes() == kept


def test_code_is_logged(project):
    pathlib.Path("src").mkdir()
    pathlib.Path("src/train.py").write_text("print('training')")
    pathlib.Path("src/notes.txt").write_text("not code")
    with wandb.init(project=project) as run:
        run.log_code("src", name="source").wait()
    found = find(project, "source:latest")
    assert (found.type, list(found.manifest.entries)) == ("code", ["train.py"])
    assert pathlib.Path(found.download("back"), "train.py").read_text() == "print('training')"
