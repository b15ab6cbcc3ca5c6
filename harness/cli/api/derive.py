#!/usr/bin/env python3
"""Derives `envoy.txt`, the messages of Envoy's configuration, from an Envoy binary, which carries the descriptors of its own API.

    pip install protobuf; ./derive.py PATH_TO_ENVOY > envoy.txt

Format: `m NAME FIELD:TYPE …` and `e NAME VALUE …`, sorted. A type is `s` (text), `y` (bytes), `b` (bool), `i` (whole number), `u` (one that is not negative), `f` (number),
`@NAME` (message) or `#NAME` (enum); before it `*` for a list, `%` for a map to it. A value of an enum carries its number where that is not its
place. `~` stands for `envoy.config.`, `^` for `envoy.extensions.`.

Behind the type of a field: `|N` for the oneof that it is part of, `|N!` where one of these must be set, and `;RULE` for each constraint of
protoc-gen-validate: `required`, `gt=N` `gte=N` `lt=N` `lte=N` (a number, or seconds), `notin=N,N` (numbers of an enum's values),
`min=N` `max=N` (characters or bytes of a text, items of a list, entries of a map), `unique`, `line` (no NUL, CR or LF), `header` (characters of
a header's name), `value` (of its value), `const=N` (1 for true), `in=A,B` (one of these texts), `prefix=TEXT`, `suffix=TEXT`, `pattern=REGEX`, `absent`
(does not apply to what is not written), `empty` (nor to what is empty); behind `each.` for the items of a list or the values of a map, behind `key.`
for its keys. Texts are percent-encoded.
"""
import re
import sys
from urllib.parse import quote

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, timestamp_pb2  # noqa: F401 (the last two: what validate.proto imports)
from google.protobuf.message import DecodeError

DATA = open(sys.argv[1], "rb").read()


def varint(at):
    value = shift = 0
    while True:
        byte = DATA[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def descriptor(start):
    """The FileDescriptorProto that begins at `start`: as many of its fields as follow each other."""
    at, end = start, start
    while at < len(DATA):
        tag, after = varint(at)
        field, wire = tag >> 3, tag & 7
        if field not in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14) or (field == 1 and at != start):
            break
        if wire == 2:
            length, after = varint(after)
            after += length
        elif wire == 0:
            _, after = varint(after)
        else:
            break
        if after > len(DATA):
            break
        at = end = after
        if field == 12:
            break
    file = descriptor_pb2.FileDescriptorProto()
    file.ParseFromString(DATA[start:end])
    return file


files = {}
for match in re.finditer(rb"\n[\x01-\xff][\w/\-]+\.proto", DATA):
    try:
        file = descriptor(match.start())
    except (DecodeError, IndexError):
        continue
    if file.package and (file.message_type or file.enum_type):
        known = files.get(file.name)
        if known is None or file.ByteSize() > known.ByteSize():
            files[file.name] = file

messages, enums = {}, {}


def walk(scope, message):
    name = f"{scope}.{message.name}"
    messages[name] = message
    for enum in message.enum_type:
        enums[f"{name}.{enum.name}"] = enum
    for nested in message.nested_type:
        walk(name, nested)


for file in files.values():
    for message in file.message_type:
        walk("." + file.package, message)
    for enum in file.enum_type:
        enums[f".{file.package}.{enum.name}"] = enum

# What a configuration can name: the bootstrap, resources, and every extension; and whatever these refer to.
WELL_KNOWN = ".google.protobuf."
pending = [
    name
    for name in messages
    if re.match(r"\.(envoy\.(extensions|type|watchdog)|udpa|xds)\.", name)
    or re.match(r"\.envoy\.config\.(?!v2)", name)
    or name == ".envoy.service.discovery.v3.DiscoveryResponse"
]
reached, named = set(), set()
while pending:
    name = pending.pop()
    if name in reached or name.startswith(WELL_KNOWN):
        continue
    reached.add(name)
    for field in messages[name].field:
        if field.type == 11:
            pending.append(field.type_name)
        elif field.type == 14:
            named.add(field.type_name)

