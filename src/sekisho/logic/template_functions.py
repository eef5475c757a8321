"""The functions of provisioning templates: checked when a template is made, evaluated when it is used.

Source: AWS IoT Developer Guide, "Provisioning templates", "Intrinsic functions". Where that is silent they
mean what they mean in CloudFormation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sekisho.logic.json_text import kind_of, shown

# No text of a resource is longer than a certificate's PEM; Fn::Sub in Fn::Sub could grow without end.
MAX_TEXT = 65_536
_MAX_DEPTH = 32
_SUBSTITUTION = re.compile(r"\$\{([^{}]*)\}")

Maps = Mapping[str, Mapping[str, Mapping[str, Any]]]


class TemplateError(ValueError):
    """The template is wrong or does not fit its parameters; the words begin with the place in it."""

    def __init__(self, words: str) -> None:
        super().__init__(shown(words, 1000)[1:-1])


class Scope(NamedTuple):
    """What a template's functions may refer to; ``joins`` is false inside policies."""

    names: frozenset[str]
    maps: Maps
    joins: bool = True


class Values(NamedTuple):
    """What the names stand for."""

    parameters: Mapping[str, str]
    maps: Maps


class _Function(NamedTuple):
    check: Callable[[Any, str, Scope], None]
    evaluate: Callable[[Any, str, Values], Any]


def is_function(value: object) -> bool:
    return isinstance(value, dict) and any(key == "Ref" or key.startswith("Fn::") for key in value)


def gives_list(value: object) -> bool:
    """Whether a function can only give a list."""
    return isinstance(value, dict) and "Fn::Split" in value


def check(value: object, path: str, scope: Scope, depth: int = 0) -> None:
    """Check every function in a value, however deep; raises `TemplateError`."""
    if depth > _MAX_DEPTH:
        raise TemplateError(f"{path[:200]}…: nested deeper than {_MAX_DEPTH}")
    if isinstance(value, list):
        for index, one in enumerate(value):
            check(one, f"{path}[{index}]", scope, depth + 1)
    elif isinstance(value, dict):
        if is_function(value):
            name, argument = _call(value, path)
            FUNCTIONS[name].check(argument, f"{path}.{name}", scope)
        for key, one in value.items():
            check(one, f"{path}.{key}", scope, depth + 1)


def evaluate(value: Any, path: str, values: Values) -> Any:
    """A checked value with its functions replaced by what they give; raises `TemplateError`."""
    if isinstance(value, list):
        return [evaluate(one, f"{path}[{index}]", values) for index, one in enumerate(value)]
    if isinstance(value, dict):
        if is_function(value):
            name, argument = _call(value, path)
            return FUNCTIONS[name].evaluate(argument, f"{path}.{name}", values)
        return {key: evaluate(one, f"{path}.{key}", values) for key, one in value.items()}
    return value


def evaluate_text(value: Any, path: str, values: Values) -> str:
    """A value that must come out as a string of at most `MAX_TEXT` characters."""
    found = evaluate(value, path, values)
    if not isinstance(found, str):
        raise TemplateError(f"{path}: must be a string, not {kind_of(found)}")
    return _bounded(found, path)


def evaluate_texts(value: Any, path: str, values: Values) -> list[str]:
    """A value that must come out as a list of strings."""
    found = evaluate(value, path, values)
    if not isinstance(found, list):
        raise TemplateError(f"{path}: must be a list of strings, not {kind_of(found)}")
    for index, one in enumerate(found):
        if not isinstance(one, str):
            raise TemplateError(f"{path}[{index}]: must be a string, not {kind_of(one)}")
    return found


def _bounded(text: str, path: str) -> str:
    if len(text) > MAX_TEXT:
        raise TemplateError(f"{path}: comes out longer than {MAX_TEXT} characters")
    return text


