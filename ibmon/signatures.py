"""Options read from source code without importing it: torch alone takes more than a second, and ``--help`` must not wait.

A recipe's keyword parameters and an estimator's dataclass fields are their options: name, type, default, choices, and the
words of the docstring's ``Args:`` section.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from .records import IbmonError, UsageError

Scalar = str | int | float | bool | None
Type = Literal["int", "float", "str", "bool"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``required`` has no default; ``optional`` may also be none."""

    name: str
    type: Type
    default: Scalar = None
    choices: tuple[str, ...] = ()
    help: str = ""
    required: bool = False
    optional: bool = False

    def convert(self, text: str) -> Scalar:
        """The value that a text means. Raises UsageError."""
        if self.optional and text.lower() == "none":
            return None
        if self.choices:
            if text in self.choices:
                return text
            raise UsageError(f"{self.name} is one of {', '.join(self.choices)}, not {text!r}.")
        try:
            if self.type == "bool":
                return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
            return {"int": int, "float": float, "str": str}[self.type](text)
        except (KeyError, ValueError):
            raise UsageError(f"{self.name} takes a {self.type}, not {text!r}.") from None


@dataclass(frozen=True, slots=True)
class Signature:
    """A recipe or an estimator as its source describes it."""

    source: Path
    summary: str
    options: tuple[Option, ...]

    def convert(self, name: str, text: str, owner: str) -> Scalar:
        """The value of one option given as text. Raises UsageError for a name that is not there."""
        for option in self.options:
            if option.name == name.replace("-", "_"):
                return option.convert(text)
        names = [o.name for o in self.options]
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'none'}."
        raise UsageError(f"{owner} has no option {name!r}; {hint}")


def source_of(target: str) -> Path:
    """The source file behind ``"module:attribute"``; only the packages above it are imported."""
    module = target.partition(":")[0]
    try:
        spec = find_spec(module)
    except (ImportError, ValueError) as error:
        raise IbmonError(f"{module} cannot be found ({error}); reinstall the plugin that names it.") from error
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise IbmonError(f"The source of {module} cannot be found; reinstall the plugin that names it.")
    return Path(spec.origin)


def of_target(target: str) -> Signature:
    """The signature of what ``"module:attribute"`` names: a function or a dataclass."""
    return of_source(source_of(target), target.partition(":")[2])


def of_source(source: Path, attribute: str) -> Signature:
    """The signature of a top-level function or dataclass of a file. Raises IbmonError."""
    node = _find(parse(source), attribute)
    if isinstance(node, ast.ClassDef):
        options = _fields(node)
    elif isinstance(node, ast.FunctionDef):
        options = _parameters(node, source)
    else:
        raise IbmonError(f"{source.name} has no top-level {attribute!r}.")
    text = ast.get_docstring(node) or ast.get_docstring(parse(source)) or ""
    described = _described(text)
    described_options = tuple(
        Option(o.name, o.type, o.default, o.choices, described.get(o.name, ""), o.required, o.optional) for o in options
    )
    return Signature(source, text.partition("\n\n")[0].replace("\n", " "), described_options)


def is_recipe(source: Path) -> bool:
    """Whether a file has a top-level ``train`` whose first parameter is ``monitor``; any other file is a script."""
    node = _find(parse(source), "train")
    if not isinstance(node, ast.FunctionDef):
        return False
    positional = [*node.args.posonlyargs, *node.args.args]
    return bool(positional) and positional[0].arg == "monitor"


def parse(source: Path) -> ast.Module:
    """The syntax tree of a file. Raises IbmonError when it cannot be read or is not Python."""
    try:
        return ast.parse(source.read_text(encoding="utf-8"), filename=str(source))
    except OSError as error:
        raise IbmonError(f"{source} cannot be read: {error.strerror}.") from error
    except (SyntaxError, ValueError) as error:
        raise IbmonError(f"{source} is not valid Python: {error}.") from error


