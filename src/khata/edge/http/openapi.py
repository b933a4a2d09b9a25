"""The OpenAPI 3.1 document, made from the tables of operations and the types that they name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from khata.edge.client.answers import Problem
from khata.edge.http.examples import example_of
from khata.edge.http.operation import Operation

_REF: Final = "#/components/schemas/{name}"
_KEY_PARAMETER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Names this change for ever: with the same key and body the first answer"
    " comes again, and nothing happens twice.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "example": "order-2511128-pay",
}
_ABOUT: Final = (
    "The money machine of a marketplace. Amounts are decimal strings with a currency; times are"
    " ISO 8601 in UTC. Every change needs an `Idempotency-Key` and can be tried with"
    " `dry_run=true`. Errors are RFC 9457 problems: decide by `code`, and repeat under the same"
    " key only what answered 429, 503 or 504."
)
_PROBLEMS: Final = {
    400: "The request is malformed",
    401: "No valid key or token",
    403: "Not allowed for this key or token",
    404: "What was named does not exist",
    409: "It clashes with something recorded",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "The rules say no; nothing was written",
    503: "Not available now: ask again under the same key",
    504: "No answer in time: ask again under the same key",
}


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The document of these operations."""
    shown = [operation for operation in operations if not operation.hidden]
    types = [Problem, *(kind for one in shown for kind in (one.gives, one.body) if kind)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    names: dict[int, Any] = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for operation in shown:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, names
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Khata", "version": version, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in shown)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key `kh_<book>_…`, or the token of an owner (JWT).",
                }
            },
            "responses": {
                "Problem": {
                    "description": "What went wrong",
                    "content": {
                        "application/problem+json": {
                            "schema": names[id(Problem)],
                            "example": example_of(Problem),
                        }
                    },
                }
            },
        },
    }


def _operation(operation: Operation, names: Mapping[int, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.about or operation.summary,
        "parameters": _parameters(operation),
        "responses": _responses(operation, names),
        "security": [{"bearer": []}] if operation.scope else [],
    }
    if operation.body is not None:
        fields = msgspec.structs.fields(operation.body)
        found["requestBody"] = {
            "required": any(field.required for field in fields),
            "content": {
                "application/json": {
                    "schema": names[id(operation.body)],
                    "example": operation.example,
                }
            },
        }
    if operation.takes:
        file = {"schema": {"type": "string", "format": "binary"}}
        found["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(operation.takes, file),
        }
    return found


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "example": _IDS[name],
        }
        for name in operation.params
    ]
    if operation.keyed:
        found.append(_KEY_PARAMETER)
    if operation.query is not None:
        found += [_query(field) for field in msgspec.structs.fields(operation.query)]
    return found


_IDS: Final = {
    "wallet": "wal_0400",
    "hold": "hld_0400",
    "entry": "ent_0400",
    "group": "order-2511128",
    "key": "key_0400",
    "approval": "apr_0400",
    "provider": "sandbox",
    "book": "main",
    "endpoint": "whe_0400",
    "item": "whi_0400",
    "delivery": "evt_0800_0400",
    "payable": "order%2FM1001",
    "escrow": "order%2FM1001",
    "payment": "pay_0800",
    "booking": "B7",
    "saga": "sag_0400",
    "account": "bnk_0800",
    "payout": "pyo_0c00",
    "batch": "bat_1000",
    "schedule": "nightly",
    "squad": "eid",
    "purchase": "sqp_0800",
    "sale": "M1001",
    "mission": "mis_0800",
    "subject": "order%2FM1001",
    "campaign": "EID-2026",
    "referred": "bob",
    "owner": "alice",
    "seq": "2",
    "debt": "dbt_0802",
    "loan": "loa_0801",
    "rule": "groceries",
    "version": "1",
    "creator": "nila",
    "video": "V1",
    "rider": "rafi",
    "sku": "SHARE-A",
    "allocation": "alc_0c00",
    "investment": "inv_0800",
    "order": "M1001",
    "root": "lpr_1c01",
    "currency": "BDT",
    "statement": "stm_0400",
    "line": "stm_0400%2F1",
    "match": "mat_0800",
    "exception": "exc_0c00",
    "period": "per_1000",
    "mismatch": "msm_0c00",
    "repair": "rep_1000",
    "receipt": "rct_0c00",
    "flow": "checkout",
    "conversation": "order-1",
    "user": "bob",
}


def _query(field: Any) -> dict[str, Any]:
    schema = msgspec.json.schema(field.type)
    if "anyOf" in schema:
        # a query has no null: a parameter is left out instead
        kept = [part for part in schema.pop("anyOf") if part != {"type": "null"}]
        schema |= kept[0]
    if field.default is not None and not field.required:
        schema["default"] = field.default
    about = schema.pop("description", field.name.replace("_", " ").capitalize() + ".")
    found = {"name": field.name, "in": "query", "description": about, "schema": schema}
    return found | ({"required": True} if field.required else {})


def _responses(operation: Operation, names: Mapping[int, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if operation.gives is not None:
        content = {
            "application/json": {
                "schema": names[id(operation.gives)],
                "example": example_of(operation.gives),
            }
        }
    for media in operation.more_media or (() if content else ("text/plain",)):
        content[media] = {"schema": {"type": "string"}}
    found: dict[str, Any] = {str(operation.status): {"description": "Done", "content": content}}
    if operation.keyed:
        found[str(operation.status)]["headers"] = {
            "Idempotent-Replayed": {
                "description": "`true` when this is the first answer again.",
                "schema": {"type": "string", "const": "true"},
            }
        }
    if operation.scope:
        for status, about in _PROBLEMS.items():
            found[str(status)] = _problem(about)
    found["default"] = {"$ref": "#/components/responses/Problem"}
    return found


def _problem(about: str) -> dict[str, Any]:
    media = {"schema": {"$ref": _REF.format(name="Problem")}}
    return {"description": about, "content": {"application/problem+json": media}}


# ── for the page ─────────────────────────────────────────────────────────────────────


def lowered(value: Any) -> Any:
    """The document in the words of OpenAPI 3.0, for readers that know no other."""
    if isinstance(value, list):
        return [lowered(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: lowered(item) for name, item in value.items()}
    if re.fullmatch(r"3\.1\.\d+", str(found.get("openapi"))):
        found["openapi"] = "3.0.3"
    parts = found.get("anyOf")
    if isinstance(parts, list) and {"type": "null"} in parts:
        kept = [part for part in parts if part != {"type": "null"}]
        del found["anyOf"]
        found |= {"nullable": True, **({"allOf": kept} if len(kept) == 1 else {"anyOf": kept})}
    if "const" in found:
        found["enum"] = [found.pop("const")]
    if isinstance(found.get("prefixItems"), list):
        found["items"] = {}
        del found["prefixItems"]
    return found
