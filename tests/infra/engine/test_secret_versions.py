"""A version of a secret lives as long as it has a label, its own ones included (patch secret_versions)."""

import uuid

import pytest


@pytest.fixture
def secrets(engine):
    client = engine.client("secretsmanager")
    name = f"keys-{uuid.uuid4()}"
    client.create_secret(Name=name, SecretString="{}")
    yield client, name
    client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def put(client, name: str, label: str) -> str:
    version = str(uuid.uuid4())
    client.put_secret_value(
        SecretId=name, ClientRequestToken=version, SecretString=label, VersionStages=["AWSCURRENT", label]
    )
    return version


def test_a_version_with_a_label_of_its_own_outlives_later_ones(secrets):
    client, name = secrets
    versions = {put(client, name, label): label for label in ("first", "second", "third", "fourth")}
    for version, label in versions.items():
        assert client.get_secret_value(SecretId=name, VersionId=version)["SecretString"] == label
    stages = client.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert sorted(map(sorted, stages.values())) == [
        ["AWSCURRENT", "fourth"],
        ["AWSPREVIOUS", "third"],
        ["first"],
        ["second"],
    ]


def test_a_label_is_on_one_version_at_a_time(secrets):
    client, name = secrets
    first, second = put(client, name, "mine"), put(client, name, "mine")
    stages = client.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert "mine" in stages[second]
    assert "mine" not in stages[first]
