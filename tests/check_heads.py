#!/usr/bin/env python3
"""A network with several classifiers (heads), such as verb and noun, on the command line.

    check_heads.py --cfp BIN --tools FOLDER [--library libcfp.so]

What the heads answer is compared with the same network in files that have one of the classifiers each.  The
numbers of explanations are the matter of oracle/check_heads.py.
"""
import argparse
import csv
import ctypes
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

VERBS = ["take", "put", "cut", "wash", "open"]
NOUNS = ["onion", "knife", "pan", "tap", "cup", "fridge, door", "board"]
PLACES = ["left", "right"]
CLASSES = {"verb": VERBS, "noun": NOUNS, "where": PLACES}
OUTPUTS = {"verb": "fc_verb", "noun": "noun_scores", "where": "fc_where"}
CLIP, THREADS = "clip.npy", ["--threads", "1", "--device", "cpu"]

wrong = []


def check(good, what):
    if not good:
        wrong.append(what)


def write(path, heads, named=True):
    """The network of the test with these heads; not named: a file of the one head without its name."""
    from model_file import ModelFile
    rng = np.random.default_rng(3)

    def weight(*shape):
        return rng.normal(size=shape, scale=(2 / np.prod(shape[1:])) ** 0.5)

    classes, outputs = ({h: CLASSES[h] for h in heads}, {h: OUTPUTS[h] for h in heads}) if named else (
        CLASSES[heads[0]], OUTPUTS[heads[0]])
    with ModelFile(path, name="two", classes=classes, output=outputs, channels=3, frames=4, height=16, width=16,
                   mean=[0.45] * 3, std=[0.225] * 3) as m:
        m.add_node("conv1", "conv3d", ["input"], weight=weight(8, 3, 3, 3, 3), stride=(1, 2, 2), pad_begin=1, pad_end=1)
        m.add_node("relu1", "relu", ["conv1"])
        m.add_node("conv2", "conv3d", ["relu1"], weight=weight(12, 8, 3, 3, 3), pad_begin=1, pad_end=1)
        m.add_node("relu2", "relu", ["conv2"])
        m.add_node("pool", "globalavgpool", ["relu2"])
        for name, n in (("fc_verb", 5), ("fc_noun", 7), ("fc_where", 2)):
            m.add_node(name, "linear", ["pool"], weight=3 * weight(n, 12), bias=rng.normal(size=n))
        m.add_node("noun_scores", "softmax", ["fc_noun"])


def run(cfp, *arguments, status=0):
    done = subprocess.run([cfp, *arguments], capture_output=True, text=True, timeout=120)
    said = " ".join(arguments[:1] + arguments[3:])
    if done.returncode != status:
        wrong.append(f"{said}: exit status {done.returncode}, not {status}: {done.stderr.strip()}")
    return done


def refused(cfp, says, *arguments, status):
    """Ends with this status, and with one line on standard error that says so."""
    done = run(cfp, *arguments, "-q", status=status)
    lines = done.stderr.strip().splitlines()
    check(len(lines) == 1 and lines[0].startswith("cfp-gpu: ") and says in lines[0],
          f"{arguments[3:]}: said {lines}, not one line with {says!r}")


def predicted(cfp, model, *options):
    done = run(cfp, "predict", model, CLIP, "-q", "--json", *THREADS, *options)
    return json.loads(done.stdout)["clips"][0]


