"""The Python SDKs as shops use them, against the real collector: what they send is what intake reads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from profiles.identity.claims import Claim
from tests.sdk.collecting import Collecting, collecting, looks_right


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with collecting(tmp_path_factory.mktemp("sdk")) as opened:
        yield opened


@pytest.fixture(scope="module")
def aliased(door: Collecting) -> str:
    return door.run("aliases", "k")


@pytest.mark.parametrize("app", ["segment", "rudder", "sensors", "posthog", "cloudevents"])
def test_what_an_sdk_sends_is_a_customers_journey(door: Collecting, app: str) -> None:
    assert door.run(app, f"u-{app}") == ""
    events = door.events(f"u-{app}")
    looks_right(events)
    assert len(events) == 6, "each arrived once"
    assert door.reasons() == []


@pytest.mark.parametrize(
    ("sdk", "who"), [("segment", "k-segment"), ("rudder", "k-rudder"), ("posthog", "anon:k-posthog@example.com")]
)
def test_an_alias_of_two_user_ids_joins_them_and_whoever_was_a_visitor_by_that_name(
    door: Collecting, aliased: str, sdk: str, who: str
) -> None:
    """With PostHog nobody can tell of the new id either whose it is: it has one sort of id."""
    assert aliased == ""
    (event,) = door.events(who)
    earlier, visitor = f"k-{sdk}@example.com", f"anon:k-{sdk}@example.com"
    if sdk == "posthog":
        assert set(event.claims) == {
            Claim("anon:k-posthog", visitor, explicit=True),
            Claim("k-posthog", "anon:k-posthog", explicit=True, alias=True),
            Claim(earlier, visitor, explicit=True, alias=True),
        }
    else:
        assert set(event.claims) == {
            Claim(who, visitor, explicit=True),
            Claim(earlier, visitor, explicit=True, alias=True),
        }
