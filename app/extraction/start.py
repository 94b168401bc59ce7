"""The program of the process that reads one document: `app.extraction.child`, which says what it is given.

A program's own file is compiled anew at each start, modules are not: so this is as short as can be.
"""

import sys
from os.path import dirname
from types import ModuleType

# The application's folder is a package, without the folder that it is in being one where modules are looked for.
_app = ModuleType("app")
_app.__path__ = [dirname(dirname(__file__))]
sys.modules["app"] = _app

from app.extraction import child  # noqa: E402

child.main()