def check_predict(cfp, folder):
    for heads in (["verb", "noun"], ["noun", "where", "verb"]):
        model = os.path.join(folder, "-".join(heads) + ".h5")
        write(model, heads)
        got = predicted(cfp, model, "--top", "4")
        alone = {h: predicted(cfp, os.path.join(folder, f"{h}.h5"), "--top", "100")["top"] for h in heads}
        for one in got["heads"]:
            check(one["top"] == alone[one["head"]][:4], f"predict: {heads}: {one['head']} is not as in a file of its own")
        check([one["head"] for one in got["heads"]] == heads, f"predict: {heads}: the heads are {got['heads']}")
        pairs = sorted(((np.prod([c["probability"] for c in row]), row) for row in itertools.product(*alone.values())),
                       key=lambda pair: -pair[0])[:4]
        for action, (p, row) in zip(got["actions"], pairs):
            check(abs(action["probability"] - p) < 1e-6 and [c["name"] for c in action["classes"]] == [c["name"] for c in row],
                  f"predict: {heads}: the action {action} should be {p} {row}")
        check(len(got["actions"]) == 4, f"predict: {heads}: {len(got['actions'])} actions")
        text = run(cfp, "predict", model, CLIP, "-q", "--top", "2", *THREADS).stdout.splitlines()
        check(len(text) == 1 + 3 * (len(heads) + 1) and text[1].strip() == heads[0] and text[-3].strip() == "action"
              and text[-2].endswith(" ".join(c["name"] for c in got["actions"][0]["classes"])), f"predict: {text}")
        one = predicted(cfp, model, "--head", heads[1])
        check(one.get("head") == heads[1] and one["top"][0] == alone[heads[1]][0], f"predict --head: {one}")


def check_explain(cfp, folder, model):
    out = os.path.join(folder, "out")
    done = run(cfp, "explain", model, CLIP, "-o", out, "--json", "--rule", "cfp", "--theta", "0.5", "--class",
               "noun=fridge, door,verb=2", "--format", "h5,json,png,html", *THREADS)
    said = json.loads(done.stdout)
    want = {"verb": (2, "cut"), "noun": (5, "fridge, door")}
    together = 1.0
    for one in said["heads"]:
        index, name = want[one["head"]]
        inside = os.path.join(out, "heads", one["head"])
        with h5py.File(os.path.join(inside, "explanation.h5")) as f:
            attrs = dict(f.attrs)
            together *= float(attrs["probability"])
            check((attrs["head"], attrs["class_index"], attrs["class_name"]) == (one["head"], index, name),
                  f"explanation.h5: {one['head']}: {attrs}")
        for file in ("pyramid.json", "run.json"):
            with open(os.path.join(inside, file)) as f:
                told = json.load(f)
            check((told["class"]["head"], told["class"]["name"]) == (one["head"], name), f"{file}: {told['class']}")
        check((one["class"]["index"], one["class"]["name"]) == (index, name), f"--json: {one['class']}")
        check(all(os.path.exists(os.path.join(inside, file)) for file in [*told["files"], "contact-sheet.png"]),
              f"{one['head']}: run.json lists {told['files']}")
        page = open(os.path.join(inside, "report.html")).read()
        check(f'"head":"{one["head"]}"' in page, "report.html of a head does not name it")
    check(said["action"]["name"] == "cut fridge, door" and abs(said["action"]["probability"] - together) < 1e-6,
          f"the action is {said['action']}, not {together}")
    check(all(os.path.exists(file) for file in said["files"]), f"--json: files {said['files']}")
    with open(os.path.join(out, "run.json")) as f:
        told = json.load(f)
    check([c["head"] for c in told["classes"]] == ["verb", "noun"] and told["action"] == said["action"], "run.json")
    page = open(os.path.join(out, "report.html")).read()
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))
    check([(h["head"], h["name"], h["href"]) for h in data["heads"]] == [
        ("verb", "cut", "heads/verb/report.html"), ("noun", "fridge, door", "heads/noun/report.html")]
        and data["action"]["name"] == "cut fridge, door", f"report.html: {str(data)[:200]}")
    kernels = {}
    for head in want:
        with h5py.File(os.path.join(out, "heads", head, "explanation.h5")) as f:
            kernels[head] = {n: set(g["selected"][()].tolist()) for n, g in f["pyramid"].items()}
    for layer in data["layers"]:
        sets = [kernels[head].get(layer["name"]) for head in want]
        check(layer["selected"] == [None if s is None else len(s) for s in sets]
              and layer["all"] == (None if None in sets else len(sets[0] & sets[1])), f"report.html: {layer}")
    lines = done.stderr.splitlines()
    check(any(line.startswith("verb: class 2, 'cut'") for line in lines)
          and any(line.startswith("noun: class 5, 'fridge, door'") for line in lines)
          and any(line.startswith("action: 'cut fridge, door', probability") for line in lines)
          and any(re.search(r"layer +kernels +verb +noun$", line) for line in lines), f"explain says {lines}")
    again = run(cfp, "explain", model, CLIP, "-o", out, "--head", "noun", "--format", "json", *THREADS)
    left = sorted(os.path.relpath(os.path.join(d, f), out) for d, _, fs in os.walk(out) for f in fs)
    check(left == ["pyramid.json", "run.json"], f"a run with one head leaves files of the earlier run: {left}")
    check("noun: class" in again.stderr, f"explain --head: {again.stderr}")
    # run.json may have been edited: names that lead out of the folder of a head are not followed
    for name in ("keep.h5", "heads/keep.h5"):
        os.makedirs(os.path.dirname(os.path.join(out, name)), exist_ok=True)
        open(os.path.join(out, name), "w").close()
    with open(os.path.join(out, "run.json"), "w") as f:
        json.dump({"files": ["heads/../keep.h5", "heads/verb/../keep.h5", "heads/keep.h5", "heads//../keep.h5"]}, f)
    run(cfp, "explain", model, CLIP, "-o", out, "--head", "noun", "--format", "json", "-q", *THREADS)
    check(os.path.exists(os.path.join(out, "keep.h5")) and os.path.exists(os.path.join(out, "heads", "keep.h5")),
          "a name in run.json led to the removal of a file that is not ours")


