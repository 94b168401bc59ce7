"""How good the order of hits is: nDCG@5 of every judged query (tests/data/ranking), and the mean.

bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.ranking'
"""

from __future__ import annotations

from urllib.parse import quote

from benchmarks.parts import server_for_run
from tests.support import judged


def main() -> None:
    values = []
    with server_for_run(EXTRACTION="on") as server:
        judged.upload(server, session="library")
        for query, wanted in judged.QUERIES.items():
            names = [hit["_source"]["name"] for hit in server.hits(f"query={quote(query)}")]
            values.append(judged.ndcg(names, wanted))
            print(f"{values[-1]:.3f}  {query:24}  {', '.join(names[:3])}")
    print(f"{sum(values) / len(values):.3f}  mean of {len(values)} queries, nDCG@{judged.DEPTH}")


if __name__ == "__main__":
    main()
