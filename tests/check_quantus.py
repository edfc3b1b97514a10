#!/usr/bin/env python3
"""Compares the metrics of volumes that Quantus has, too, with Quantus' own code.

Quantus knows batches of pictures, so a clip goes to it as one picture of T * H rows.  Curves replace voxels,
and a voxel is all channels of one place.  So Quantus gets a picture of ones that says which voxels are
left, and the model behind it makes the clip of that.  README.md of host/evaluate says which definitions differ.

If Quantus is not installed, the test is skipped and says so.

Usage: check_quantus.py --dump VOLUME_DUMP
"""
import argparse
import os
import sys
import tempfile
import warnings

import check_volumes as volumes
from check_volumes import close

program, np, torch = volumes.program, volumes.np, volumes.torch
try:
    import quantus
    from scipy import ndimage
except ImportError as error:
    print(f"skipped: Quantus is not here ({error})")
    sys.exit(77)

warnings.simplefilter("ignore")
QUIET = {"disable_warnings": True, "display_progressbar": False}
METHODS = "gradient-input,gradcam,random,frame-difference"


class Left(torch.nn.Module):
    """The probability of the class where `left` is 1 in the voxels of `here` and 0 in those of `there`."""

    def __init__(self, net, here, there):
        super().__init__()
        self.net, self.here, self.there = net, here, there

    def forward(self, left):
        out = []
        for one in left.detach().numpy().astype(np.float64):
            one = one.reshape(self.here.shape[1:])
            p = self.net.p(one * self.here + (1 - one) * self.there)
            out.append([p, 1 - p])
        return torch.tensor(out, dtype=torch.float64)


def picture(volume):
    return np.asarray(volume).reshape(1, 1, -1, volume.shape[-1])


def parted(s, places):
    """Whether it is certain which voxels are the k highest, for each k: Quantus orders equal ones in another way."""
    v = -np.sort(-np.ravel(s))
    return all(v[k - 1] > v[k] for k in places)


