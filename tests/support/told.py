"""What a client of the load was told, and what of it must not have been."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

import requests

#: Seconds after which a client gives up on an answer: far more than the server may take.
PATIENCE = 30.0


@dataclass
class Told:
    """Answers, counted, and violations; written by one client alone, read while it pauses."""

    answers: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def say(self, kind: str, answer: requests.Response) -> None:
        """Count an answer."""
        self.answers[f"{kind} {answer.status_code}"] += 1

    def lost(self, kind: str) -> None:
        """Count a request that nobody answered."""
        self.answers[f"{kind} lost"] += 1

    def violation(self, text: str) -> None:
        """Write down what must not be."""
        self.violations.append(f"{time.strftime('%H:%M:%S')} {text}")

    def refused(self, kind: str, answer: requests.Response) -> None:
        """An answer that is no success: only Elasticsearch may be missing here, and it must be said as that."""
        if answer.status_code != 503 or "Retry-After" not in answer.headers:
            self.violation(f"{kind} answered {answer.status_code} {answer.text[:200]}")
