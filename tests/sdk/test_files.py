"""Files of a run: saved while it trains, uploaded afterwards, listed, downloaded, deleted."""

import base64
import hashlib
import os
import pathlib

import httpx
import pytest
import wandb

from client import log_run, read_run

pytestmark = pytest.mark.usefixtures("server")


def md5(content):
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def names(files):
    """The files that are there; one that was asked for by name and is not has never been updated."""
    return sorted(file.name for file in files if file.updated_at)


@pytest.fixture
def run(project):
    """A finished run without files of its own."""
    return read_run(f"admin/{project}/{log_run(project, [{'x': 1}])}")


@pytest.fixture
def with_files(run):
    """The same run with a few."""
    for name in ("a.txt", "b.txt", "data/c.bin", "data/d_1.bin", "data/dx1.bin"):
        path = pathlib.Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"content of {name}")
        run.upload_file(name)
    return run


@pytest.mark.smoke
def test_saved_files_arrive_whole(project):
    content = os.urandom(1 << 20)
    pathlib.Path("out/deep").mkdir(parents=True)
    pathlib.Path("out/model.bin").write_bytes(content)
    pathlib.Path("out/deep/log.txt").write_text("übung")
    pathlib.Path("out/empty").touch()
    run = wandb.init(project=project)
    wandb.save("out/*", policy="now")
    run.save("out/deep/*", policy="end")
    run.finish()

    read = read_run(f"admin/{project}/{run.id}")
    files = {file.name: file for file in read.files()}
    assert {"out/model.bin", "out/deep/log.txt", "out/empty"} <= files.keys()
    assert {"config.yaml", "requirements.txt", "wandb-metadata.json", "wandb-summary.json"} <= files.keys()
    model = files["out/model.bin"]
    assert (model.size, model.md5) == (1 << 20, md5(content))
    assert files["out/deep/log.txt"].mimetype.startswith("text/plain")
    assert files["out/empty"].size == 0
    model.download(root="back").close()
    assert pathlib.Path("back/out/model.bin").read_bytes() == content
    assert files["out/deep/log.txt"].download(root="back").read() == "übung"


def test_a_file_saved_twice_is_the_last_one(project):
    run = wandb.init(project=project)
    for version in ("first", "second"):
        pathlib.Path("state.txt").write_text(version)
        run.save("state.txt", policy="now")
    run.finish()

    read = read_run(f"admin/{project}/{run.id}")
    assert names(read.files(names=["state.txt"])) == ["state.txt"]
    assert read.file("state.txt").download(root="back").read() == "second"


def test_a_file_is_found_by_the_path_it_was_saved_from(project):
    pathlib.Path("with space.txt").write_text("content")
    run = wandb.init(project=project)
    run.save("./with space.txt")
    run.finish()
    found = read_run(f"admin/{project}/{run.id}").file("./with space.txt")
    assert found.name == "with space.txt"
    assert found.download(root="back").read() == "content"


def test_metadata_of_the_run_is_readable(project):
    run_id = log_run(project)
    assert "python" in read_run(f"admin/{project}/{run_id}").metadata


def test_files_are_found_by_name_and_by_pattern(with_files):
    assert names(with_files.files(names=["a.txt", "data/c.bin", "nobody"])) == ["a.txt", "data/c.bin"]
    assert names(with_files.files(pattern="data/%.bin")) == ["data/c.bin", "data/d_1.bin", "data/dx1.bin"]
    assert names(with_files.files(pattern="data/d_1.bin")) == ["data/d_1.bin", "data/dx1.bin"]
    assert names(with_files.files(pattern="_.txt")) == ["a.txt", "b.txt"]


def test_files_come_in_pages(with_files):
    every = [file.name for file in with_files.files()]
    assert [file.name for file in with_files.files(per_page=2)] == every
    assert len(with_files.files(per_page=2)) == len(every)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "name",
    ["plain.txt", "deep/er/file.bin", "test with_special-characters.txt", "größe 50%.txt", "a+b&c=d#1.txt"],
)
def test_an_uploaded_file_downloads_the_same(run, name):
    content = f"content of {name}\n".encode() * 1000
    path = pathlib.Path("up", name)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    uploaded = run.upload_file(str(path), root="up")
    assert (uploaded.name, uploaded.size, uploaded.md5) == (name, len(content), md5(content))
    uploaded.download(root="down").close()
    assert pathlib.Path("down", name).read_bytes() == content


def test_a_file_uploaded_again_replaces_the_first(run):
    for content in ("one", "another"):
        pathlib.Path("f.txt").write_text(content)
        run.upload_file("f.txt")
    (file,) = run.files(names=["f.txt"])
    assert file.size == len("another")
    assert file.download(root="back").read() == "another"


def test_uploading_does_not_wake_a_finished_run(server, with_files):
    assert server.run("/".join(with_files.path), "state")["state"] == "finished"


@pytest.mark.smoke
def test_a_deleted_file_is_gone(with_files):
    (file,) = with_files.files(names=["a.txt"])
    before = len(with_files.files())
    file.delete()
    assert names(with_files.files(names=["a.txt"])) == []
    assert len(with_files.files()) == before - 1
    with pytest.raises(wandb.errors.CommError):
        file.download(root="back")


def test_a_url_needs_a_key_and_a_direct_url_needs_none(server, with_files):
    (file,) = with_files.files(names=["b.txt"])
    assert httpx.get(file.url).status_code == 401
    assert server.http.get(file.url).text == "content of b.txt"
    direct_url = file.direct_url if hasattr(file, "direct_url") else file.directUrl
    assert httpx.get(direct_url, follow_redirects=True).text == "content of b.txt"


def test_a_part_of_a_file_can_be_read(server, with_files):
    (file,) = with_files.files(names=["b.txt"])
    part = server.http.get(file.url, headers={"Range": "bytes=3-6"})
    assert (part.status_code, part.text) == (206, "tent")
    assert part.headers["content-range"] == "bytes 3-6/16"
    tail = server.http.get(file.url, headers={"Range": "bytes=-3"})
    assert tail.text == "txt"
    assert server.http.get(file.url, headers={"Range": "bytes=100-"}).status_code == 416


def test_a_large_file_goes_through(run):
    content = os.urandom(1 << 20) * 48
    pathlib.Path("large.bin").write_bytes(content)
    assert run.upload_file("large.bin").md5 == md5(content)
    run.file("large.bin").download(root="back").close()
    assert pathlib.Path("back/large.bin").read_bytes() == content
