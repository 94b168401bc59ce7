"""How findings of `verify` and `copy` are printed."""

from __future__ import annotations

import json
import sys

from tqdm import tqdm  # type: ignore[import-untyped]

from app.upkeep.repair import ACTIONS
from app.upkeep.verify import Finding


def show(finding: Finding, as_json: bool) -> None:
    """Print a finding: a line, or a JSON object as in docs/commands.md."""
    if as_json:
        content = {"code": finding.code, "path": finding.path, "id": finding.id, "detail": finding.detail}
        print(json.dumps({**content, "repair": ACTIONS.get(finding.code)}), flush=True)
    else:
        where = finding.path or f"document {finding.id or finding.detail}"
        detail = f" ({finding.detail})" if finding.detail else ""
        tqdm.write(f"{finding.code}: {where}{detail}", file=sys.stdout)
