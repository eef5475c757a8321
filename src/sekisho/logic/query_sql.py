"""A query as SQL over the tables of the index (store/migrations, ``index_term``), for both engines.

Documents are numbers. A *driver* is a SELECT whose column ``id`` has every document that can match, and
perhaps more; the *condition* then decides about each. The driver of terms that must all hold is that of the
rarest, so that a selective query looks at few documents however common its other terms are; the condition of
a term is one or two steps down an index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sekisho.logic.query import (
    UNSPOKEN,
    And,
    Everything,
    Exact,
    Leaf,
    Not,
    Or,
    Pattern,
    Query,
    Range,
    leaves,
)

COUNTED = 50_000
"""Documents of a term that are counted to compare it with others."""
HIGHEST = "\U0010ffff"
"""Greater than every character that can follow a prefix."""


class Selection(NamedTuple):
    """``driver`` has no more documents than ``estimate``, unless that is :data:`COUNTED`. ``condition`` is
    about ``d.id``, and '' where the driver has already decided."""

    driver: str
    condition: str
    estimate: int
    params: Mapping[str, Any]


class Compiler:
    """``scope`` is the number of the index, ``fields`` has the numbers of its fields by their names."""

    def __init__(self, query: Query, scope: int, fields: Mapping[str, int]) -> None:
        self.query = query
        self._fields = fields
        self._leaves = leaves(query)
        self._number = {id(leaf): number for number, leaf in enumerate(self._leaves)}
        hidden = [fields[name] for name in UNSPOKEN if name in fields]
        self._params: dict[str, Any] = {"scope": scope, "hidden": hidden[0] if hidden else 0}
        self._where = {id(leaf): self._of_leaf(leaf) for leaf in self._leaves}
        self._counts: dict[int, int] = {}

    def counting(self) -> tuple[str, Mapping[str, Any]]:
        """Rows ``leaf``, ``n``: how many documents each leaf has, up to :data:`COUNTED`."""
        parts = []
        for leaf in self._leaves:
            if isinstance(leaf, Everything):
                table = "index_document t WHERE t.scope = :scope"
            else:
                table = f"index_term t WHERE {self._found(leaf)}"
            # The numbers are the query's own.
            number = self._number[id(leaf)]
            parts.append(
                f"SELECT {number} AS leaf, COUNT(*) AS n"  # noqa: S608
                f" FROM (SELECT 1 AS one FROM {table} LIMIT {COUNTED}) q{number}"
            )
        text = " UNION ALL ".join(parts)
        return text, self._used(text)

    def select(self, counts: Mapping[int, int], after: bool = False) -> Selection:
        """``counts`` by the leaves' numbers, from :meth:`counting`. ``after``: only documents beyond the
        parameter ``after``."""
        self._counts = {key: counts.get(number, COUNTED) for key, number in self._number.items()}
        estimate, drivers, decided = self._driver(self.query, after)
        driver = " UNION ".join(drivers)
        condition = "" if decided else self._condition(self.query)
        return Selection(driver, condition, estimate, self._used(f"{driver} {condition}"))

    def condition(self, document: str) -> tuple[str, Mapping[str, Any]]:
        """Whether the document in the column ``document`` matches."""
        text = self._condition(self.query).replace("d.id", document)
        return text, self._used(text)

    def _used(self, text: str) -> dict[str, Any]:
        """PostgreSQL wants no parameter that is not asked for."""
        words = set(text.replace("(", " ").replace(")", " ").replace(",", " ").split())
        return {name: value for name, value in self._params.items() if f":{name}" in words}

    # --- leaves ---------------------------------------------------------------------------------------------

    def _of_leaf(self, leaf: Leaf) -> str:
        """What must hold of a row's value; '' for nothing."""
        number = self._number[id(leaf)]

        def param(name: str, value: Any) -> str:
            self._params[f"{name}{number}"] = value
            return f":{name}{number}"

        field = getattr(leaf, "field", None)
        if field is not None:
            param("f", self._fields.get(field, 0))
        match leaf:
            case Exact(_, text):
                return f"t.value = {param('v', text)}"
            case Pattern(_, prefix, like, plain):
                tests = []
                if prefix:
                    low, high = param("v", prefix), param("w", prefix + HIGHEST)
                    tests.append(f"t.value >= {low} AND t.value < {high}")
                if not plain:
                    tests.append(f"t.value LIKE {param('l', like)} ESCAPE '\\'")
                return " AND ".join(tests)
            case Range(_, low_end, high_end, with_low, with_high):
                column = "t.number" if leaf.numeric else "t.value"
                tests = ["t.number IS NOT NULL"] if leaf.numeric else []
                if low_end is not None:
                    tests.append(f"{column} {'>=' if with_low else '>'} {param('v', low_end)}")
                if high_end is not None:
                    tests.append(f"{column} {'<=' if with_high else '<'} {param('w', high_end)}")
                return " AND ".join(tests)
        return ""

    def _found(self, leaf: Leaf) -> str:
        """Where the rows of a leaf are, by field and value."""
        if getattr(leaf, "field", None) is None:
            place = "t.field IN (SELECT id FROM index_field WHERE scope = :scope AND spoken = 1 )"
        else:
            place = f"t.field = :f{self._number[id(leaf)]}"
        where = self._where[id(leaf)]
        return f"{place} AND {where}" if where else place

    # --- drivers --------------------------------------------------------------------------------------------

    def _driver(self, query: Query, after: bool) -> tuple[int, Sequence[str], bool]:
        """How many documents, the SELECTs whose union they are, and whether they are exactly those that
        match."""
        match query:
            case And(parts):
                tried = [self._driver(part, after) for part in parts]
                estimate, drivers, _ = min(tried, key=lambda found: found[0])
                return estimate, drivers, False
            case Or(parts):
                tried = [self._driver(part, after) for part in parts]
                everything = self._everything(after)
                if any(drivers == everything for _, drivers, _ in tried):
                    return COUNTED, everything, False
                return (
                    min(sum(estimate for estimate, _, _ in tried), COUNTED),
                    [driver for _, drivers, _ in tried for driver in drivers],
                    all(decided for _, _, decided in tried),
                )
            case Not():
                return COUNTED, self._everything(after), False
            case Everything():
                return self._counts[id(query)], self._everything(after), True
        distinct = "" if isinstance(query, Exact) and query.field is not None else "DISTINCT "
        beyond = " AND t.document > :after" if after else ""
        driver = f"SELECT {distinct}t.document AS id FROM index_term t WHERE {self._found(query)}{beyond}"  # noqa: S608
        return self._counts[id(query)], [driver], True

    @staticmethod
    def _everything(after: bool) -> list[str]:
        beyond = " AND t.id > :after" if after else ""
        return [f"SELECT t.id AS id FROM index_document t WHERE t.scope = :scope{beyond}"]  # noqa: S608

    # --- conditions -----------------------------------------------------------------------------------------

    def _condition(self, query: Query) -> str:
        match query:
            case And(parts):
                return "(" + " AND ".join(map(self._condition, parts)) + ")"
            case Or(parts):
                return "(" + " OR ".join(map(self._condition, parts)) + ")"
            case Not(part):
                return f"NOT {self._condition(part)}"
            case Everything():
                return "1 = 1"
        # By document, among its few rows; but by value where that is one step.
        number = self._number[id(query)]
        place = "t.document = d.id"
        if getattr(query, "field", None) is None:
            place += " AND t.field <> :hidden"
        else:
            place += f" AND t.field = :f{number}"
        where = self._where[id(query)]
        test = f"{place} AND {where}" if where else place
        return f"EXISTS (SELECT 1 FROM index_term t WHERE {test})"  # noqa: S608
