"""Checkpoints that torch.save did not write. Each would crash, hang or fill the memory of a reader that trusts it."""
import io
import pickle
import struct
import zipfile

PROTOCOL, STOP = b"\x80\x04", b"."
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)  # a file of before PyTorch 1.6 starts so
MANY = 1 << 22


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def whole(n):
    raw = n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def storage(count, kind="FloatStorage", key="0"):
    return tuple_of(text("storage"), named("torch", kind), text(key), text("cpu"), whole(count)) + b"Q"


def tensor(count, shape, strides, offset=0, kind="FloatStorage", more=b""):
    return named("torch._utils", "_rebuild_tensor_v2") + tuple_of(
        storage(count, kind), whole(offset), tuple_of(*map(whole, shape)), tuple_of(*map(whole, strides)),
        b"\x89N", more) + b"R"


def zipped(pickled, data=b"\0" * 8, compression=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        archive.writestr("archive/data.pkl", PROTOCOL + pickled + STOP)
        archive.writestr("archive/data/0", data)
    return made.getvalue()


def state(value, **more):
    return zipped(b"}(" + text("a") + value + b"u", **more)


TWO = tensor(2, (2,), (1,))
# t = (t, t), 60 times: all stay on the stack
DOUBLED = b")\x94" + b"".join(b"h%ch%c\x86\x94" % (k, k) for k in range(60))
ORDERED = named("collections", "OrderedDict") + b")R(" + text("a") + TWO + b"u"


def attributes(name, value):
    return b"}(" + text(name) + value + b"ub"


# title -> bytes, words of the refusal; or None where it is read as the tensor `a` of two zeros
HOSTILE = {
    "100 dimensions": (state(tensor(2, (1,) * 100, (1,) * 100)), "a: .*shape makes no sense"),
    "a stride beyond any memory": (state(tensor(2, (2,), (1 << 62,))), "a: .*beyond its storage"),
    "a negative offset": (state(tensor(2, (2,), (1,), -1)), "a: .*shape makes no sense"),
    "no elements, absurdly many": (state(tensor(2, (0, 1 << 62), (1, 1))), "a: damaged"),
    "a number repeated": (state(tensor(1, (1 << 33,), (0,)), data=b"\0" * 4), "a: .*repeats its storage"),
    "negated when read": (state(tensor(2, (2,), (1,), more=b"}" + text("neg") + b"\x88s")), "negated"),
    "a storage of two kinds": (zipped(b"}(" + text("a") + TWO + text("b") + tensor(1, (1,), (1,), kind="LongStorage")
                                      + b"u"), "two kinds"),
    "beyond float32": (state(tensor(1, (1,), (1,), kind="DoubleStorage"), data=struct.pack("<d", 1e300)),
                       "a: has a number that does not fit float32"),
    "compressed": (state(TWO, compression=zipfile.ZIP_DEFLATED), "compressed"),
    "one storage, many tensors": (
        zipped(b"}(" + b"".join(text(f"k{j}") + tensor(MANY, (MANY,), (1,)) for j in range(2000)) + b"u",
               data=bytes(4 * MANY)), "larger than the file"),
    # to hash 200,000 of them overflows Python's stack
    "a key of 500,000 nested tuples": (zipped(b"})" + b"\x85" * 500_000 + b"Ns"), "holds no state_dict"),
    "a key of 2^60 tuples": (zipped(DOUBLED + b"}h<Ns"), "holds no state_dict"),
    "and in Python 2's OrderedDict": (zipped(DOUBLED + named("collections", "OrderedDict") + b"]]h<aNaa\x85R"),
                                      "holds no state_dict"),
    "and as a storage's kind": (zipped(DOUBLED + tuple_of(text("storage"), b"h<", text("0"), text("cpu"), whole(1))
                                       + b"Q"),
                                "storage of an unknown kind"),
    "and as a storage's key": (MAGIC + PROTOCOL + b"}." + PROTOCOL + b"}." + PROTOCOL + DOUBLED + b"]h<a.",
                               "no storage keys"),
    "a memo of a billion": (zipped(b"Nr" + struct.pack("<I", 0x60000000)), "holds no state_dict"),
    "16 GB of bytes": (zipped(b"\x96" + struct.pack("<Q", 1 << 34)), "too many"),
    "16 GB of bytes, before PyTorch 1.6": (MAGIC + PROTOCOL + b"\x8e" + struct.pack("<Q", 1 << 34), "too many"),
    "a million dictionaries": (zipped(b"](" + b"}" * 1_000_000 + b"e"), "holds no state_dict"),
    "bytes that are cut off": (zipped(b"\x96" + struct.pack("<Q", 100)), "cut off"),
    "a text of 4 GB": (zipped(b"X" + struct.pack("<I", 0xffffffff)), "damaged"),
    "millions of digits": (zipped(b"I" + b"9" * 1_000_000 + b"\n"), "opcode"),
    "a million marks": (MAGIC + PROTOCOL + b"(" * 1_000_000, "opcode .*or none"),
    "it holds itself": (zipped(b"}\x94" + text("state_dict") + b"h\0s"), "holds no state_dict"),
    "two that hold each other": (zipped(b"}\x94" + text("state_dict") + b"}\x94" + text("model") + b"h\0ss"),
                                 "holds no state_dict"),
    "a call of a text": (zipped(text("x") + b")R"), "call"),
    "a call of os.system": (zipped(named("os", "system") + text("true") + b"\x85R"), r"no state_dict .*os\.system"),
    "STACK_GLOBAL": (zipped(text("os") + text("system") + b"\x93"), r"no state_dict .*os\.system"),
    "a call of what it gave": (zipped(named("os", "system") + text("true") + b"\x85R)R"), r"no state_dict .*os\.system"),
    "beside the weights": (zipped(b"}(" + text("a") + TWO + text("b") + named("os", "system") + text("true") + b"\x85Ru"), None),
    "a marked end that is not there": (zipped(b"1"), "damaged"),
    "an end that is not there": (zipped(b"0"), "damaged"),
    "INST": (zipped(b"(ios\nsystem\n"), "opcode"),
    "an OrderedDict's items": (zipped(ORDERED + attributes("items", text("x"))), None),
    "a tensor's array": (state(TWO + attributes("array", named("argparse", "Namespace"))), None),
    "a tensor's shape": (state(TWO + attributes("shape", text("x"))), None),
    "a function's defaults": (state(named("torch._utils", "_rebuild_tensor_v2") + b"N"
                                    + attributes("__defaults__", b")")[:-1] + b"\x86b"), "holds no state_dict"),
}
