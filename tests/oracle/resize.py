"""Resizes a map to the clip (SPEC section 1, Tubes), with numpy, and with scipy for the spline."""
import numpy as np


def linear_weights(size, wanted):
    """wanted x size: half-pixel centres, edge clamp (what F.interpolate calls align_corners=False)."""
    out = np.zeros((wanted, size))
    for d in range(wanted):
        at = min(max((d + 0.5) * size / wanted - 0.5, 0.0), size - 1.0)
        low = min(int(at), size - 1)
        high = min(low + 1, size - 1)
        out[d, low] += 1.0 - (at - low)
        out[d, high] += at - low
    return out


def resize(volume, shape, interp="linear"):
    """t x h x w -> T x H x W in float64."""
    volume = np.asarray(volume, np.float64)
    if interp == "spline":
        # SPEC: scipy's defaults.  Beware: with them the last sample of an axis is 0 where its
        # position, (n_out - 1) * ((n_in - 1) / (n_out - 1)), rounds to above n_in - 1 (8 -> 26,
        # 32 -> 224, ...).  The sizes that random_graph makes are free of that.
        from scipy import ndimage
        return ndimage.zoom(volume, [b / a for a, b in zip(volume.shape, shape)], order=3)
    for axis, wanted in enumerate(shape):
        weights = linear_weights(volume.shape[axis], wanted)
        volume = np.moveaxis(np.tensordot(weights, volume, (1, axis)), 0, axis)
    return volume


def unit_range(volume):
    """Min-max normalised; a constant map gives all zeros."""
    low, high = volume.min(), volume.max()
    return (volume - low) / (high - low) if high > low else np.zeros_like(volume)
