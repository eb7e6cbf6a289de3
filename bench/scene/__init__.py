"""Scenes: something happens to a server while users go on asking, and what they notice of it is counted.

Each module but the first few has the scenes of one kind: `dispatch`, `reload`, `drain`, `upgrade`, `recycle`,
`hang`, `crash`, `overload`.
"""

import sys

from peers import ROOT

# The users and the client are those of the tests.
sys.path.insert(0, str(ROOT / "tests"))
