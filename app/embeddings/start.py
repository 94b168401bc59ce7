"""The program of the process that has the model. It runs `app.embeddings.child`, which documents its arguments.

As app/extraction/start.py: as short as possible, and without the application's parent on the module search path.
"""

import sys
from os.path import dirname
from types import ModuleType

_app = ModuleType("app")
_app.__path__ = [dirname(dirname(__file__))]
sys.modules["app"] = _app

from app.embeddings import child  # noqa: E402

child.main()