def rows(text, *drop):
    return [{k: v for k, v in row.items() if k not in drop} for row in csv.DictReader(io.StringIO(text))]


def check_one_head(cfp, folder, model):
    """Commands about one head give what they give for a file with this head alone."""
    for head, options in (("verb", []), ("noun", ["--head", "noun"])):
        alone = os.path.join(folder, f"{head}.h5")
        for command in (["sweep", "--theta", "0.3,0.6", "--rule", "cfp,grad", "--top-classes", "2"],
                        ["evaluate", "--metrics", "kernel-drop,weight-jaccard,class-jaccard,deletion", "--methods", "grad,gradcam",
                         "--draws", "3", "--theta", "0.3"]):
            got, want = (run(cfp, command[0], file, CLIP, *command[1:], *more, "-q", *THREADS).stdout
                         for file, more in ((model, options), (alone, [])))
            check(rows(got) == rows(want) and len(rows(got)) > 3, f"{command[0]}: {head} is not as in a file of its own")
        classes = CLASSES[head]
        told = []
        for k, (file, more) in enumerate(((model, options), (alone, []))):
            out = os.path.join(folder, f"contrast{k}")
            run(cfp, "contrast", file, CLIP, "--class", classes[0], "--against", "1", "-o", out, "--format", "json", *more, "-q",
                *THREADS)
            with open(os.path.join(out, "contrast.json")) as f:
                told.append(json.load(f))
        for one in told[0]["classes"]:
            check(one.pop("head") == head, "contrast.json does not name the head")
        check(told[0] == told[1], f"contrast: {head} is not as in a file of its own")
    said = run(cfp, "sweep", model, CLIP, "--theta", "0.5", *THREADS).stderr
    check("first of its 2 heads, 'verb'; --head chooses another" in said, f"sweep does not say which head: {said}")
    told = json.loads(run(cfp, "inspect", model, "--json").stdout)
    check([(h["name"], h["classes"], h["logits"]) for h in told["heads"]] == [("verb", 5, "fc_verb"), ("noun", 7, "fc_noun")]
          and not any("/" in node["name"] for node in told["nodes"]), f"inspect: {told['heads']}")


