"""``_oxicorn.pyi`` says of the extension what is true of it."""

import ast
import inspect
from pathlib import Path

import pytest

oxicorn = pytest.importorskip("oxicorn")
from oxicorn import _oxicorn  # noqa: E402

STUB = ast.parse((Path(__file__).parent.parent / "python/oxicorn/_oxicorn.pyi").read_text())
FUNCTIONS = [node for node in STUB.body if isinstance(node, ast.FunctionDef)]
CLASSES = [node for node in STUB.body if isinstance(node, ast.ClassDef)]
CONSTANTS = [node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign)]


def test_the_names_are_those_of_the_module():
    described = {node.name for node in FUNCTIONS + CLASSES} | set(CONSTANTS)
    own = {name for name in vars(_oxicorn) if not name.startswith("__")} | {"__version__"}
    assert described == own


@pytest.mark.parametrize("node", FUNCTIONS, ids=lambda node: node.name)
def test_the_parameters_are_those_of_the_function(node):
    signature = inspect.signature(getattr(_oxicorn, node.name))
    assert [argument.arg for argument in node.args.args] == list(signature.parameters)


@pytest.mark.parametrize("node", CLASSES, ids=lambda node: node.name)
def test_the_members_are_those_of_the_class(node):
    described = {
        member.name if isinstance(member, ast.FunctionDef) else member.target.id
        for member in node.body
    }
    own = vars(getattr(_oxicorn, node.name))
    implicit = {"__doc__", "__module__", "__text_signature__"}
    # "__next__" brings "__iter__" and others of its kind along.
    assert described <= set(own) | {"__getattr__"}
    assert {name for name in own if not name.startswith("__")} - implicit <= described
