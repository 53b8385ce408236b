"""How many examples Hypothesis tries of each property."""

from collections.abc import Mapping

from hypothesis import HealthCheck, settings

PROFILES = {"dev": 50, "ci": 300, "nightly": 5000}
"""Name to examples of each property."""
PROFILE_KEY = "HYPOTHESIS_PROFILE"
"""Names the profile; without it, continuous integration (``CI=true``) takes ``ci`` and everybody else ``dev``."""
LEAST = 8


def choose_profile(environ: Mapping[str, str]) -> str:
    """Return the name of the profile an environment asks for."""
    return environ.get(PROFILE_KEY) or ("ci" if environ.get("CI") == "true" else "dev")


def register_profiles() -> None:
    """Make the profiles known to Hypothesis."""
    for name, examples in PROFILES.items():
        settings.register_profile(
            name,
            max_examples=examples,
            deadline=None,  # how long an example takes says more of the machine than of the code
            derandomize=False,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow],
        )


def one_in(share: int) -> int:
    """Return a part of the profile's examples, eight at least, for a property whose examples are dear.

    It is read when the test's module is loaded.
    """
    return max(LEAST, settings.default.max_examples // share)