def _find(tree: ast.Module, name: str) -> ast.stmt | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node
    return None


def _parameters(node: ast.FunctionDef, source: Path) -> list[Option]:
    options = [
        _option(a.arg, a.annotation, default) for a, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    ]
    positional = [*node.args.posonlyargs, *node.args.args][1:]
    defaults = node.args.defaults
    if len(positional) > len(defaults):
        raise IbmonError(f"{source.name}: give {positional[0].arg!r} of {node.name} a default, so that it can be an option.")
    options[:0] = [_option(a.arg, a.annotation, d) for a, d in zip(positional, defaults[-len(positional) :], strict=False)]
    return options


def _fields(node: ast.ClassDef) -> list[Option]:
    return [
        _option(s.target.id, s.annotation, s.value)
        for s in node.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name) and not s.target.id.startswith("_")
    ]


def _option(name: str, annotation: ast.expr | None, default: ast.expr | None) -> Option:
    kind, choices, optional = _type(annotation)
    value: Scalar = None
    if default is not None:
        try:
            value = ast.literal_eval(default)
        except ValueError:
            raise IbmonError(
                f"The default of {name!r} must be a literal, so that it can be shown without running code."
            ) from None
    if annotation is None and value is not None:
        kind = (
            "bool"
            if isinstance(value, bool)
            else "int"
            if isinstance(value, int)
            else "float"
            if isinstance(value, float)
            else "str"
        )
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    return Option(name, kind, value, choices, required=default is None, optional=optional)


def _type(annotation: ast.expr | None) -> tuple[Type, tuple[str, ...], bool]:
    """Type, choices and whether none is allowed, from an annotation such as ``Literal["a", "b"] | None``."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        sides = [s for s in (annotation.left, annotation.right) if not (isinstance(s, ast.Constant) and s.value is None)]
        kind, choices, _ = _type(sides[0])
        return kind, choices, len(sides) == 1
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Literal"):
        elements = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return "str", tuple(str(ast.literal_eval(e)) for e in elements), False
    match ast.unparse(annotation) if annotation is not None else "str":
        case "int":
            return "int", (), False
        case "float":
            return "float", (), False
        case "bool":
            return "bool", (), False
        case _:
            return "str", (), False


def _described(docstring: str) -> dict[str, str]:
    """Name -> words of the ``Args:`` section."""
    words: dict[str, str] = {}
    inside, name = False, ""
    for line in docstring.splitlines():
        if line.strip() in ("Args:", "Options:"):
            inside = True
        elif inside and line and not line.startswith(" "):
            break
        elif inside and line.strip():
            indent = len(line) - len(line.lstrip())
            head, colon, rest = line.strip().partition(":")
            if colon and indent <= 4 and head.isidentifier():
                name = head
                words[name] = rest.strip()
            elif name:
                words[name] += " " + line.strip()
    return words


@dataclass(frozen=True, slots=True)
class Request:
    """An estimator or analysis as asked for: ``binning:width=0.07``."""

    name: str
    options: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Request:
        """Raises UsageError when the text is not ``name[:option=value,...]``."""
        name, colon, rest = text.partition(":")
        options: dict[str, str] = {}
        for part in rest.split(",") if colon else ():
            key, equals, value = part.partition("=")
            if not key.strip() or not equals:
                raise UsageError(f"{text!r} is not of the form name:option=value,option=value.")
            options[key.strip()] = value.strip()
        if not name.strip():
            raise UsageError(f"{text!r} names nothing; say for example binning:width=0.07.")
        return cls(name.strip(), options)

    def resolve(self, target: str) -> tuple[dict[str, Scalar], str]:
        """The options converted to their types, and the canonical text that names the request in records."""
        signature = of_target(target)
        values = {key.replace("-", "_"): signature.convert(key, text, self.name) for key, text in self.options.items()}
        said = ",".join(f"{key}={_plain(value)}" for key, value in sorted(values.items()))
        return values, f"{self.name}:{said}" if said else self.name


def _plain(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
