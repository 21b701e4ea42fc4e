"""Artifacts that the client logs, finds, downloads, names, links and deletes."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import sys
from datetime import timedelta

import pytest
import wandb

from client import log_run, script, since
from server import eventually

pytestmark = pytest.mark.usefixtures("server")

SOON = {"gc.interval": "1s", "gc.grace": "1s", "gc.min_age": "1s", "gc.upload_window": "3s", "worker.poll": "200ms",
        "retention.artifacts": "0s"}


def write(folder, files):
    for name, content in files.items():
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def log(project, name, files, aliases=(), type="dataset", **options):
    """Logs a folder of files as a version, to its end."""
    with wandb.init(project=project) as run:
        artifact = wandb.Artifact(name, type, **options)
        for path, content in files.items():
            with artifact.new_file(path) as file:
                file.write(content)
        logged = run.log_artifact(artifact, aliases=list(aliases) or None)
        logged.wait()
    return logged


def find(project, name):
    """The version as the server has it now."""
    return wandb.Api().artifact(f"admin/{project}/{name}")


def names(artifacts):
    return sorted(artifact.name for artifact in artifacts)


@pytest.mark.smoke
def test_a_folder_is_logged_found_and_downloaded(project, tmp_path):
    files = {"a.txt": "hello", "deep/er/b with space.txt": "wörld"}
    write(tmp_path / "source", files)
    with wandb.init(project=project) as run:
        artifact = wandb.Artifact("data", "dataset", description="words", metadata={"lr": 0.1, "tags": ["x"]})
        artifact.add_dir(str(tmp_path / "source"))
        artifact.add_file(str(tmp_path / "source/a.txt"), name="copy.txt")
        logged = run.log_artifact(artifact, aliases=["best"])
        logged.wait()
        assert (logged.version, sorted(logged.aliases)) == ("v0", ["best", "latest"])
    for name in ["data:v0", "data:best", "data:latest", f"data:{logged.digest}"]:
        found = find(project, name)
        assert (found.id, found.description, found.metadata) == (logged.id, "words", {"lr": 0.1, "tags": ["x"]})
    assert (found.file_count, found.size, found.state) == (3, 5 + 6 + 5, "COMMITTED")
    folder = pathlib.Path(found.download(root=str(tmp_path / "there")))
    assert {name: (folder / name).read_text() for name in files} == files
    assert (folder / "copy.txt").read_text() == "hello"
    found.verify(root=str(folder))
    assert pathlib.Path(found.get_entry("a.txt").download(root=str(tmp_path / "one"))).read_text() == "hello"
    assert sorted(file.name for file in found.files()) == sorted([*files, "copy.txt"])
    assert [file.name for file in found.files(names=["a.txt"])] == ["a.txt"]
    assert found.logged_by().id == run.id


def test_versions_count_up_and_the_same_content_is_the_same_version(server, project):
    versions = [log(project, "data", {"x": content}).version for content in "010"]
    assert versions == ["v0", "v1", "v0"]
    assert sorted(find(project, "data:v0").aliases) == ["latest"]
    assert find(project, "data:v1").aliases == []


def test_a_second_version_uploads_only_what_changed(own_server, project):
    server = own_server({})
    files = {f"{number:04}": f"content {number}" for number in range(1000)}
    log(project, "data", files)
    before = server.count("blob", "content_digest IS NOT NULL")
    log(project, "data", {**files, "0500": "changed"})
    assert server.count("blob", "content_digest IS NOT NULL") == before + 1
    assert find(project, "data:v1").file_count == 1000


def test_files_are_read_in_ranges(project, tmp_path):
    content = "0123456789" * 20_000
    log(project, "data", {"big": content})
    folder = find(project, "data:v0").download(root=str(tmp_path / "there"), multipart=True)
    assert pathlib.Path(folder, "big").read_text() == content


def test_files_of_the_older_layout_are_read_by_their_digest(project, tmp_path):
    """As clients wrote it in the manifest that are older than these."""
    log(project, "data", {"a.txt": "hello"})
    found = find(project, "data:latest")
    policy = found.manifest.storage_policy
    policy._config = type(policy._config)(storageLayout="V1")
    path = found.get_entry("a.txt").download(str(tmp_path / "back"), skip_cache=True)
    assert pathlib.Path(path).read_text() == "hello"


def test_references_are_recorded_and_not_fetched(server, project, tmp_path):
    write(tmp_path, {"local.txt": "here"})
    with wandb.init(project=project) as run:
        artifact = wandb.Artifact("refs", "dataset")
        artifact.add_reference(f"file://{tmp_path}/local.txt", name="local")
        artifact.add_reference("https://far.example/key", name="far", checksum=False)
        run.log_artifact(artifact).wait()
    found = find(project, "refs:v0")
    assert found.manifest.entries["far"].ref == "https://far.example/key"
    assert pathlib.Path(found.get_entry("local").download(root=str(tmp_path / "there"))).read_text() == "here"
    assert server.count("artifact_entry", "reference IS NOT NULL") >= 2


def test_lineage_tells_who_made_and_who_used_it(project):
    made = log(project, "data", {"x": "1"})
    maker = made.logged_by()
    with wandb.init(project=project) as user:
        used = user.use_artifact("data:latest")
        assert used.id == made.id
    assert [run.id for run in find(project, "data:v0").used_by()] == [user.id]
    api = wandb.Api()
    assert names(api.run(f"admin/{project}/{user.id}").used_artifacts()) == ["data:v0"]
    assert names(api.run(f"admin/{project}/{maker.id}").logged_artifacts()) == ["data:v0"]
    with wandb.init(project=f"{project}-2") as elsewhere:
        elsewhere.use_artifact(f"admin/{project}/data:v0")
    assert len(find(project, "data:v0").used_by()) == 2


def test_aliases_tags_and_words_change(project):
    log(project, "data", {"x": "0"}, aliases=["best", "old"])
    log(project, "data", {"x": "1"})
    version = find(project, "data:v1")
    version.aliases.append("best")
    version.tags = ["good", "two words"]
    version.description, version.metadata = "better", {"acc": 1}
    version.save()
    found = find(project, "data:best")
    assert (found.version, sorted(found.tags), found.description) == ("v1", ["good", "two words"], "better")
    assert found.metadata == {"acc": 1}
    assert find(project, "data:v0").aliases == ["old"]
    found.aliases.remove("best")
    found.tags = ["good"]
    found.save()
    assert find(project, "data:v1").tags == ["good"]
    with pytest.raises(Exception, match="not found"):
        find(project, "data:best")


def test_collections_are_listed_renamed_and_deleted(project):
    for name in ["alpha", "beta"]:
        log(project, name, {"x": name})
    api = wandb.Api()
    assert [kind.name for kind in api.artifact_types(f"admin/{project}")] == ["dataset"]
    collections = api.artifact_type("dataset", f"admin/{project}").collections()
    assert sorted(collection.name for collection in collections) == ["alpha", "beta"]
    assert names(api.artifacts("dataset", f"admin/{project}/alpha")) == ["alpha:v0"]
    assert api.artifact_exists(f"admin/{project}/alpha:v0")
    assert not api.artifact_exists(f"admin/{project}/alpha:v7")
    alpha = api.artifact_collection("dataset", f"admin/{project}/alpha")
    alpha.name, alpha.description, alpha.tags = "gamma", "words", ["kept"]
    alpha.save()
    renamed = wandb.Api().artifact_collection("dataset", f"admin/{project}/gamma")
    assert (renamed.description, renamed.tags) == ("words", ["kept"])
    renamed.change_type("model")
    assert find(project, "gamma:v0").type == "model"
    beta = wandb.Api().artifact_collection("dataset", f"admin/{project}/beta")
    beta.delete()
    assert not wandb.Api().artifact_collection_exists(f"admin/{project}/beta", "dataset")
    with pytest.raises(Exception):
        beta.delete()


def test_a_link_is_a_name_for_the_same_version(project):
    log(project, "model", {"w": "0"}, type="model")
    shelf = f"{project}-shelf"
    log_run(shelf)
    source = find(project, "model:v0")
    source.link(f"admin/{shelf}/good", aliases=["prod"])
    source.link(f"admin/{shelf}/good")
    linked = find(shelf, "good:prod")
    assert (linked.version, linked.source_name, sorted(linked.aliases)) == ("v0", "model:v0", ["latest", "prod"])
    log(project, "model", {"w": "1"}, type="model").link(f"admin/{shelf}/good")
    assert find(shelf, "good:v1").source_name == "model:v1"
    linked.unlink()
    with pytest.raises(Exception, match="not found"):
        find(shelf, "good:prod")
    assert find(project, "model:v0").version == "v0"
    other = log(project, "data", {"x": "1"})
    with pytest.raises(Exception, match="type"):
        other.link(f"admin/{shelf}/good")


def test_a_version_with_aliases_is_deleted_only_on_demand(project):
    for content in "01":
        log(project, "data", {"x": content})
    newest = find(project, "data:v1")
    with pytest.raises(Exception, match="aliases"):
        newest.delete()
    newest.delete(delete_aliases=True)
    with pytest.raises(Exception, match="not found"):
        find(project, "data:v1")
    assert find(project, "data:latest").version == "v0"
    assert log(project, "data", {"x": "2"}).version == "v2"


def test_time_to_live_is_set_inherited_and_disabled(project):
    logged = log(project, "data", {"x": "0"})
    version = find(project, "data:v0")
    assert version.ttl is None
    version.ttl = timedelta(days=3)
    version.save()
    assert find(project, "data:v0").ttl == timedelta(days=3)
    version.ttl = None
    version.save()
    assert find(project, "data:v0").ttl is None
    assert logged.id == version.id


def test_bytes_of_deleted_versions_leave_the_store_and_shared_ones_stay(own_server, project):
    server = own_server(SOON)
    log(project, "data", {"shared": "both have it", "own": "x" * 100_000})
    log(project, "data", {"shared": "both have it", "other": "small"})
    before = server.stored_bytes()
    find(project, "data:v0").delete(delete_aliases=True)
    eventually(lambda: server.stored_bytes() < before - 100_000)
    eventually(lambda: server.count("artifact_entry") == 2)
    kept = find(project, "data:v1")
    assert pathlib.Path(kept.get_entry("shared").download(root="there")).read_text() == "both have it"


def test_a_run_takes_its_artifacts_along_when_told_to(project):
    kept, gone = (log(project, name, {"x": name}) for name in ["kept", "gone"])
    api = wandb.Api()
    api.run(f"admin/{project}/{kept.logged_by().id}").delete()
    api.run(f"admin/{project}/{gone.logged_by().id}").delete(delete_artifacts=True)
    assert find(project, "kept:v0").version == "v0"
    with pytest.raises(Exception, match="not found"):
        find(project, "gone:v0")


def test_what_a_killed_writer_left_is_given_up(own_server, project):
    server = own_server(SOON)
    begin = """
        run = wandb.init(project=project)
        artifact = wandb.Artifact("data", "dataset")
        with artifact.new_file("x") as file:
            file.write("x" * 1000)
        run.log_artifact(artifact)
        print("begun", flush=True)
        os._exit(1)
    """
    with contextlib.suppress(AssertionError):
        script(begin, project=project)
    eventually(lambda: server.count("artifact", "state = 'pending'") == 0)
    eventually(lambda: server.count("artifact_upload") == 0)


def test_several_writers_make_one_version(project):
    group, folder = f"group-{project}", pathlib.Path.cwd()
    for number in range(2):
        write(folder, {f"part{number}": f"content {number}"})
        with wandb.init(project=project, group=group) as run:
            artifact = wandb.Artifact("together", "dataset")
            artifact.add_file(f"part{number}")
            run.upsert_artifact(artifact, distributed_id=group)
    with wandb.init(project=project, group=group) as run:
        artifact = wandb.Artifact("together", "dataset")
        run.finish_artifact(artifact, distributed_id=group)
    found = eventually(lambda: wandb.Api().artifact_exists(f"admin/{project}/together:v0") and find(project, "together:v0"))
    assert sorted(found.manifest.entries) == ["part0", "part1"]


def test_an_incremental_version_adds_to_the_one_before(project):
    log(project, "data", {"a": "1", "b": "1"})
    with wandb.init(project=project) as run:
        draft = run.use_artifact("data:latest").new_draft()
        with draft.new_file("c") as file:
            file.write("2")
        draft.remove("a")
        run.log_artifact(draft).wait()
    assert sorted(find(project, "data:v1").manifest.entries) == ["b", "c"]
    with wandb.init(project=project) as run:
        added = wandb.Artifact("data", "dataset", incremental=True)
        with added.new_file("d") as file:
            file.write("3")
        run.log_artifact(added).wait()
    assert sorted(find(project, "data:v2").manifest.entries) == ["b", "c", "d"]


def test_tables_are_read_back_from_artifacts(project):
    with wandb.init(project=project) as run:
        table = wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]])
        artifact = wandb.Artifact("tables", "dataset")
        artifact.add(table, "one")
        run.log_artifact(artifact).wait()
        run.log({"shown": table})
    with wandb.init(project=project) as run:
        read = run.use_artifact("tables:latest").get("one")
        assert (read.columns, read.data) == (["a", "b"], [[1, "x"], [2, "y"]])
        joined = wandb.Artifact("joined", "dataset")
        joined.add(wandb.JoinedTable(read, read, "a"), "both")
        run.log_artifact(joined).wait()
    assert "both.joined-table.json" in find(project, "joined:latest").manifest.entries


def test_an_offline_run_brings_its_artifact_along(project, tmp_path):
    with wandb.init(project=project, mode="offline", dir=str(tmp_path)) as run:
        artifact = wandb.Artifact("data", "dataset")
        with artifact.new_file("x") as file:
            file.write("offline")
        run.log_artifact(artifact)
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    subprocess.run([sys.executable, "-m", "wandb", "sync", str(folder)], check=True, capture_output=True)
    assert pathlib.Path(find(project, "data:v0").download(root=str(tmp_path / "there")), "x").read_text() == "offline"


def test_the_command_line_puts_lists_and_gets(project, tmp_path):
    write(tmp_path, {"f.txt": "content"})

    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "wandb", "artifact", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "WANDB_SILENT": "false"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    name = f"admin/{project}/put"
    log_run(project)
    command("put", "--name", name, "--type", "dataset", str(tmp_path / "f.txt"))
    assert "put:v0" in command("ls", f"admin/{project}")
    command("get", "--root", str(tmp_path / "got"), f"{name}:v0")
    assert (tmp_path / "got/f.txt").read_text() == "content"


@since(0, 31, "saves a model otherwise")
def test_a_model_is_logged_and_used(project, tmp_path):
    write(tmp_path, {"weights": "0"})
    with wandb.init(project=project) as run:
        run.log_model(str(tmp_path / "weights"), name="net")
    with wandb.init(project=project) as run:
        assert pathlib.Path(run.use_model("net:latest")).read_text() == "0"


def test_a_model_is_registered_by_name(own_server, tmp_path):
    """On a server that knows no project of registered models yet."""
    own_server({})
    write(tmp_path, {"weights": "0"})
    with wandb.init(project="demo") as run:
        linked = run.link_model(str(tmp_path / "weights"), "detector", name="net", aliases=["prod"])
    assert linked.qualified_name == "admin/model-registry/detector:v0"
    found = find("model-registry", "detector:prod")
    assert (found.source_qualified_name, sorted(found.aliases)) == ("admin/demo/net:v0", ["latest", "prod"])
    assert pathlib.Path(found.download(), "weights").read_text() == "0"


def test_the_manifest_is_kept_as_it_came(server, project):
    logged = log(project, "data", {"x": "1"})
    query = "query ($id: ID!) { artifact(id: $id) { currentManifest { file { directUrl digest } } } }"
    file = server.graphql(query, id=logged.id)["artifact"]["currentManifest"]["file"]
    content = server.http.get(file["directUrl"]).content
    assert base64.b64encode(hashlib.md5(content).digest()).decode() == file["digest"]
    assert list(json.loads(content)["contents"]) == ["x"]
