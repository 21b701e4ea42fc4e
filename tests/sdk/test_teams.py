"""Teams, their members and service accounts, users and their keys, through the client."""

import subprocess
import uuid

import pytest
import wandb

from client import REFUSED, log_run, read_run, since
from server import GraphQLError


def fresh(kind):
    """A name that nobody has."""
    return f"{kind}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def organization(server):
    name = fresh("org")
    server.command("org", "create", name, "--admin", "admin")
    return name


@pytest.fixture
def team(server, organization):
    """A team that the administrator of the instance administers."""
    name = fresh("team")
    server.command("team", "create", name, "--org", organization, "--admin", "admin")
    return name


@pytest.fixture
def person(server):
    """A user and their key."""
    name = fresh("user")
    return name, server.create_user(name, "--email", f"{name}@example.org")


def members(api, team):
    return {member.name: member for member in api.team(team).members}


@pytest.mark.smoke
def test_a_team_is_made_and_shown(server, api, organization):
    name = fresh("team")
    made = server.graphql(
        "mutation ($t: String!, $o: String) { createTeam(input: { teamName: $t, organizationName: $o }) "
        "{ entity { name } } }",
        t=name,
        o=organization,
    )
    assert made["createTeam"]["entity"]["name"] == name
    team = api.team(name)
    assert (team.is_team, team.read_only, team.default_access) == (True, False, "PRIVATE")
    assert [(member.name, member.account_type) for member in team.members] == [("admin", "USER")]
    assert name in wandb.Api().viewer.teams
    own = api.team("admin")
    assert own.members[0].account_type == "USER"


@pytest.mark.smoke
def test_create_team(server, use_client, person):
    name, key = person
    use_client(server, key)
    api = wandb.Api()
    team = fresh("team")
    assert api.create_team(team).members[0].name == name
    # A name that is taken is one's own team again, or nobody's that one may see.
    assert api.create_team(team).members[0].name == name
    assert wandb.Api().viewer.teams == [name, team]


@pytest.mark.smoke
def test_invite(server, api, team, person):
    name, _ = person
    assert api.team(team).invite(name)
    assert not api.team(team).invite(name)
    assert api.team(team).invite("someone@example.org", admin=True)
    assert not api.team(team).invite("someone@example.org")
    asked = members(api, team)
    assert asked["someone@example.org"].pending
    assert not asked[name].pending
    assert asked[name].delete()
    assert asked["someone@example.org"].delete()
    assert list(members(api, team)) == ["admin"]


@pytest.mark.smoke
def test_a_service_account_logs_for_its_team(server, api, team, use_client, project):
    account = api.team(team).create_service_account("nightly")
    assert (account.name, account.account_type) == ("nightly", "SERVICE")
    use_client(server, account.api_key)
    assert wandb.Api().default_entity == team
    run_id = log_run(project, [{"x": 1}])
    use_client(server)
    assert read_run(f"{team}/{project}/{run_id}").summary["x"] == 1


@pytest.mark.smoke
def test_a_member_works_and_a_viewer_reads(server, team, use_client, person, project):
    name, key = person
    server.command("team", "add-member", team, name)
    use_client(server, key)
    log_run(project, [{"x": 1}], entity=team, id="r")
    assert wandb.Api().viewer.teams == [name, team]
    assert [found.name for found in wandb.Api().projects(team)] == [project]
    server.command("team", "add-member", team, name, "--role", "viewer")
    assert read_run(f"{team}/{project}/r").summary["x"] == 1
    with pytest.raises(REFUSED):
        run = read_run(f"{team}/{project}/r")
        run.display_name = "mine"
        run.update()
    with pytest.raises(wandb.errors.Error):
        wandb.init(entity=team, project=project)
    use_client(server)
    assert read_run(f"{team}/{project}/r").summary["x"] == 1


def test_an_outsider_sees_nothing(server, team, use_client, person, project):
    log_run(project, [{"x": 1}], entity=team, id="r")
    use_client(server, person[1])
    with pytest.raises(REFUSED):
        read_run(f"{team}/{project}/r")
    with pytest.raises(REFUSED):
        list(wandb.Api().projects(team))
    with pytest.raises(wandb.errors.Error):
        wandb.init(entity=team, project=project)
    with pytest.raises(GraphQLError):
        server.graphql(
            "mutation ($t: String!) { addTeamMember(input: { teamName: $t, username: \"admin\" }) { success } }",
            key=person[1],
            t=team,
        )


def test_users_are_made_and_found(server, api):
    name = fresh("joan")
    made = api.create_user(f"{name}@example.org")
    assert (made.username, made.email, made.admin) == (name, f"{name}@example.org", False)
    found = api.user(f"{name}@example.org")
    assert found.username == name
    assert name in [user.username for user in api.users("@example.org")]
    assert api.user(fresh("nobody")) is None
    with pytest.raises(REFUSED):
        api.create_user(f"{name}@example.org")


def test_only_an_administrator_makes_users(server, use_client, person):
    use_client(server, person[1])
    with pytest.raises(Exception, match="not allowed"):
        wandb.Api().create_user("x@example.org")
    assert wandb.Api().user("admin") is None


@since(0, 22, "takes the name of a key for the key")
def test_keys_are_made_and_deleted(server, use_client, person):
    name, key = person
    use_client(server, key)
    viewer = wandb.Api().viewer
    (first,) = viewer.api_keys
    made = viewer.generate_api_key("laptop")
    assert server.graphql("{ viewer { username } }", key=made)["viewer"]["username"] == name
    listed = wandb.Api().viewer
    assert len(listed.api_keys) == 2
    assert made.startswith(listed.api_keys[1])
    assert listed.delete_api_key(listed.api_keys[1])
    assert wandb.Api().viewer.api_keys == [first]
    assert not wandb.Api().viewer.delete_api_key(first), "the last key"


@since(0, 22, "has no Api.organization")
def test_an_organization_is_found_by_either_name(server, api):
    name = fresh("org")
    server.command("org", "create", f"{name} Inc.", "--entity", name, "--admin", "admin")
    for given in (name, f"{name} Inc."):
        found = api.organization(given)
        assert (found.name, found.org_entity.name) == (f"{name} Inc.", name)
    with pytest.raises(REFUSED, match="not found"):
        api.organization(fresh("org"))


def test_commands_say_what_is_wrong(server, organization):
    for line in (
        ["org", "create", organization],
        ["team", "create", fresh("team"), "--org", fresh("org")],
        ["team", "add-member", fresh("team"), "admin"],
        ["org", "add-member", organization, fresh("user")],
    ):
        with pytest.raises(subprocess.CalledProcessError) as failed:
            server.command(*line)
        assert failed.value.returncode == 1
    with pytest.raises(subprocess.CalledProcessError) as failed:
        server.command("org", "add-member", organization, "admin", "--role", "king")
    assert failed.value.returncode == 2
    assert "admin" in failed.value.stderr
