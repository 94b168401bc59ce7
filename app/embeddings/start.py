"""The program of the model's process. It runs `app.embeddings.child`, which documents its arguments.

Like app/extraction/start.py, it is as short as possible, and keeps the folder that contains the application off the
module search path.
"""

import sys
from os.path import dirname
from types import ModuleType

_app = ModuleType("app")
_app.__path__ = [dirname(dirname(__file__))]
sys.modules["app"] = _app

from app.embeddings import child  # noqa: E402

child.main()
