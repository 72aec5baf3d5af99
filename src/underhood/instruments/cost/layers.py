"""A record read as layers: one row for each module that computes, and for each function called between them.

A module is one row when it calls no other module and either is torch's own (a Linear, an LSTM with its two
hundred operations) or does at most one matrix product; otherwise its parts are the rows, indented under it.
Parameters belong to the row that first uses them, or a view of them; used again, they are shared and counted no
second time. What no row uses has one of its own.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

from underhood.instruments.cost import arithmetic
from underhood.instruments.cost.arithmetic import written_out
from underhood.instruments.cost.products import is_without, product_of
from underhood.instruments.cost.receptive_field import Fields
from underhood.instruments.cost.result import Counts, Layer
from underhood.instruments.record import Call, Operation, Record, Value


def layers(record: Record, fields: Fields | None, network: Any) -> list[Layer]:
    """All rows of a record, groups before their parts, and at the end what never ran."""
    return _Reader(record, fields, network).rows()


def is_unit(call: Call) -> bool:
    """Whether the call is one row."""
    if call.module is None:
        return True
    if any(inner.module is not None for inner in call.calls):
        return False
    if type(call.module).__module__.startswith("torch.nn."):
        return True
    products = [inner for inner in call.calls if any(product_of(o) for o in inner.operations())]
    return len(products) <= 1


class _Reader:
    def __init__(self, record: Record, fields: Fields | None, network: Any) -> None:
        self.record, self.fields = record, fields
        self.shapes = {name: tuple(p.shape) for name, p in network.named_parameters(remove_duplicate=False)}
        self.kept = {**record.parameters, **record.buffers}
        self.dtypes = dict(network.named_buffers(remove_duplicate=False))
        self.kinds = {path: type(member).__name__ for path, member in network.named_modules()}
        self.home: dict[int, str] = {}  # the row that counts a parameter, by value number
        self.ran = {call.path for call in _all_calls(record.root) if call.module is not None}
        self.by_storage = _by_storage(record, self.kept)
        self.touched = {n for o in record.root.operations() for n in self.used_by(o)}
        self.owned: dict[str, list[int]] = {}
        for number, names in self.kept.items():
            self.owned.setdefault(names[0].rpartition(".")[0], []).append(number)

    def rows(self) -> list[Layer]:
        root = self.record.root
        rows = [self.unit(root, 0)] if is_unit(root) else list(self.parts(root, 0))
        return [*rows, *self.never_run()]

    def parts(self, call: Call, depth: int) -> Iterator[Layer]:
        for step in call.steps:
            inner = step if isinstance(step, Call) else _loose(step, call)
            if inner.module is None and _only_views(inner):
                continue
            if is_unit(inner):
                yield self.unit(inner, depth)
                continue
            beneath = [*self.parts(inner, depth + 1), *self.unused(inner, depth + 1)]
            yield self.group(inner, depth, [row for row in beneath if row.depth == depth + 1])
            yield from beneath

    def group(self, call: Call, depth: int, parts: list[Layer]) -> Layer:
        """The header: sums of the parts right beneath it, and the output of the whole."""
        return replace(
            self.described(call, depth),
            group=True,
            counts=sum((row.counts for row in parts), Counts()),
            macs=None if any(row.unknown for row in parts) else sum(row.macs or 0 for row in parts),
            unknown=tuple(dict.fromkeys(name for row in parts for name in row.unknown)),
            without=tuple(name for row in parts for name in row.without),
            elements=sum(row.elements for row in parts),
            bytes=sum(row.bytes for row in parts),
        )

    def unit(self, call: Call, depth: int) -> Layer:
        operations = list(call.operations())
        products = [product for o in operations if (product := product_of(o))]
        rest = [o for o in operations if not product_of(o)]
        unknown = tuple(dict.fromkeys(o.name for o in rest if not is_without(o)))
        used = [n for o in operations for n in self.used_by(o)]
        mine, borrowed = self.claimed(call, [*dict.fromkeys((*used, *self.unused_of(call)))])
        fresh = _fresh(call)
        row = self.described(call, depth)
        macs = None if unknown else sum(product.macs for product in products)
        texts = {
            "output": written_out(arithmetic.output, call),
            "parameters": written_out(arithmetic.parameters, self.learnt_shapes(mine), borrowed),
            "macs": "not counted: " + ", ".join(unknown) if unknown else written_out(arithmetic.products, products),
            "bytes": written_out(arithmetic.written, fresh, call.outputs),
            "field": written_out(arithmetic.field, call, self.fields),
        }
        return replace(
            row,
            counts=self.counted(row.name, mine),
            macs=macs,
            unknown=unknown,
            without=tuple(o.name.strip("_") for o in rest if is_without(o) and o.inputs and not o.is_view),
            elements=sum(value.elements for value in fresh),
            bytes=sum(value.bytes for value in fresh),
            texts=texts,
        )

    def described(self, call: Call, depth: int) -> Layer:
        """The row's name, kind, output and field."""
        parent = call.parent.path if call.parent else ""
        label = call.path.removeprefix(parent).lstrip(".") or call.kind
        again = f" (call {call.number})" if call.number > 1 and call.module is not None else ""
        count = f"#{call.number}" if call.number > 1 else ""
        value = call.outputs[0] if call.outputs else None
        seen = self.fields.of(value) if self.fields and value else None
        covers = self.fields.covers if self.fields else lambda seen, axis: False
        return Layer(
            name=(call.path or call.kind) + count,
            label=label + again,
            kind=call.kind if call.module is not None else "function",
            depth=depth,
            outputs=tuple(value.shape for value in call.outputs),
            seen=seen,
            whole=tuple(covers(one, axis) for axis, one in enumerate(seen or ())),
            value=value.number if value else 0,
        )

    def claimed(self, call: Call, numbers: list[int]) -> tuple[list[int], list[str]]:
        """Of the parameters that a row uses: those that it counts, and the rows that count the others."""
        name = call.path or call.kind
        borrowed = list(dict.fromkeys(self.home[n] for n in numbers if n in self.home))
        mine = [n for n in numbers if n not in self.home]
        self.home.update(dict.fromkeys(mine, name))
        return mine, borrowed

    def used_by(self, operation: Operation) -> list[int]:
        """The parameters and buffers that an operation reads, themselves or as a view."""
        found = (v.number if v.number in self.kept else self.by_storage.get(v.storage) for v in operation.inputs)
        return [number for number in found if number is not None]

    def unused_of(self, call: Call) -> list[int]:
        """What the called module owns and no operation of the pass uses (an idle counter)."""
        if call.module is None or call.number > 1:
            return []
        return [n for n in self.owned.get(call.path, []) if n not in self.touched]

    def unused(self, call: Call, depth: int) -> Iterator[Layer]:
        """Rows for what a module owns and no operation of the pass uses (a token for masking, where none is masked)."""
        for number in self.unused_of(call):
            name = self.kept[number][0]
            yield self.idle_row(name, [number], depth, label=name.removeprefix(f"{call.path}."))

    def counted(self, name: str, numbers: list[int]) -> Counts:
        self.home.update({n: name for n in numbers if n not in self.home})
        total = Counts()
        for number in numbers:
            first = self.kept[number][0]
            shape = self.shape(number)
            size = prod(shape)
            if number in self.record.parameters:
                total += Counts(weights=size) if len(shape) > 1 else Counts(biases=size)
            else:
                floating = self.dtypes[first].is_floating_point()
                total += Counts(buffers=size) if floating else Counts(counters=size)
        return total

    def learnt_shapes(self, numbers: list[int]) -> list[tuple[int, ...]]:
        return [self.shape(n) for n in numbers if n in self.record.parameters]

    def shape(self, number: int) -> tuple[int, ...]:
        name = self.kept[number][0]
        return self.shapes[name] if name in self.shapes else tuple(self.dtypes[name].shape)

    def never_run(self) -> Iterator[Layer]:
        """Modules with parameters that the pass did not touch (auxiliary heads, layers to be dropped)."""
        left: dict[str, list[int]] = {}
        for number, names in self.kept.items():
            if number not in self.home:
                left.setdefault(self.idle(names[0]), []).append(number)
        for path, numbers in left.items():
            yield self.idle_row(path, numbers, 0, label=path)

    def idle_row(self, name: str, numbers: list[int], depth: int, label: str) -> Layer:
        """A module that did not run, or a tensor that nothing used."""
        kind = self.kinds.get(name, "parameter" if numbers[0] in self.record.parameters else "buffer")
        idle = "did not run in this pass" if name in self.kinds else "not used in this pass"
        texts = {"parameters": written_out(arithmetic.parameters, self.learnt_shapes(numbers), []), "macs": idle}
        return Layer(name, label, kind, depth, counts=self.counted(name, numbers), macs=None, idle=idle, texts=texts)

    def idle(self, name: str) -> str:
        """The outermost module on the way to a parameter that did not run; the parameter itself if all did."""
        parts = name.split(".")
        paths = [".".join(parts[: i + 1]) for i in range(len(parts))]
        return next((p for p in paths if p not in self.ran and not any(r.startswith(f"{p}.") for r in self.ran)), name)