def check_aggregate(cfp, folder, model):
    out, total = os.path.join(folder, "explained"), os.path.join(folder, "classes")
    run(cfp, "explain", model, CLIP, "-o", out, "--rule", "cfp", "--format", "h5", "-q", *THREADS)
    refused(cfp, "--head: is 'verb', but 'noun'", "aggregate", out, "-o", total, status=1)
    run(cfp, "aggregate", out, "-o", total, "--head", "noun", "-q")
    with open(os.path.join(total, "class.json")) as f:
        told = json.load(f)
    check(told["options"]["head"] == "noun" and told["classes"][0]["name"] in NOUNS, f"aggregate: {told['options']}")
    refused(cfp, f"give {out}/heads/*", "report", out, "-o", os.path.join(folder, "all.html"), status=1)


def check_usage(cfp, model):
    out = ["-o", "never"]
    for says, options in (
            ("--head: no head 'nou'", ["--head", "nou"]), ("there are verb, noun", ["--head", """ verb"""]),
            ("has the heads verb, noun; write verb=CLASS", ["--class", "cut"]),
            ("has the heads verb, noun; write verb=CLASS", ["--class", "nou=onion"]),
            ("--class: verb: no class 'cuts' among the 5 of two; near: 'cut'", ["--class", "verb=cuts"]),
            ("--class: noun: no class 'onnion' among the 7 of two; near: 'onion'", ["--class", "verb=cut,noun=onnion"]),
            ("--class: noun: index 7 is not within 0 to 6", ["--class", "noun=7"]),
            ("--class: verb is given twice", ["--class", "verb=cut,verb=put"]),
            ("no class 'noun=onion'", ["--head", "verb", "--class", "noun=onion"])):
        refused(cfp, says, "explain", model, CLIP, *out, *options, *THREADS, status=2)
    check(not os.path.exists("never"), "a refused explain made its folder")


def check_files(cfp, folder, model):
    """A file whose heads contradict each other is refused in one line."""
    def edit(change):
        path = os.path.join(folder, "edited.h5")
        with open(model, "rb") as f, open(path, "wb") as g:
            g.write(f.read())
        with h5py.File(path, "a") as f:
            change(f)
        return path

    def put(**attributes):
        def change(f):
            for key, value in attributes.items():
                f.attrs.pop(key, None)
                if value is not None:
                    f.attrs[key] = np.array(value, object) if isinstance(value, list) else value
        return change

    def classes(**lists):
        def change(f):
            for head, names in lists.items():
                if head in f["classes"]:
                    del f["classes"][head]
                if names is not None:
                    f["classes"].create_dataset(head, data=np.array(names, object), dtype=h5py.string_dtype())
        return change

    def one_list(f):
        del f["classes"]
        f.create_dataset("classes", data=np.array(VERBS, object), dtype=h5py.string_dtype())

    for says, change in (
            ("has both 'output' and 'outputs'", put(output="fc_verb")),
            ("'heads' has 1 names, 'outputs' has 2", put(heads=["verb"])),
            ("'heads' has 2 names, 'outputs' has 3", put(outputs=["fc_verb", "fc_noun", "fc_where"])),
            ("'heads'", put(heads=None)), ("'outputs'", put(outputs=None)),
            ("'heads' has 'verb' twice", put(heads=["verb", "verb"])),
            ("'a=b' cannot be a name", put(heads=["verb", "a=b"])), ("'' cannot be a name", put(heads=["verb", ""])),
            ("'../x' cannot be a name", put(heads=["verb", "../x"])), ("'a,b' cannot be a name", put(heads=["a,b", "noun"])),
            ("node 'fc_verb' is of two heads, 'verb' and 'noun'", put(outputs=["fc_verb", "fc_verb"])),
            ("outputs: no node 'fc'", put(outputs=["fc_verb", "fc"])),
            ("is the output, but has 4 x 8 x 8 positions", put(outputs=["fc_verb", "relu2"])),
            ("gives 7 scores for 6 classes of head 'noun'", classes(noun=NOUNS[:6])),
            ("'noun'", classes(noun=None)), ("'extra' is no head", classes(extra=VERBS)),
            ("'noun' is empty", classes(noun=[])), ("classes", one_list)):
        path = edit(change)
        refused(cfp, says, "predict", path, CLIP, "--device", "cpu", status=1)
    for name, change in (("heads", lambda f: f.attrs.pop("outputs")), ("output", put(output="fc_verb", outputs=None, heads=None))):
        refused(cfp, "'", "predict", edit(change), CLIP, "--device", "cpu", status=1)


