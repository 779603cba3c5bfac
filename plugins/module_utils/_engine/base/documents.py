# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""YAML documents that people write: strict parsing, and a schema violation as one clear sentence.

In a schema, ``x-accepted`` says what is accepted, in words, and ``x-rule`` the rule it comes from.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Hashable, Sequence
from typing import Any

from .errors import DependencyError, InputError

try:
    import yaml
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError, best_match
except ImportError as exc:
    MISSING = exc.name
else:
    MISSING = None


@functools.cache
def _strict_loader(fast: bool = False) -> Any:
    """A safe YAML loader that refuses a key given twice; the second would silently win.

    ``fast`` takes the one in C where there is one; it bears no text that is nested without end, so it is for our own files only.
    """
    if MISSING is not None:
        raise DependencyError(MISSING, platform.node(), "reading manifests and profiles")
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader) if fast else yaml.SafeLoader
    loader: Any = type("StrictLoader", (base,), {})
    loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _no_duplicates)
    return loader


def _no_duplicates(loader: Any, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _value in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key is a list or a mapping", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", key_node.start_mark)
        seen.add(key)
    return dict(yaml.SafeLoader.construct_mapping(loader, node, deep=deep))


def parse_yaml(text: str, what: str, rule: str, *, own: bool = False) -> Any:
    """``text`` as YAML; a fault names the document and the line. ``own``: it came with the collection. Raises InputError."""
    loader = _strict_loader(own)
    try:
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise InputError(what, f"line {line}", f"valid YAML ({problem})", rule) from None
    except (ValueError, RecursionError) as error:  # a date that does not exist; brackets without an end
        problem = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise InputError(what, "the text", f"valid YAML ({problem})", rule) from None


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line, from 1, of the key or list entry at ``path`` of a YAML text; None where it is not there."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None
    line = None
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step], node.value[step])
        else:
            found = None
        if found is None:
            return None
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def check(document: Any, schema: dict[str, Any], what: str, rule: str) -> None:
    """Raise InputError for the clearest violation of ``schema``."""
    error = best_match(Draft202012Validator(schema).iter_errors(document))
    if error is not None:
        raise _sentence(error, what, rule)


def violations(
    document: Any, schema: dict[str, Any], what: str, rule: str, hidden: str = ""
) -> list[tuple[tuple[str | int, ...], InputError]]:
    """All violations of a ``schema`` without alternatives, each with its place in the document; of the part ``hidden`` no value is shown."""
    found = []
    for error in Draft202012Validator(schema).iter_errors(document):
        path = tuple(error.absolute_path)
        extra = _extra(error)[:1] if error.validator == "additionalProperties" else []
        found.append(((*path, *extra), _sentence(error, what, rule, ".", bool(path) and path[0] == hidden)))
    return sorted(found, key=lambda item: [str(step) for step in item[0]])


def _sentence(error: ValidationError, what: str, rule: str, joint: str = ": ", secret: bool = False) -> InputError:
    where = what
    for step in error.absolute_path:
        where += f"[{step}]" if isinstance(step, int) else f".{step}" if where != what else f"{joint}{step}"
    accepted = error.schema.get("x-accepted", "another value") if isinstance(error.schema, dict) else "another value"
    if error.validator == "required":
        return InputError(where, sorted(map(str, error.instance)), _missing(error), _rule(error, rule))
    if error.validator == "additionalProperties":
        keys = "one of the keys " + ", ".join(sorted(error.schema["properties"]))
        if joint == ".":
            return InputError(f"{where}.{_extra(error)[0]}", "given", keys, _rule(error, rule))
        return InputError(where, _extra(error)[0], keys, _rule(error, rule))
    shown = error.instance if isinstance(error.instance, (str, int, float, bool, type(None))) else type(error.instance).__name__
    return InputError(where, shown, str(accepted), _rule(error, rule), secret)


def _extra(error: ValidationError) -> list[str]:
    return sorted(map(str, set(error.instance) - set(error.schema["properties"])))


def _missing(error: ValidationError) -> str:
    missing = [str(key) for key in error.validator_value if key not in error.instance]
    return f"the key {missing[0]} as well" if len(missing) == 1 else f"the keys {', '.join(missing)} as well"


def _rule(error: ValidationError, default: str) -> str:
    return str(error.schema.get("x-rule", default)) if isinstance(error.schema, dict) else default