def _by_storage(record: Record, kept: dict[int, list[str]]) -> dict[int, int]:
    """The parameter or buffer behind each storage that holds one alone."""
    found: dict[int, set[int]] = {}
    for operation in record.root.operations():
        for value in operation.inputs:
            if value.number in kept:
                found.setdefault(value.storage, set()).add(value.number)
    return {storage: numbers.pop() for storage, numbers in found.items() if len(numbers) == 1}


def _all_calls(call: Call) -> Iterator[Call]:
    yield call
    for inner in call.calls:
        yield from _all_calls(inner)


def _loose(operation: Operation, parent: Call) -> Call:
    """An operation that no function of torch's called (torch.ops.aten.…) as a call of its own."""
    path = f"{parent.path}.{operation.name}".lstrip(".")
    return Call(path, operation.name, None, parent, 1, [operation], operation.inputs, operation.outputs)


def _only_views(call: Call) -> bool:
    """Whether a function makes nothing but views of as many dimensions, constants or Python numbers."""
    operations = list(call.operations())
    views = all(o.is_view or not o.inputs or o.name == "_local_scalar_dense" for o in operations)
    if not views:
        return False
    before = max((len(value.shape) for value in call.inputs), default=0)
    return not call.outputs or not call.inputs or all(len(value.shape) >= before for value in call.outputs)


def _fresh(call: Call) -> list[Value]:
    """Outputs in memory of their own: neither views of what came in nor written over it."""
    known = {value.storage for value in call.inputs}
    fresh = []
    for value in call.outputs:
        if value.storage not in known:
            known.add(value.storage)
            fresh.append(value)
    return fresh
