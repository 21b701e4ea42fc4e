"""One server for the tests that change no setting, and one of its own for each that does."""

import os
import uuid

import pytest
import wandb

from client import environment, tear_down
from server import Server


def pytest_addoption(parser):
    parser.addoption(
        "--database", choices=["sqlite", "postgres"], default="sqlite", help="where the server keeps its rows"
    )
    parser.addoption(
        "--store", choices=["folder", "s3"], default="folder", help="where the server keeps its objects"
    )
    parser.addoption("--long", action="store_true", help="also what takes minutes and gigabytes")
    parser.addoption("--kills", type=int, default=20, help="how often test_kill.py kills the server")


def pytest_report_header(config):
    return f"wandb {wandb.__version__} on {config.getoption('database')} and {config.getoption('store')}"


def pytest_collection_modifyitems(config, items):
    """What is about the folder of objects has nothing to ask of another store; long tests are asked for."""
    unwanted = []
    if config.getoption("store") != "folder":
        unwanted.append("folder")
    if not config.getoption("long"):
        unwanted.append("long")
    others = [item for item in items if any(item.get_closest_marker(name) for name in unwanted)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def pytest_terminal_summary(terminalreporter):
    """What a test counted, rather than only found right."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def database(request):
    return request.config.getoption("database")


@pytest.fixture(scope="session")
def store(request):
    return request.config.getoption("store")


def forget_settings():
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def clean_environment():
    """None of the settings of whoever runs the tests reaches the client."""
    forget_settings()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory, database, store):
    server = Server(tmp_path_factory.mktemp("server"), database, store, settings={})
    yield server
    server.discard()


@pytest.fixture
def own_server(tmp_path_factory, database, store, use_client):
    """Starts a server with settings of the test, and points the client at it."""
    servers = []

    def start(settings, **limits):
        names = {
            f"COUNTERWEIGHT_{name.upper().replace('.', '__')}": value for name, value in settings.items()
        }
        servers.append(Server(tmp_path_factory.mktemp("server"), database, store, names, **limits))
        use_client(servers[-1])
        return servers[-1]

    yield start
    tear_down()  # while there is a server to tell
    for server in servers:
        server.discard()


@pytest.fixture
def use_client(monkeypatch, tmp_path):
    """Points the client at a server, as a user of it."""
    monkeypatch.chdir(tmp_path)
    # Who reads a sweep has its entity and its project there afterwards.
    forget_settings()

    def use(server, key=None):
        tear_down()
        for name, value in environment(server, tmp_path, key).items():
            monkeypatch.setenv(name, value)

    yield use
    tear_down()


@pytest.fixture
def server(shared_server, use_client):
    use_client(shared_server)
    return shared_server


@pytest.fixture
def project():
    """A project that nobody has used."""
    return f"project-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def api(server):
    return wandb.Api()
