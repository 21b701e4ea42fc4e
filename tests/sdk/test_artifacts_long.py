"""Artifacts of many files, and of large ones."""

import pathlib

import pytest
import wandb

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

MANY = 10_000
LARGE = 3 << 30
# What the server may have in memory, however much goes through it.
MEMORY = 300 << 20


def log(project, name, fill):
    with wandb.init(project=project) as run:
        artifact = wandb.Artifact(name, "dataset")
        fill(artifact)
        run.log_artifact(artifact).wait(timeout=1500)


def find(project, name):
    return wandb.Api(timeout=120).artifact(f"admin/{project}/{name}")


def test_ten_thousand_files_are_logged_downloaded_and_verified(
    own_server, project, tmp_path, record_property
):
    server = own_server({})
    source, back = tmp_path / "source", tmp_path / "back"
    for number in range(MANY):
        file = source / f"{number % 100:02}" / f"{number:05}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content of {number}")
    begun = server.requests()
    log(project, "many", lambda artifact: artifact.add_dir(str(source)))
    logged = server.requests() - begun
    found = find(project, "many:v0")
    assert found.file_count == len(found.manifest.entries) == MANY
    begun = server.requests()
    found.download(root=str(back), skip_cache=True)
    downloaded = server.requests() - begun
    found.verify(root=str(back))
    assert {str(file.relative_to(back)) for file in back.rglob("*.txt")} == set(found.manifest.entries)
    record_property("requests of a log", dict(logged))
    record_property("requests of a download", dict(downloaded))
    # Each file is sent once, beside those of the run, and asked for once; else one request is for many files.
    assert MANY < logged["PUT /objects/{token}"] < MANY + 10
    assert downloaded["GET /objects/{token}"] == MANY
    assert logged["POST /graphql"] < MANY / 50
    assert downloaded["POST /graphql"] < MANY / 50
    assert server.peak_memory() < MEMORY


def test_a_file_of_three_gibibytes_comes_and_goes_in_parts(own_server, project, tmp_path, record_property):
    server = own_server({})
    source, back = tmp_path / "large.bin", tmp_path / "back"
    with source.open("wb") as file:
        file.truncate(LARGE)
        # No two parts are the same.
        for number in range(LARGE >> 20):
            file.seek(number << 20)
            file.write(number.to_bytes(8))
    log(
        project,
        "large",
        lambda artifact: artifact.add_file(str(source), policy="immutable", skip_cache=True),
    )
    assert server.requests()["PUT /objects/{token}"] > LARGE // (100 << 20)
    # The file and its manifest are there, each once.
    assert LARGE < server.stored_bytes() < LARGE + (1 << 20)
    assert server.unfinished_uploads() == 0
    found = find(project, "large:v0")
    assert found.size == LARGE
    found.download(root=str(back), skip_cache=True)
    found.verify(root=str(back))
    record_property("peak memory of the server, MiB", server.peak_memory() >> 20)
    assert server.peak_memory() < MEMORY
    pathlib.Path(back, "large.bin").unlink()
