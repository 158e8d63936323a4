"""Names made here."""

from lb.adapters.naming import request_id


def test_a_later_request_sorts_behind_and_none_has_the_name_of_another() -> None:
    made = [request_id(1_800_000_000 + n / 100) for n in range(2_000)]
    assert made == sorted(made)
    at_once = {request_id(1_800_000_000.0) for _ in range(2_000)}
    assert len(at_once) == 2_000
    assert {len(name) for name in (*made, *at_once)} == {len("req_") + 32}
