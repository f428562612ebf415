"""Compares the interfaces of two WebAssembly files: exports must be equal, and the second must import what the first imports.

It may import more: another compiler's standard library asks for interfaces of its own. Versions do not count below their minor.
Usage: interfaces.py COMMITTED BUILT; says the differences and exits with 1 when there are any.
"""

import re
import sys

MODULE, COMPONENT = b"\x01\x00\x00\x00", b"\x0d\x00\x01\x00"
# Section numbers of imports and exports.
SECTIONS = {MODULE: {2: "imports", 7: "exports"}, COMPONENT: {10: "imports", 11: "exports"}}
NAME = re.compile(rb"[a-z0-9-]+:[a-z0-9-]+/[a-z0-9-]+@[0-9.]+")


def number(data, at):
    """A LEB128 number and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def names(kind, section, body):
    if kind == COMPONENT:
        return {name.decode().rpartition(".")[0] for name in NAME.findall(body)}
    if section == 7:
        return set(exported(body))
    return set(imported(body))


def text(body, at):
    length, at = number(body, at)
    return body[at : at + length].decode(), at + length


def exported(body):
    count, at = number(body, 0)
    for _ in range(count):
        name, at = text(body, at)
        _, at = number(body, at + 1)
        yield name


def imported(body):
    count, at = number(body, 0)
    for _ in range(count):
        module, at = text(body, at)
        name, at = text(body, at)
        if body[at] != 0:
            raise ValueError(f"the import {module} {name} is no function")
        _, at = number(body, at + 1)
        yield f"{module} {name}"


def interfaces(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\0asm" or data[4:8] not in SECTIONS:
        raise ValueError(f"{path} is no WebAssembly")
    kind, found, at = data[4:8], {"imports": set(), "exports": set()}, 8
    while at < len(data):
        section, (size, at) = data[at], number(data, at + 1)
        if section in SECTIONS[kind]:
            found[SECTIONS[kind][section]] |= names(kind, section, data[at : at + size])
        at += size
    return found


def main(committed, built):
    committed, built = interfaces(committed), interfaces(built)
    differences = [f"  no longer exported: {name}" for name in sorted(committed["exports"] - built["exports"])]
    differences += [f"  newly exported: {name}" for name in sorted(built["exports"] - committed["exports"])]
    differences += [f"  no longer imported: {name}" for name in sorted(committed["imports"] - built["imports"])]
    print("\n".join(differences))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