def curve(net, s, here, there, points):
    """The probabilities of PixelFlipping, and the clip itself, which it leaves out, before them."""
    model = Left(net, here, there).eval()
    flip = quantus.PixelFlipping(features_in_step=s.size // points, normalise=False, perturb_baseline=0.0, **QUIET)
    (found,) = flip(model=model, x_batch=np.ones_like(picture(s)), y_batch=np.array([0]), a_batch=picture(s),
                    channel_first=True, softmax=False)
    return np.concatenate([[net.p(here)], found])


def check_curves(case, base, points):
    dumped = case.run(f"methods={METHODS}", "metrics=deletion,insertion", "draws=0", "unit=voxel", f"base={base}",
                      f"points={points}", f"target={case.net.target}", volumes=True)
    b = volumes.base_clip(case.x, base)
    for (name, layer), s in dumped.volumes.items():
        if not parted(s, range(s.size // points, s.size, s.size // points)):
            continue
        s = s.astype(np.float64)
        for metric, here, there in (("deletion", case.x, b), ("insertion", b, case.x)):
            area = np.trapz(curve(case.net, s, here, there, points), dx=1 / points)
            close(dumped.rows[name, metric, layer][0], area, f"Quantus PixelFlipping: {metric} of {name}, base {base}")


def ask(metric, s, m):
    return np.asarray(metric(model=None, x_batch=np.zeros_like(s), y_batch=np.zeros(len(s), int), a_batch=s, s_batch=m,
                             channel_first=True), np.float64)


def check_truth(case):
    """Localisation: in all frames together, and the pointing game frame by frame."""
    m = np.zeros(case.shape, bool)
    m[1:4, 2:6, 3:9] = True
    path = os.path.join(case.folder, "inside.npy")
    np.save(path, m)
    dumped = case.run(f"methods={METHODS}", "metrics=energy,rank-accuracy,iou", f"mask={path}",
                      f"target={case.net.target}", volumes=True)
    for (name, layer), s in dumped.volumes.items():
        value = {k: dumped.rows[name, k, layer][0] for k in ("energy", "rank-accuracy", "iou")}
        s = s.astype(np.float64)
        whole, inside = picture(s), picture(m).astype(int)
        mass = quantus.RelevanceMassAccuracy(normalise=False, **QUIET)
        close(value["energy"], ask(mass, np.maximum(whole, 0), inside)[0], f"Quantus RelevanceMassAccuracy of {name}")
        local = quantus.AttributionLocalisation(normalise=False, abs=False, positive_attributions=True, max_size=1.0, **QUIET)
        close(value["energy"], ask(local, whole, inside)[0], f"Quantus AttributionLocalisation of {name}")
        if parted(s, [int(m.sum())]):
            share = ask(quantus.RelevanceRankAccuracy(normalise=False, **QUIET), whole, inside)[0]
            close(value["rank-accuracy"], share, f"Quantus RelevanceRankAccuracy of {name}")
            top = ask(quantus.TopKIntersection(k=int(m.sum()), normalise=False, **QUIET), whole, inside)[0]
            close(value["rank-accuracy"], top, f"Quantus TopKIntersection of {name}")
            close(value["iou"], top / (2 - top), f"Quantus TopKIntersection as IoU of {name}")
    for tolerance in (0, 2.5):
        check_pointing(case, m, path, tolerance)


def check_pointing(case, m, path, tolerance):
    """Frame by frame, where something is inside.  Quantus has no tolerance, so its mask is larger by that."""
    dumped = case.run(f"methods={METHODS}", "metrics=pointing", f"mask={path}", f"tolerance={tolerance}",
                      f"target={case.net.target}", volumes=True)
    some = m.any((1, 2))
    near = np.stack([ndimage.distance_transform_edt(~frame) < tolerance for frame in m[some]]) | m[some]
    for (name, layer), s in dumped.volumes.items():
        frames = s[some].astype(np.float64)
        if all(parted(f, [1]) for f in frames):
            hits = ask(quantus.PointingGame(normalise=False, **QUIET), frames[:, None], near[:, None].astype(int))
            close(dumped.rows[name, "pointing", layer][0], hits.mean(), f"Quantus PointingGame of {name} within {tolerance}")


def check_sensitivity(case):
    """The same noise: Quantus is given the moved clips, one after the other."""
    net, x, draws, radius = case.net, case.x, 3, 0.05
    dumped = case.run("methods=gradient-input,frame-difference", "metrics=max-sensitivity", f"sensitivity-draws={draws}",
                      f"radius={radius}", f"target={net.target}", volumes=True)
    streams = [case.stream.text("max-sensitivity").number(d) for d in range(draws)]
    noisy = [np.float32(x + radius * (2 * np.array([s.unit() for _ in range(x.size)]) - 1).reshape(x.shape))
             for s in streams]
    explain = {"gradient-input": lambda y: (y * net.gradient(y)).sum(0), "frame-difference": volumes.difference}

    for (name, layer), s in dumped.volumes.items():
        moved = iter(noisy)

        def again(model, inputs, targets, **_):
            return picture(explain[name](np.asarray(inputs, np.float64).reshape(x.shape)))

        metric = quantus.MaxSensitivity(nr_samples=draws, normalise=False, abs=False,
                                        perturb_func=lambda arr, **_: next(moved).reshape(1, -1), **QUIET)
        flat = x.reshape(1, x.shape[0], -1, x.shape[-1])
        (found,) = metric(model=Left(net, x, x).eval(), x_batch=flat, y_batch=np.array([0]), a_batch=picture(s.astype(np.float64)),
                          explain_func=again, channel_first=True, softmax=False)
        close(dumped.rows[name, "max-sensitivity", layer][0], float(found), f"Quantus MaxSensitivity of {name}", 5e-3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dump", required=True, help="the helper volume_dump")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        case = volumes.Case(args.dump, folder, volumes.chain(), 1, "odds")
        check_curves(case, "zeros", 18)
        check_curves(case, "blur", 10)
        check_truth(case)
        check_sensitivity(case)
    print(*volumes.wrong, sep="\n", end="\n" if volumes.wrong else "")
    print(f"Quantus {quantus.__version__}: {volumes.checks} checks, {len(volumes.wrong)} wrong")
    return 1 if volumes.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
