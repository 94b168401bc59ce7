"""The nodes of Elasticsearch that the settings name: where a call is sent, and what follows when it has no answer.

The pool is Elastic's own (`elastic_transport.NodePool`), one for each process. A node without an answer is left out for
one second, then two, four, up to `MOST_SECONDS_OUT`; after that it is tried again. Every call goes through `Nodes.call`:
those of the store's own, and those that Elastic's client makes (`ClientTransport`).

**Which node.** The one with the fewest calls under way, in turn where these are equal. So a node that lets wait for an
answer gets no more than its part of the calls that are under way; once its oldest call is `SLOW` seconds old it gets no
more as long as there is another one, and a node that was left out gets one call at a time until that has an answer.

**Another attempt**, within the time that the gate has left. After a call that was certainly not sent (no connection):
always. After one whose outcome is unknown: only where doing it twice does no harm, which is what only reads, and bulks,
in which every write has an external version (`app.index.documents`). A change of a chat names the state that it was
decided on (`if_seq_no`), and would be refused the second time because of the first; so its outcome stays unknown. The
outcome of all attempts together is `certainly not done` only if that holds for each.

**A node that stands still** still accepts connections. So where there are several nodes, one that has let wait for a
second (or a quarter of the time that is left) is asked whether it serves, which takes a busy one a millisecond. If it
does not say so either, the call is ended and the node is left out. If it does, the call goes on to its end: a slow search
or a large bulk is not sent twice because it is slow. An answer 502 or 503 is treated in the same way. A node that was
left out is asked first: no call is lost to find out.

Decision 28 says what was rejected: among others the client's own attempts, which repeat whatever was reset, also what
must not be done twice.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import httptools
from elastic_transport import (
    ApiResponseMeta,
    BaseNode,
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    NodePool,
    NodeSelector,
    Transport,
    TransportApiResponse,
)
from elastic_transport import ConnectionError as NodeConnectionError
from elastic_transport.client_utils import DEFAULT, DefaultType

from app.errors import IndexUnavailable
from app.index.admission import SLOW, time_left
from app.index.node import Answer, Node, NotSent, NotServing
from app.settings import Settings

#: Seconds after which a node that was left out is tried again at the latest.
MOST_SECONDS_OUT = 10.0
#: Statuses with which a node, or a proxy before it, says that it can't serve.
_CANNOT = {502, 503}
#: What may be done twice, beside every GET and HEAD, by the end of the path of a POST. `_pit`: one that is opened and not
#: known closes by itself. Not `scroll`, whose next page depends on how many there were.
_READS = {"_search", "_msearch", "_count", "_mget", "_pit"}
_CHANGES = {"_bulk", "_refresh"}
#: Seconds for a question that is only asked so that the next call knows the answer.
LEAST_SECONDS = 0.05
_FOREVER = 86_400.0

Left = Callable[[], float]


class FewestCalls(NodeSelector):
    """Chooses the node with the least burden, and of several such each in turn; one of `avoided` only where there is no
    other."""

    def __init__(self, node_configs: list[NodeConfig]) -> None:
        super().__init__(node_configs)
        self._turn = itertools.count()
        self.avoided: Set[Node] = frozenset()

    def select(self, nodes: Sequence[BaseNode]) -> BaseNode:
        first = next(self._turn) % len(nodes)
        return min(cast(Sequence[Node], (*nodes[first:], *nodes[:first])), key=self._last)

    def _last(self, node: Node) -> tuple[bool, tuple[bool, int]]:
        return node in self.avoided, node.burden


class Nodes:
    """The nodes of a pool; safe to share between threads."""

    def __init__(self, pool: NodePool) -> None:
        self._pool = pool
        self._several = len(pool) > 1
        # The pool itself is not safe while one thread chooses and another one leaves out.
        self._choosing = threading.Lock()

    def call(
        self,
        method: str,
        target: str,
        fields: str,
        body: bytes,
        left: Left,
        client: Any = None,
    ) -> Answer:
        """The answer of a node. `left`: seconds that all attempts together may still take; it raises IndexUnavailable when
        there are none. The other arguments as in `Node.exchange`.

        Raises NotSent when nothing was sent to any node; OSError or HttpParserError when the outcome is unknown;
        IndexUnavailable when the time was over before anything was sent; ClientGone and AnswerTooLarge.
        """
        if not self._several:
            return self._alone(method, target, fields, body, left, client)
        ending = target.partition("?")[0].rpartition("/")[2]
        again = method in ("GET", "HEAD") or (method == "POST" and ending in _READS | _CHANGES)
        tried: set[Node] = set()
        unknown: Exception | None = None
        refused: Answer | None = None
        certain: NotSent | None = None
        while (node := self._next(tried)) is not None:
            tried.add(node)
            failures = node.failures
            try:
                if node.failed and not node.serves(_part(left)):
                    self._leave_out(node, failures)
                    certain = node.refusal or NotSent("the node does not say that it serves")
                    continue
                answer = node.exchange(method, target, fields, body, left, client, others=True)
            except NotSent as error:
                self._leave_out(node, failures)
                certain = error
                continue
            except (OSError, httptools.HttpParserError) as error:
                if isinstance(error, TimeoutError | BlockingIOError) and not isinstance(error, NotServing):
                    # It says that it serves: then it is not the node that takes so long.
                    node.failed = True
                else:
                    self._leave_out(node, failures)
                unknown = error
                if again:
                    continue
                raise
            except IndexUnavailable:
                # The time is over before this attempt.
                if unknown is not None:
                    raise unknown from None
                raise
            answer.done_before = unknown is not None and method == "POST" and ending in _CHANGES
            if answer.status in _CANNOT and not node.serves(_part(left)):
                self._leave_out(node, failures)
                unknown, refused = unknown or ConnectionAbortedError("the node does not serve"), answer
                if again:
                    continue
                return answer
            self._answered(node)
            return answer
        if refused is not None:
            return refused
        if unknown is not None:
            raise unknown
        assert certain is not None
        raise certain

    def _alone(self, method: str, target: str, fields: str, body: bytes, left: Left, client: Any) -> Answer:
        """The same where there is one node, which is not left out: the pool only logs."""
        node = cast(Node, self._pool.get())
        failures = node.failures
        try:
            answer = node.exchange(method, target, fields, body, left, client)
        except (NotSent, OSError, httptools.HttpParserError):
            self._leave_out(node, failures)
            raise
        self._answered(node)
        return answer

    def _answered(self, node: Node) -> None:
        if node.failed:
            with self._choosing:
                node.failed = False
                self._pool.mark_live(node)

    def _next(self, tried: set[Node]) -> Node | None:
        """A node that was not tried; None when all that are to be had were."""
        if len(tried) == len(self._pool):
            return None
        with self._choosing:
            if isinstance(self._pool.node_selector, FewestCalls):
                self._pool.node_selector.avoided = tried
            node = self._pool.get()
            for _ in range(len(self._pool)):
                if node not in tried:
                    return cast(Node, node)
                # The others are left out; one of them may be back.
                node = self._pool.resurrect(force=True)
        return None

    def _leave_out(self, node: Node, failures: int) -> None:
        """Leave out a node from which a call had no answer that began when it had failed so many times: calls that were
        under way together fail together, which counts once."""
        with self._choosing:
            node.failed = True
            if node.failures == failures:
                node.failures += 1
                self._pool.mark_dead(node)

    def silent(self) -> bool:
        """Whether no node is known to answer; always where there is only one."""
        return not self._several or all(cast(Node, node).doubtful for node in self._pool.all())

    def serving(self, configs: Sequence[NodeConfig]) -> list[bool]:
        """Whether each of these nodes serves now, as `Node.serves` says; in half a second at most."""
        nodes = {node.config: cast(Node, node) for node in self._pool.all()}
        with ThreadPoolExecutor(len(configs), "serving") as pool:
            return list(pool.map(lambda config: nodes[config].serves(SLOW / 2), configs))

    def close(self) -> None:
        """Close the connections that are kept."""
        for node in self._pool.all():
            node.close()


def _part(left: Left) -> float:
    """The seconds for asking a node whether it serves."""
    try:
        return min(SLOW, left() / 2)
    except IndexUnavailable:
        return LEAST_SECONDS


class ClientTransport(Transport):
    """The transport of Elastic's client, which sends every request through `Nodes`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.nodes = Nodes(self.node_pool)

    def perform_request(
        self,
        method: str,
        target: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | DefaultType = DEFAULT,
        request_timeout: float | DefaultType | None = DEFAULT,
        client_meta: tuple[tuple[str, str], ...] | DefaultType = DEFAULT,
        **_: Any,
    ) -> TransportApiResponse:
        """As the class above, within the time that the gate has left. What it says of attempts does not apply."""
        sent = HttpHeaders({} if isinstance(headers, DefaultType) else headers)
        if self.meta_header:
            meta = self._transport_client_meta + (() if isinstance(client_meta, DefaultType) else client_meta)
            sent["x-elastic-client-meta"] = ",".join(f"{name}={value}" for name, value in meta)
        content = b"" if body is None else self.serializers.dumps(body, mimetype=sent["content-type"])
        fields = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        if fields.count("\n") != len(sent):
            raise ValueError("a header has a line end in it")
        config = self.node_pool.all()[0].config
        asked = request_timeout if isinstance(request_timeout, int | float) else config.request_timeout
        began = time.monotonic()
        end = began + min(asked or _FOREVER, time_left(asked or _FOREVER))

        def left() -> float:
            seconds = end - time.monotonic()
            if seconds <= 0:
                raise IndexUnavailable()
            return seconds

        try:
            answer = self.nodes.call(method, target, fields, content, left)
        except IndexUnavailable as error:
            never = NotSent("no time is left")
            raise ConnectionTimeout(str(never), errors=(error,)) from never
        except (NotSent, OSError, httptools.HttpParserError) as error:
            kind = ConnectionTimeout if isinstance(error, TimeoutError | BlockingIOError) else NodeConnectionError
            raise kind(str(error) or type(error).__name__, errors=(error,)) from error
        told = HttpHeaders({name.decode("latin-1"): value.decode("latin-1") for name, value in answer.fields.items()})
        answered = ApiResponseMeta(
            node=config, duration=time.monotonic() - began, http_version="1.1", status=answer.status, headers=told
        )
        decoded = None if method == "HEAD" else self.serializers.loads(answer.content, answered.mimetype)
        return TransportApiResponse(answered, decoded)


def client_options(settings: Settings) -> dict[str, Any]:
    """The options with which Elastic's client uses what is in this module."""
    return {
        "transport_class": ClientTransport,
        "node_class": Node,
        "node_selector_class": FewestCalls,
        "max_dead_node_backoff": MOST_SECONDS_OUT,
        "request_timeout": settings.elasticsearch_timeout,
    }
