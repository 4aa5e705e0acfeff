"""What the templates let the books' jobs do, and when."""

from infra.rules.templates import ROOT, definition, resources

LEDGER = ROOT / "infra" / "ledger.yaml"


def schedule_of(name: str) -> str:
    (event,) = resources(LEDGER)[name]["Properties"]["Events"].values()
    return str(event["Properties"]["Schedule"])


def test_expired_holds_are_released_each_minute_and_the_books_proved_each_day() -> None:
    assert schedule_of("ReleaseHoldsFunction") == "rate(1 minute)"
    assert schedule_of("RegisterToVerifiedStateMachine") == "cron(40 3 * * ? *)"


def test_the_proof_reads_every_shard_of_the_register() -> None:
    from gpubroker.ledger.items import REGISTER_SHARDS

    machine = definition(ROOT / "statemachines" / "ledger" / "register_to_verified.asl.yaml")
    assert machine["States"]["NameShards"]["Parameters"]["shards"] == list(range(REGISTER_SHARDS))


def test_who_proves_the_books_cannot_write_an_entry() -> None:
    for policy in resources(LEDGER)["VerifyShardFunction"]["Properties"]["Policies"]:
        for statement in policy["Statement"]:
            assert not {"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Scan"} & set(statement["Action"])