SCALARS = {9: "s", 12: "y", 8: "b", 1: "f", 2: "f", 4: "u", 6: "u", 7: "u", 13: "u"}


def short(name):
    name = name.removeprefix(".")
    return re.sub(r"^envoy\.extensions\.", "^", re.sub(r"^envoy\.config\.", "~", name))


def kind(field):
    if field.type == 11:
        return "@" + short(field.type_name)
    if field.type == 14:
        return "#" + short(field.type_name)
    return SCALARS.get(field.type, "i")


# The constraints are extensions of the options; the binary has their definition too.
POOL = descriptor_pool.Default()
POOL.Add(files["validate/validate.proto"])


def extension(options, name):
    return type(options).FromString(options.SerializeToString()).Extensions[POOL.FindExtensionByName(f"validate.{name}")]


BOUNDS = ("gt", "gte", "lt", "lte")
SIZES = {"min_len": "min", "max_len": "max", "min_bytes": "min", "max_bytes": "max", "min_items": "min", "max_items": "max",
         "min_pairs": "min", "max_pairs": "max"}


def word(text):
    """A text without what separates words, fields and rules here."""
    return quote(text, safe="!\"#$&'()*+/:<>?@[\\]^`{}~")


def bound(value):
    """A number, or a duration in seconds."""
    seconds = value.seconds + value.nanos / 1e9 if hasattr(value, "seconds") else value
    return f"{seconds:.17g}"


def constraints(rules):
    """The words of `FieldRules`."""
    found = []
    if rules.message.required:
        found.append("required")
    which = rules.WhichOneof("type")
    if which is None:
        return found
    inner = getattr(rules, which)
    for field, value in inner.ListFields():
        name = field.name
        if name in BOUNDS:
            found.append(f"{name}={bound(value)}")
        elif name in SIZES:
            found.append(f"{SIZES[name]}={value}")
        elif name == "required" and value:
            found.append("required")
        elif name == "unique" and value:
            found.append("unique")
        elif name == "ignore_empty" and value:
            found.append("empty")
        elif name == "not_in" and which == "enum":
            found.append(f"notin={','.join(map(str, value))}")
        elif name == "well_known_regex":
            found.append("line" if not inner.strict else "header" if value == 1 else "value")
        elif name == "const":
            found.append(f"const={int(value)}")
        elif name == "in" and which == "string":
            found.append(f"in={','.join(word(text) for text in value)}")
        elif name in ("prefix", "suffix", "pattern"):
            found.append(f"{name}={word(value)}")
        elif name in ("items", "values"):
            found += [f"each.{word}" for word in constraints(value)]
        elif name == "keys":
            found += [f"key.{word}" for word in constraints(value)]
    return found


def suffix(message, field):
    words = ""
    if field.HasField("oneof_index") and not field.proto3_optional:
        words = f"|{field.oneof_index}"
        if extension(message.oneof_decl[field.oneof_index].options, "required"):
            words += "!"
    found = []
    if not extension(message.options, "disabled"):
        found = constraints(extension(field.options, "rules"))
    if found and field.proto3_optional:
        found.append("absent")
    return words + "".join(f";{word}" for word in found)


for name in sorted(reached):
    message = messages[name]
    if message.options.map_entry:
        continue
    fields = []
    for field in message.field:
        mark = ""
        inner = field
        if field.label == 3:
            mark = "*"
            if field.type == 11 and messages.get(field.type_name) is not None:
                entry = messages[field.type_name]
                if entry.options.map_entry:
                    mark, inner = "%", entry.field[1]
        fields.append(f"{field.name}:{mark}{kind(inner)}{suffix(message, field)}")
    print(" ".join(["m", short(name), *fields]))
for name in sorted(named):
    values = [v.name if v.number == at else f"{v.name}={v.number}" for at, v in enumerate(enums[name].value)]
    print(" ".join(["e", short(name), *values]))
