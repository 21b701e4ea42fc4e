"""Registries through the client: made, changed, found, deleted, and who belongs to them."""

import uuid

import pytest
import wandb

from client import since

def fresh(kind):
    """A name that nobody has."""
    return f"{kind}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def organization(server):
    name = fresh("org")
    server.command("org", "create", f"{name} Inc.", "--entity", name, "--admin", "admin")
    return f"{name} Inc."


@pytest.fixture
def registry(api, organization):
    return api.create_registry("model", "organization", organization=organization, description="all of them")


@pytest.fixture
def person(server, organization):
    """A member of the organization, with their key."""
    name = fresh("user")
    key = server.create_user(name, "--email", f"{name}@example.org")
    server.command("org", "add-member", organization, name)
    return name, key


def test_a_registry_is_made_and_loaded(api, organization, registry):
    assert registry.full_name == "wandb-registry-model"
    assert (registry.organization, registry.visibility) == (organization, "organization")
    assert registry.allow_all_artifact_types
    found = api.registry("model", organization)
    assert found.description == "all of them"
    found.load()
    with pytest.raises(ValueError, match="different name"):
        api.create_registry("model", "organization", organization=organization)
    with pytest.raises(ValueError, match="Failed to load"):
        api.registry("other", organization)


def test_a_registry_is_changed(api, organization, registry):
    registry.description = "few"
    registry.visibility = "restricted"
    registry.name = "models"
    registry.save()
    found = api.registry("models", organization)
    assert (found.description, found.visibility) == ("few", "restricted")


def test_a_registry_is_deleted(api, organization, registry):
    registry.delete()
    with pytest.raises(ValueError, match="Failed to load"):
        api.registry("model", organization)
    assert api.create_registry("model", "restricted", organization=organization).description is None


def test_a_registry_takes_the_types_that_it_has(api, organization, project):
    registry = api.create_registry(
        "model", "organization", organization=organization, artifact_types=["model"]
    )
    assert not registry.allow_all_artifact_types
    assert list(registry.artifact_types) == ["model"]
    registry.artifact_types.append("dataset")
    registry.save()
    assert set(api.registry("model", organization).artifact_types) == {"model", "dataset"}


def test_a_version_is_linked_and_used_by_another_team(server, api, organization, registry, use_client, project):
    """Who sees only the registry uses what is in it."""
    entity = registry.entity
    run = wandb.init(project=project)
    artifact = wandb.Artifact("weights", "model")
    with artifact.new_file("w.txt") as file:
        file.write("content")
    run.log_artifact(artifact).wait()
    run.link_artifact(artifact, f"{entity}/wandb-registry-model/best")
    run.finish()
    name = fresh("user")
    key = server.create_user(name)
    server.command("org", "add-member", organization, name, "--role", "viewer")
    use_client(server, key)
    found = wandb.Api().artifact(f"{entity}/wandb-registry-model/best:latest")
    folder = found.download()
    assert open(f"{folder}/w.txt").read() == "content"


def test_registries_are_searched(api, organization):
    for name in ("model", "dataset", "mode"):
        api.create_registry(name, "organization", organization=organization, description=f"of {name}")

    def names(**options):
        return [found.name for found in api.registries(organization, **options)]

    assert set(names()) == {"model", "dataset", "mode"}
    assert names(filter={"name": "model"}) == ["model"]
    assert set(names(filter={"name": {"$regex": "mod"}})) == {"model", "mode"}
    assert set(names(filter={"$or": [{"name": "dataset"}, {"description": "of mode"}]})) == {
        "dataset",
        "mode",
    }


@since(0, 22, "knows nothing of members")
def test_members_have_roles(server, api, organization, registry, person):
    name, key = person
    team = fresh("team")
    server.command("team", "create", team, "--org", organization, "--admin", "admin")
    assert [(member.user.username, member.role) for member in registry.user_members()] == [("admin", "admin")]
    registry.add_members(api.user(name), api.team(team))
    (_, added) = registry.user_members()
    assert (added.user.username, added.role) == (name, "member")
    (with_team,) = registry.team_members()
    assert (with_team.team.name, with_team.role) == (team, "member")
    registry.update_member(added, "viewer")
    registry.update_member(with_team, "admin")
    assert [member.role for member in registry.members()] == ["admin", "viewer", "admin"]
    registry.remove_members(added, with_team)
    assert len(registry.members()) == 1


@since(0, 22, "knows nothing of members")
def test_a_restricted_registry_is_for_its_members(server, api, organization, use_client, person):
    name, key = person
    api.create_registry("hidden", "restricted", organization=organization)
    use_client(server, key)
    with pytest.raises(ValueError, match="Failed to load"):
        wandb.Api().registry("hidden", organization)
    assert list(wandb.Api().registries(organization)) == []
    use_client(server)
    api = wandb.Api()
    api.registry("hidden", organization).add_members(api.user(name))
    use_client(server, key)
    seen = wandb.Api().registry("hidden", organization)
    with pytest.raises(ValueError, match="Failed to save"):
        seen.description = "mine"
        seen.save()
