from dataclasses import replace

from gpubroker.identity.standing import MAX_SESSIONS, superseded_sessions


def test_a_login_ends_expired_sessions_and_the_longest_unused_beyond_the_cap(world):
    now = 1000.0
    sessions = {f"ses_{n:02}": world.session(refreshed_at=n, expires_at=2000) for n in range(MAX_SESSIONS)}
    sessions["ses_dead"] = world.session(refreshed_at=999, expires_at=1000)
    standing = replace(world.person(), sessions=sessions)
    assert superseded_sessions(standing, now) == ["ses_dead", "ses_00"]


def test_below_the_cap_nobody_is_logged_out(world):
    assert superseded_sessions(world.person(), 1000.0) == []


def test_a_cap_that_was_passed_by_a_race_is_restored_by_the_next_login(world):
    sessions = {f"ses_{n:02}": world.session(refreshed_at=n, expires_at=2000) for n in range(MAX_SESSIONS + 5)}
    assert len(superseded_sessions(replace(world.person(), sessions=sessions), 1000.0)) == 6
