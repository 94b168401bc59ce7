"""How long a migration takes, and how long clients notice it.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.migration'      [--documents N] [--threads N]

Elasticsearch is the one that ELASTICSEARCH_URL names, or an embedded node for the run. Makes a store of `--documents`
attachments (100,000 by default), then migrates it while `--threads` clients upload, search, download and delete, and
prints what the command said and the slowest answers. Exits with 1 when an answer was wrong.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.parts import server_for_run
from tests.integration.commands.doors import door
from tests.support.seed import seed
from tests.support.traffic import Traffic


def main() -> int:
    parser = argparse.ArgumentParser(description="Migrate a large index under load.")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    with server_for_run() as server:
        began = time.monotonic()
        seed(server.data, arguments.documents)
        print(f"{arguments.documents} attachments on disk after {time.monotonic() - began:.1f} s", flush=True)
        began = time.monotonic()
        result = door(server, "store", "rebuild", "--remove-old", "--json", timeout=3600)
        print(f"rebuilt in {time.monotonic() - began:.1f} s: {result.stdout}{result.stderr}", flush=True)
        with Traffic(server, arguments.threads) as traffic:
            result = door(server, "index", "migrate", "coco_attachment", "--force", "--json", timeout=3600)
        print(f"migrated: {result.stdout}{result.stderr}")
        print(f"{len(traffic.kept)} rounds of upload, search, download, delete, search meanwhile")
        print(f"slowest write {traffic.slowest_write:.2f} s, slowest read {traffic.slowest_read:.2f} s")
        print(f"wrong: {traffic.failed}")
    return 1 if traffic.failed or result.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
