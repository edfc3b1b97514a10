/* tubes.js - makes the tubes that the page does not hold ready: of a layer at a higher theta, of a kernel.
 *
 * The page holds maps of the layer's strongest kernels, and of groups of weaker ones (host/method/apart.h).  The raw map
 * of the kernels that are still selected is the sum of theirs.  Of a group of which only some are selected, that part
 * of its map is taken: then the tube is not exact. */
cfp.tubes = (function () {
    "use strict";

    function read(json, layer, voxels) {
        const raw = cfp.data.bytes(json.levels), typed = (list, kind) => new kind(cfp.data.bytes(list).buffer);
        const kernel = typed(json.kernel, Int32Array), end = typed(json.end, Int32Array), scale = typed(json.scale, Float32Array);
        const bits = raw.length === end.length * voxels ? 8 : 16;
        const levels = bits === 8 ? new Int8Array(raw.buffer) : new Int16Array(raw.buffer);
        const place = new Map(Array.from(layer.selected, (o, i) => [o, layer.first + i]));
        const maps = Array.from(end, (last, k) => ({
            kernels: Array.from(kernel.subarray(k > 0 ? end[k - 1] : 0, last), (o) => place.get(o)),
            levels: levels.subarray(k * voxels, (k + 1) * voxels),
            scale: scale[k] / (bits === 8 ? 127 : 32767),
        }));
        const alone = new Map();
        maps.filter((map) => map.kernels.length === 1).forEach((map) => alone.set(map.kernels[0], map));
        return {size: json.size, reduced: json.reduced, maps, alone};
    }

    /* Adds maps up.  Under rule grad, sums below 0 become 0, as in the program. */
    function add(data, layer, list) {
        const [t, h, w] = layer.parts.size, sum = new Float32Array(t * h * w);
        list.forEach(function (part) {
            const gain = part.map.scale * part.share, levels = part.map.levels;
            for (let p = 0; p < sum.length; p++)
                sum[p] += gain * levels[p];
        });
        let min = Infinity, max = -Infinity;
        for (let p = 0; p < sum.length; p++) {
            if (data.query.rule === "grad" && sum[p] < 0)
                sum[p] = 0;
            min = Math.min(min, sum[p]);
            max = Math.max(max, sum[p]);
        }
        return {layer, size: layer.parts.size, min, max, levels: sum};
    }

    /* The tube of a layer's kernels that are selected now: {tube, of: their number, moves: it depends on theta here,
     * exact}.  tube is null if the layer has none, or if no kernel is left. */
    function ofLayer(data, now, layer) {
        const of = now.selected[layer.number];
        if (layer.tube === null || of === layer.count || layer.parts === null)
            return {tube: layer.tube, of, moves: layer.parts !== null, exact: of === layer.count};
        const list = layer.parts.maps.map(function (map) {
            const left = map.kernels.filter((k) => now.relevance[k] >= 0).length;
            return {map, share: left / map.kernels.length};
        }).filter((part) => part.share > 0);
        return {tube: list.length > 0 ? add(data, layer, list) : null, of, moves: true, exact: list.every((part) => part.share === 1)};
    }

    /* The tube of one kernel: {tube, own: it is the kernel's own map}, or null if the page does not hold it.  Otherwise
     * it is that of --tubes kernels: the sum of the channels that the kernel selects. */
    function ofKernel(data, k) {
        const layer = data.layers[data.layerOf[k]], map = layer.parts === null ? undefined : layer.parts.alone.get(k);
        if (data.kernelTube.has(k))
            return {tube: data.kernelTube.get(k), own: false};
        return map === undefined ? null : {tube: add(data, layer, [{map, share: 1}]), own: true};
    }

    /* How much of a tube lies in each of T frames: means of the values between its min and max, as in [0, 1]. */
    function overTime(tube, T) {
        const [t, h, w] = tube.size, low = tube.levels.reduce((a, b) => Math.min(a, b), Infinity);
        const span = tube.levels.reduce((a, b) => Math.max(a, b), -Infinity) - low;
        const means = Array.from({length: t}, function (_, k) {
            let sum = 0;
            for (let p = k * h * w; p < (k + 1) * h * w; p++)
                sum += tube.levels[p];
            return tube.max > tube.min && span > 0 ? (sum / (h * w) - low) / span : 0;
        });
        const axis = cfp.volume.linearAxis(t, T);
        return Array.from({length: T}, (_, u) => axis.at[u].reduce((sum, from, k) => sum + axis.weight[u][k] * means[from], 0));
    }

    return {read, ofLayer, ofKernel, overTime};
}());
