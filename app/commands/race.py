"""One process of the race of `scripts/store check-backend`.

    python -m app.commands.race PLACE ID NUMBER SECONDS

It prints what it did as a JSON object.
"""

from __future__ import annotations

import json
import sys

from app.commands.common import environment_of
from app.opening import storage_at
from app.settings import Settings
from app.upkeep.backend import run_in_race


def main() -> None:
    place, attachment_id, number, seconds = sys.argv[1:]
    storage = storage_at(place, Settings.from_environ(environment_of()), "", checked=True)
    print(json.dumps(run_in_race(storage, attachment_id, int(number), float(seconds))))


if __name__ == "__main__":
    main()
