
/* volume.js - renders a tube's raw map as a volume over the clip, as host/method/resize.c and tube.c do, number by
 * number: trilinear interpolation with half-pixel centres, or the cubic B-spline, then min-max scaling.  The map has
 * 65536 (or 256) levels between its min and max.  Min-max scaling removes their range again, so a colour differs from the
 * program's overlays by at most one of 256 (two with 256 levels). */
cfp.volume = (function () {
    "use strict";

    function linearAxis(from, to) {
        const at = [], weight = [];
        for (let u = 0; u < to; u++) {
            const x = Math.min(Math.max((u + 0.5) * from / to - 0.5, 0), from - 1), low = Math.floor(x);
            at.push([low, Math.min(low + 1, from - 1)]);
            weight.push([1 - (x - low), x - low]);
        }
        return {at, weight};
    }

    function mirrored(i, n) {
        if (n === 1)
            return 0;
        const period = 2 * (n - 1), rest = (i % period + period) % period;
        return rest < n ? rest : period - rest;
    }

    function splineAxis(from, to) {
        const at = [], weight = [], zoom = to > 1 ? (from - 1) / (to - 1) : 1;
        for (let u = 0; u < to; u++) {
            const x = zoom * u, low = Math.floor(x), f = x - low, g = 1 - f;
            const w = [g * g * g / 6, (f * f * (f - 2) * 3 + 4) / 6, (g * g * (g - 2) * 3 + 4) / 6, f * f * f / 6];
            at.push(w.map((_, k) => mirrored(low - 1 + k, from)));
            weight.push(x > from - 1 ? [0, 0, 0, 0] : w);
        }
        return {at, weight};
    }

    /* Turns the samples of a line into coefficients of the spline through them. */
    function filterLine(c, start, n, stride) {
        const pole = Math.sqrt(3) - 2, gain = (1 - pole) * (1 - 1 / pole), far = Math.pow(pole, n - 1);
        const at = (i) => start + i * stride;
        if (n < 2)
            return;
        for (let i = 0; i < n; i++)
            c[at(i)] *= gain;
        let power = pole;
        c[at(0)] += far * c[at(n - 1)];
        for (let i = 1; i < n - 1; i++, power *= pole)
            c[at(0)] += power * (c[at(i)] + far * c[at(n - 1 - i)]);
        c[at(0)] /= 1 - far * far;
        for (let i = 1; i < n; i++)
            c[at(i)] += pole * c[at(i - 1)];
        c[at(n - 1)] = (pole * c[at(n - 2)] + c[at(n - 1)]) * pole / (pole * pole - 1);
        for (let i = n - 2; i >= 0; i--)
            c[at(i)] = pole * (c[at(i + 1)] - c[at(i)]);
    }

    function filter(x, size) {
        const stride = [size[1] * size[2], size[2], 1];
        for (let a = 0; a < 3; a++)
            for (let line = 0; line < x.length / size[a]; line++) {
                const outer = Math.floor(line / stride[a]), inner = line % stride[a];
                filterLine(x, outer * stride[a] * size[a] + inner, size[a], stride[a]);
            }
    }

    /* Resamples the middle axis of (outer, n, inner) to length `to`. */
    function resample(source, outer, n, to, inner, axis) {
        const out = new Float64Array(outer * to * inner);
        for (let o = 0; o < outer; o++)
            for (let u = 0; u < to; u++)
                for (let k = 0; k < axis.at[u].length; k++) {
                    const w = axis.weight[u][k], from = (o * n + axis.at[u][k]) * inner, into = (o * to + u) * inner;
                    for (let i = 0; i < inner; i++)
                        out[into + i] += w * source[from + i];
                }
        return out;
    }

    function minMax(volume) {
        let low = volume[0], high = volume[0];
        for (let p = 1; p < volume.length; p++) {
            low = Math.min(low, volume[p]);
            high = Math.max(high, volume[p]);
        }
        for (let p = 0; p < volume.length; p++)
            volume[p] = high > low ? (volume[p] - low) / (high - low) : 0;
        return volume;
    }

    /* size: T, H, W of the clip.  Returns a Float32Array with values in [0, 1]. */
    function render(tube, size, interp) {
        if (!(tube.max > tube.min))
            return new Float32Array(size[0] * size[1] * size[2]);
        const [t, h, w] = tube.size, axis = interp === "spline" ? splineAxis : linearAxis;
        let x = Float64Array.from(tube.levels);
        if (interp === "spline")
            filter(x, tube.size);
        x = resample(x, 1, t, size[0], h * w, axis(t, size[0]));
        x = resample(x, size[0], h, size[1], w, axis(h, size[1]));
        x = resample(x, size[0] * size[1], w, size[2], 1, axis(w, size[2]));
        return minMax(Float32Array.from(x));
    }

    return {render, linearAxis};
}());
