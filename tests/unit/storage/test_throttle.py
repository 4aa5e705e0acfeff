from hypothesis import given
from hypothesis import strategies as st

from gpubroker.storage.throttle import Limit, count_of, network_of

LOGIN = Limit("login-account", 10, 900)


def test_tries_of_one_window_share_a_counter_and_the_next_window_has_another():
    first, same, later = (count_of(LOGIN, "ada@example.com", now) for now in (900.0, 1799.9, 1800.0))
    assert first == same
    assert first.key != later.key
    assert first.ends_at == 1800


def test_the_name_behind_a_counter_cannot_be_read_from_it():
    assert "ada" not in count_of(LOGIN, "ada@example.com", 0.0).key


@given(st.floats(min_value=0, max_value=4e9))
def test_retry_after_is_at_least_a_second_and_never_more_than_the_window(now):
    wait = count_of(LOGIN, "x", now).retry_after(now)
    assert 1.0 <= wait <= LOGIN.seconds


def test_a_subscriber_with_a_whole_ipv6_network_is_one_address():
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")


def test_an_ipv4_address_is_itself_however_it_is_written():
    assert network_of("203.0.113.7") == network_of("::ffff:203.0.113.7") == "203.0.113.7"
    assert network_of("") == ""
    assert network_of("not an address") == "not an address"
