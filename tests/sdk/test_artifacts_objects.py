"""Tables, media and entries that artifacts keep, also where one artifact refers to another."""

import pathlib

import numpy
import pytest
import wandb

pytestmark = pytest.mark.usefixtures("server")

RED = numpy.full((4, 4, 3), (255, 0, 0), dtype=numpy.uint8)
COLUMNS = ["id", "image"]


def log(project, artifact):
    with wandb.init(project=project) as run:
        return run.log_artifact(artifact).wait()


def find(project, name):
    """The version as the server has it now."""
    return wandb.Api().artifact(f"admin/{project}/{name}")


def pixels(image):
    """The pixels of an image that came back."""
    return numpy.asarray(image.image)


def of_one_file(name, content="content"):
    artifact = wandb.Artifact(name, "dataset")
    with artifact.new_file("deep/file.txt") as file:
        file.write(content)
    return artifact


def test_a_table_keeps_its_images(project):
    artifact = wandb.Artifact("pictures", "dataset")
    artifact.add(wandb.Table(columns=COLUMNS, data=[[1, wandb.Image(RED)]]), "table")
    log(project, artifact)
    found = find(project, "pictures:v0")
    assert found.file_count == 2
    table = found.get("table")
    ((number, image),) = table.data
    assert (table.columns, number) == (COLUMNS, 1)
    assert (pixels(image) == RED).all()


def test_a_table_refers_to_images_of_another_artifact(project):
    pictures = wandb.Artifact("pictures", "dataset")
    pictures.add(wandb.Image(RED), "red")
    log(project, pictures)
    with wandb.init(project=project) as run:
        red = run.use_artifact("pictures:latest").get("red")
        table = wandb.Artifact("table", "dataset")
        table.add(wandb.Table(columns=COLUMNS, data=[[1, red]]), "rows")
        run.log_artifact(table).wait()
    found = find(project, "table:v0")
    (reference,) = [entry.ref for entry in found.manifest.entries.values() if entry.ref]
    assert reference.startswith("wandb-artifact://")
    ((_, image),) = found.get("rows").data
    assert (pixels(image) == RED).all()
    folder = pathlib.Path(found.download("back"))
    assert len(list(folder.rglob("*.png"))) == 1


def test_tables_are_joined_across_artifacts(project):
    for name, values in [("left", ["a", "b"]), ("right", ["c", "d"])]:
        artifact = wandb.Artifact(name, "dataset")
        artifact.add(wandb.Table(columns=["id", name], data=list(enumerate(values))), name)
        log(project, artifact)
    with wandb.init(project=project) as run:
        left, right = (run.use_artifact(f"{name}:v0").get(name) for name in ("left", "right"))
        joined = wandb.Artifact("joined", "dataset")
        joined.add(wandb.JoinedTable(left, right, "id"), "both")
        run.log_artifact(joined).wait()
    found = find(project, "joined:v0")
    assert found.get("both") == wandb.JoinedTable(left, right, "id")
    # The tables stay where they are.
    assert [entry.ref is None for entry in found.manifest.entries.values()].count(False) == 2


def test_an_artifact_refers_to_an_entry_of_another(project):
    first = log(project, of_one_file("first"))
    second = wandb.Artifact("second", "dataset")
    second.add_reference(first.get_entry("deep/file.txt"), name="borrowed.txt")
    log(project, second)
    entry = find(project, "second:v0").get_entry("borrowed.txt")
    assert entry.ref.startswith("wandb-artifact://")
    assert pathlib.Path(entry.download(root="back")).read_text() == "content"
    folder = find(project, "second:v0").download("whole")
    assert pathlib.Path(folder, "borrowed.txt").read_text() == "content"
    third = wandb.Artifact("third", "dataset")
    third.add_reference(entry.ref, name="again.txt")
    log(project, third)
    assert pathlib.Path(find(project, "third:v0").download("third"), "again.txt").read_text() == "content"


def test_a_reference_to_a_reference_leads_where_that_one_does(project):
    first = wandb.Artifact("first", "dataset")
    first.add_reference("https://far.example/key", name="far", checksum=False)
    second = wandb.Artifact("second", "dataset")
    second.add_reference(log(project, first).get_entry("far"), name="farther")
    log(project, second)
    assert find(project, "second:v0").get_entry("farther").ref_target() == "https://far.example/key"


def test_a_folder_is_checked_out_and_verified(project):
    log(project, of_one_file("data"))
    found = find(project, "data:v0")
    pathlib.Path("there").mkdir()
    pathlib.Path("there/stray").touch()
    found.checkout("there")
    assert [str(path.relative_to("there")) for path in pathlib.Path("there").rglob("*.*")] == ["deep/file.txt"]
    found.verify("there")
    pathlib.Path("there/deep/file.txt").chmod(0o644)
    pathlib.Path("there/deep/file.txt").write_text("changed")
    with pytest.raises(ValueError, match="[Dd]igest"):
        found.verify("there")


def test_a_file_of_an_artifact_is_one_path_away(project):
    log(project, of_one_file("data"))
    found = find(project, "data:v0")
    assert pathlib.Path(found.file("one")).read_text() == "content"
    assert found.get("deep/file.txt") is None
    with pytest.raises(KeyError):
        found.get_entry("missing.txt")
    (listed,) = found.files()
    assert (listed.name, listed.size) == ("deep/file.txt", len("content"))
    with listed.download(root="two") as file:
        assert file.read() == "content"


def test_a_link_stays_what_it_is_when_it_is_changed(project):
    for content in ("one", "two"):
        log(project, of_one_file("data", content))
    shelf = f"{project}-shelf"
    log(shelf, of_one_file("other"))
    find(project, "data:v1").link(f"admin/{shelf}/good", aliases=["kept"])
    link = find(shelf, "good:v0")
    link.aliases.append("more")
    link.description = "words"
    link.save()
    assert (link.version, link.source_version, sorted(link.aliases)) == ("v0", "v1", ["kept", "latest", "more"])
    assert pathlib.Path(link.download("back"), "deep/file.txt").read_text() == "two"
    # In the sequence its version is no alias.
    assert find(project, "data:v1").aliases == ["latest"]