def check_oldest(cfp, folder):
    """A file that names its one classifier is as one that does not, and says the name."""
    path = os.path.join(folder, "named.h5")
    write(path, ["noun"])
    told, plain = predicted(cfp, path), predicted(cfp, os.path.join(folder, "noun.h5"))
    check(told.pop("head") == "noun" and told == plain, f"a file with one named head: {told}")
    refused(cfp, "has one classifier, 'noun'", "predict", path, CLIP, "--head", "verb", "--device", "cpu", status=2)
    refused(cfp, "has one classifier, and no name for it", "predict", os.path.join(folder, "noun.h5"), CLIP, "--head", "noun",
            "--device", "cpu", status=2)


def check_windows(cfp, folder, model):
    """Of several windows, each head says what a file of its own says, and the actions are those of the mean probabilities."""
    np.save("long.npy", np.random.default_rng(7).integers(0, 256, (12, 16, 16, 3)).astype(np.uint8))
    options = ["-q", "--json", "--windows", "3", "--check-input", "never", "--top", "7", *THREADS]
    got = json.loads(run(cfp, "predict", model, "long.npy", *options).stdout or "{}")["clips"][0]
    best = 1
    for h, one in enumerate(got["heads"]):
        alone = json.loads(run(cfp, "predict", os.path.join(folder, f"{one['head']}.h5"), "long.npy", *options).stdout)["clips"][0]
        check(one["top"] == alone["top"], f"--windows: {one['head']}: {one['top']}, alone {alone['top']}")
        said = [{"indices": w["indices"], **{k: w["heads"][h][k] for k in ("index", "name", "probability")}} for w in got["windows"]]
        check(said == alone["windows"] and len(said) == 3, f"--windows: {one['head']}: windows {said}, alone {alone['windows']}")
        best *= alone["top"][0]["probability"]
    check(abs(got["actions"][0]["probability"] - best) < 1e-6, f"--windows: actions {got['actions'][:1]}, not {best}")


def check_batch(cfp, model):
    """batch explains one head: the first, or the one that is named."""
    with open("clips.txt", "w") as f:
        f.write(f"{CLIP}\n")
    for options, head in (([], "verb"), (["--head", "noun"], "noun")):
        run(cfp, "batch", model, "clips.txt", "-o", f"batch-{head}", "-q", *THREADS, *options)
        run(cfp, "explain", model, CLIP, "-o", f"batch-{head}-one", "--head", head, "--format", "h5", "--tubes", "none", "-q", *THREADS)
        with h5py.File(f"batch-{head}/shard-00000.h5") as shard, h5py.File(f"batch-{head}-one/explanation.h5") as one:
            clip = next(iter(shard["clips"].values()))
            said, wanted = ([f.attrs[k] for k in ("head", "class_index", "probability")] for f in (clip, one))
            check(said == wanted, f"batch {options}: {said}, not {wanted}")
            check(all(np.array_equal(clip[f"pyramid/{layer}/relevance"], group["relevance"]) for layer, group in one["pyramid"].items()),
                  f"batch {options}: other kernels")
    refused(cfp, "no head 'x'", "batch", model, "clips.txt", "-o", "batch-x", "--head", "x", status=2)