def _call(value: dict[str, Any], path: str) -> tuple[str, Any]:
    if len(value) != 1:
        keys = ", ".join(shown(key) for key in value)
        raise TemplateError(f"{path}: a function must stand alone in its object, here are {keys}")
    ((name, argument),) = value.items()
    if name not in FUNCTIONS:
        raise TemplateError(f"{path}: unknown function {shown(name)}; known are {', '.join(FUNCTIONS)}")
    return name, argument


def _known(name: str, path: str, names: frozenset[str]) -> None:
    if name in names:
        return
    declared = ", ".join(sorted(names)) or "none"
    raise TemplateError(f"{path}: {shown(name)} is no parameter of the template; it has {declared}")


def _arguments(found: Any, path: str, wanted: Sequence[str]) -> None:
    if not isinstance(found, list) or len(found) != len(wanted):
        raise TemplateError(f"{path}: needs a list of {len(wanted)}: {', '.join(wanted)}")


def _text_or_function(found: Any, path: str) -> None:
    if not isinstance(found, str) and (not is_function(found) or gives_list(found)):
        raise TemplateError(f"{path}: must be a string or a function that gives one, not {kind_of(found)}")


def _list_or_function(found: Any, path: str) -> None:
    if not isinstance(found, list) and not is_function(found):
        raise TemplateError(f"{path}: must be a list or a function that gives one, not {kind_of(found)}")


# --- Ref ---


def _check_ref(found: Any, path: str, scope: Scope) -> None:
    if not isinstance(found, str):
        raise TemplateError(f"{path}: must name a parameter, not hold {kind_of(found)}")
    _known(found, path, scope.names)


def _ref(found: Any, path: str, values: Values) -> str:
    return _value(found, path, values)


def _value(name: str, path: str, values: Values) -> str:
    # An implicit parameter needs no declaration, and a certificate's subject may lack it.
    if name not in values.parameters:
        raise TemplateError(f"{path}: {shown(name)} has no value")
    return values.parameters[name]


# --- Fn::Join [delimiter, [value, …]] ---


def _check_join(found: Any, path: str, scope: Scope) -> None:
    if not scope.joins:
        raise TemplateError(f"{path}: Fn::Join is not supported in policies; use Fn::Sub")
    _arguments(found, path, ("delimiter", "list"))
    if not isinstance(found[0], str):
        raise TemplateError(f"{path}[0]: the delimiter must be a string, not {kind_of(found[0])}")
    _list_or_function(found[1], f"{path}[1]")


def _join(found: Any, path: str, values: Values) -> str:
    parts = evaluate_texts(found[1], f"{path}[1]", values)
    if sum(map(len, parts)) + len(found[0]) * len(parts) > MAX_TEXT:
        raise TemplateError(f"{path}: comes out longer than {MAX_TEXT} characters")
    return str(found[0]).join(parts)


# --- Fn::Select [index, [value, …]] ---


def _check_select(found: Any, path: str, scope: Scope) -> None:
    _arguments(found, path, ("index", "list"))
    if not is_function(found[0]):
        _index(found[0], f"{path}[0]")
    _list_or_function(found[1], f"{path}[1]")


def _index(found: Any, path: str) -> int:
    if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
        return found
    if isinstance(found, str) and re.fullmatch(r"[0-9]{1,6}", found):
        return int(found)
    raise TemplateError(f"{path}: the index must be a whole number from 0, not {_said(found)}")


def _said(found: Any) -> str:
    return shown(found) if isinstance(found, str) else kind_of(found)


def _select(found: Any, path: str, values: Values) -> Any:
    index = _index(evaluate(found[0], f"{path}[0]", values), f"{path}[0]")
    several = evaluate(found[1], f"{path}[1]", values)
    if not isinstance(several, list):
        raise TemplateError(f"{path}[1]: must be a list, not {kind_of(several)}")
    if index >= len(several):
        raise TemplateError(f"{path}: the index {index} is out of range, the list has {len(several)} values")
    if several[index] is None:
        raise TemplateError(f"{path}: the value at index {index} is null")
    return several[index]


# --- Fn::FindInMap [map, first key, second key] ---


