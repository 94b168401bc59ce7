"""A real, single Elasticsearch node from the package registries alone: no system Java, no container, no service.

    from app.embedded_node import EmbeddedNode

    with EmbeddedNode(Path("data/elasticsearch")) as node:
        print(node.url)

manifest   which jars make a node of one version, with their digests
artifacts  fetches them, checks them and lays them out as the server's home
archive    makes later starts faster
bridge     the process that runs the node in a JVM of its own
node       starts, watches and stops such a process
"""

from app.embedded_node.artifacts import ArtifactError
from app.embedded_node.node import DEFAULT_VERSION, EmbeddedNode, NodeError

__all__ = ["DEFAULT_VERSION", "ArtifactError", "EmbeddedNode", "NodeError"]
