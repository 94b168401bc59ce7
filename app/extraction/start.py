"""The program of the process that reads one document. It runs `app.extraction.child`, which documents its arguments.

A program's own file is compiled at each start, while modules are not: so this one is as short as possible.
"""

import sys
from os.path import dirname
from types import ModuleType

# Makes the application's folder a package without adding its parent to the module search path.
_app = ModuleType("app")
_app.__path__ = [dirname(dirname(__file__))]
sys.modules["app"] = _app

from app.extraction import child  # noqa: E402

child.main()