def _check_find(found: Any, path: str, scope: Scope) -> None:
    _arguments(found, path, ("map name", "first key", "second key"))
    for index, one in enumerate(found):
        _text_or_function(one, f"{path}[{index}]")
    if isinstance(found[0], str):
        known = scope.maps
        _find_step(known, found[0], path, "mapping")
        if isinstance(found[1], str):
            second = _find_step(known[found[0]], found[1], path, f"key of the mapping {shown(found[0])}")
            if isinstance(found[2], str):
                _find_step(second, found[2], path, f"key under {shown(found[1])}")


def _find_step(level: Mapping[str, Any], key: str, path: str, what: str) -> Any:
    if key not in level:
        known = ", ".join(shown(name) for name in level) or "none"
        raise TemplateError(f"{path}: {shown(key)} is no {what}; known are {known}")
    return level[key]


def _find(found: Any, path: str, values: Values) -> Any:
    keys = [evaluate_text(one, f"{path}[{index}]", values) for index, one in enumerate(found)]
    first = _find_step(values.maps, keys[0], path, "mapping")
    second = _find_step(first, keys[1], path, f"key of the mapping {shown(keys[0])}")
    return _find_step(second, keys[2], path, f"key under {shown(keys[1])}")


# --- Fn::Split [delimiter, value] ---


def _check_split(found: Any, path: str, scope: Scope) -> None:
    _arguments(found, path, ("delimiter", "string"))
    if not isinstance(found[0], str) or not found[0]:
        raise TemplateError(f"{path}[0]: the delimiter must be a string that is not empty")
    _text_or_function(found[1], f"{path}[1]")


def _split(found: Any, path: str, values: Values) -> list[str]:
    return evaluate_text(found[1], f"{path}[1]", values).split(found[0])


# --- Fn::Sub "text with ${name}" or ["text", {name: value, …}] ---


def _check_sub(found: Any, path: str, scope: Scope) -> None:
    text, given = _sub_parts(found, path)
    for name, one in given.items():
        _text_or_function(one, f"{path}[1].{name}")
    for inner in _SUBSTITUTION.findall(text):
        if inner.startswith("!") or inner in given:
            continue
        if inner.startswith(("iot:", "aws:", "credentials-iot:")):
            words = f"${{{inner[:120]}}} is a policy variable, which Fn::Sub wants as ${{!{inner[:120]}}}"
            raise TemplateError(f"{path}: {words}")
        _known(inner, path, scope.names)


def _sub_parts(found: Any, path: str) -> tuple[str, dict[str, Any]]:
    text, given = (found[0], found[1]) if isinstance(found, list) and len(found) == 2 else (found, {})
    if not isinstance(text, str) or not isinstance(given, dict):
        raise TemplateError(f"{path}: needs a string, or a list of a string and an object of values")
    return text, given


def _sub(found: Any, path: str, values: Values) -> str:
    text, given = _sub_parts(found, path)
    own = {name: evaluate_text(one, f"{path}[1].{name}", values) for name, one in given.items()}
    parts: list[str] = []
    length = position = 0
    for match in _SUBSTITUTION.finditer(text):
        inner = match.group(1)
        if inner.startswith("!"):
            value = "${" + inner[1:] + "}"
        else:
            value = own[inner] if inner in own else _value(inner, path, values)
        parts += (text[position : match.start()], value)
        position = match.end()
        length += len(value)
        if length > MAX_TEXT:
            raise TemplateError(f"{path}: comes out longer than {MAX_TEXT} characters")
    parts.append(text[position:])
    return _bounded("".join(parts), path)


FUNCTIONS: dict[str, _Function] = {
    "Ref": _Function(_check_ref, _ref),
    "Fn::Join": _Function(_check_join, _join),
    "Fn::Select": _Function(_check_select, _select),
    "Fn::FindInMap": _Function(_check_find, _find),
    "Fn::Split": _Function(_check_split, _split),
    "Fn::Sub": _Function(_check_sub, _sub),
}
