"""From JSON to dataclasses: known fields are read, unknown ones ignored, absent optional ones are ``None``."""

from __future__ import annotations

import dataclasses
import functools
from decimal import Decimal, InvalidOperation
from typing import Any, Dict, List, Mapping, Optional, Tuple, Type, TypeVar, Union, cast
from typing import get_args, get_origin, get_type_hints

from .errors import DecodeError

T = TypeVar("T")


@functools.lru_cache(maxsize=None)
def _fields(kind: Type[Any]) -> Tuple[Tuple[str, str, Any, bool], ...]:
    """Name, name in JSON, type, and whether it may be absent."""
    hints = get_type_hints(kind)
    read = []
    for field in dataclasses.fields(kind):
        default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        read.append((field.name, str(field.metadata.get("json", field.name)), hints[field.name], default))
    return tuple(read)


def _is_optional(kind: Any) -> bool:
    return get_origin(kind) is Union and type(None) in get_args(kind)


def _value(kind: Any, value: Any, path: str) -> Any:
    if kind is Any:
        return value
    if _is_optional(kind):
        if value is None:
            return None
        return _value(next(arg for arg in get_args(kind) if arg is not type(None)), value, path)
    origin = get_origin(kind)
    if origin in (list, List):
        if not isinstance(value, list):
            raise DecodeError(f"{path}: expected a list")
        return [_value(get_args(kind)[0], item, f"{path}[{at}]") for at, item in enumerate(value)]
    if origin in (dict, Dict):
        if not isinstance(value, dict):
            raise DecodeError(f"{path}: expected an object")
        return {str(key): _value(get_args(kind)[1], item, f"{path}.{key}") for key, item in value.items()}
    if origin is tuple:
        kinds = get_args(kind)
        if not isinstance(value, list) or len(value) < len(kinds):
            raise DecodeError(f"{path}: expected a list of {len(kinds)}")
        return tuple(_value(inner, item, path) for inner, item in zip(kinds, value))
    return _plain(kind, value, path)


def _plain(kind: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return decode(cast(Type[Any], kind), value, path)
    if kind is Decimal:
        try:
            return Decimal(value if isinstance(value, (str, int)) else str(value))
        except (InvalidOperation, TypeError):
            raise DecodeError(f"{path}: {value!r} is no decimal number") from None
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if kind is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if kind in (str, int, bool) and type(value) is kind:
        return value
    raise DecodeError(f"{path}: expected {getattr(kind, '__name__', kind)}, got {value!r}")


def decode(kind: Type[T], value: Any, path: str = "") -> T:
    """A dataclass of this kind from parsed JSON."""
    if not isinstance(value, Mapping):
        raise DecodeError(f"{path or kind.__name__}: expected an object, got {type(value).__name__}")
    read: Dict[str, Any] = {}
    for name, key, inner, default in _fields(cast(Any, kind)):
        found: Optional[Any] = value.get(key)
        if found is None and (default or _is_optional(inner)):
            if not default:
                read[name] = None
            continue
        if found is None:
            raise DecodeError(f"{path}{'.' if path else ''}{key}: missing")
        read[name] = _value(inner, found, f"{path}{'.' if path else ''}{key}")
    return kind(**read)