def check_dataset(cfp, model):
    """A label of a list is compared with the head of its name, else with the head that knows it."""
    with open("two.kind", "w") as f:
        f.write("separator = comma\nheader = yes\n" + "".join(f"column = {c}\n" for c in ("clip", "verb", "thing"))
                + "id = {clip}{verb}\nclip = {clip}\nlabel = verb\nname = {verb}\nlabel = thing\nname = {thing}\n")
    with open("two.csv", "w") as f:
        f.write(f"clip,verb,thing\n{CLIP},cut,onion\n{CLIP},onion,Pan\n")
    done = run(cfp, "dataset", "two.csv", "--kind", "two.kind", "--model", model, "--json")
    said = json.loads(done.stdout or "{}")
    counts = {label: (found["head"], found["known"], found["unknown"]) for label, found in said["model"].items()}
    check(counts == {"verb": ("verb", 1, 1), "thing": ("noun", 2, 0)}, f"dataset: {counts}")
    numbers = [{label: found.get("class") for label, found in clip["labels"].items()} for clip in said["clips"]]
    check(numbers == [{"verb": 2, "thing": 0}, {"verb": None, "thing": 2}], f"dataset: classes {numbers}")
    check("the model has no class 'onion'" in done.stderr and "Pan" not in done.stderr, f"dataset: said {done.stderr}")


def check_library(library, folder, model):
    """The library opens the first head, or the one that is named."""
    lib = ctypes.CDLL(library)
    for name in ("cfp_class_name", "cfp_message"):
        getattr(lib, name).restype = ctypes.c_char_p
    context, opened = ctypes.c_void_p(), ctypes.c_void_p()
    check(lib.cfp_open_context(ctypes.byref(context), None) == 0, "cfp_open_context")
    for head, first in ((None, "take"), ("verb", "take"), ("noun", "onion")):
        place = ctypes.byref(opened)
        status = (lib.cfp_open_model(place, context, model.encode()) if head is None
                  else lib.cfp_open_head(place, context, model.encode(), head.encode()))
        check(status == 0, f"library: {head}: status {status}, {lib.cfp_message(context)}")
        check(lib.cfp_class_name(opened, 0) == first.encode(), f"library: {head}: {lib.cfp_class_name(opened, 0)}")
        check(lib.cfp_class_name(opened, 7) is None, f"library: {head} has the classes of other heads")
        lib.cfp_close_model(place)
    for file, says in ((model, "no head 'nou'"), (os.path.join(folder, "noun.h5"), "has one classifier")):
        status = lib.cfp_open_head(ctypes.byref(opened), context, file.encode(), b"nou")
        check(status == 1 and opened.value is None and says in lib.cfp_message(context).decode(),
              f"library: status {status}, {lib.cfp_message(context)}")
    lib.cfp_close_context(ctypes.byref(context))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True)
    parser.add_argument("--tools", required=True)
    parser.add_argument("--library", help="libcfp.so; default: it is not tested")
    arguments = parser.parse_args()
    sys.path.insert(0, os.path.abspath(arguments.tools))
    cfp, library = os.path.abspath(arguments.cfp), arguments.library and os.path.abspath(arguments.library)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        np.save(CLIP, np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3)).astype(np.uint8))
        for head in CLASSES:
            write(os.path.join(folder, f"{head}.h5"), [head], named=False)
        model = os.path.join(folder, "two.h5")
        write(model, ["verb", "noun"])
        check_predict(cfp, folder)
        check_explain(cfp, folder, model)
        check_one_head(cfp, folder, model)
        check_aggregate(cfp, folder, model)
        check_usage(cfp, model)
        check_files(cfp, folder, model)
        check_oldest(cfp, folder)
        check_dataset(cfp, model)
        check_windows(cfp, folder, model)
        check_batch(cfp, model)
        if library is not None:
            check_library(library, folder, model)
        os.chdir("/")
    print(*(f"FAIL: {w}" for w in wrong), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
