
/* data.js - reads the data of the page: JSON and base64 become typed arrays.
 *
 * Selected kernels are numbered layer by layer from the class down; number 0 is the class.  Links are sorted by their
 * source, and a second list sorts them by their target (parents). */
const cfp = {};

cfp.data = (function () {
    "use strict";

    function bytes(text) {
        const binary = atob(text), out = new Uint8Array(binary.length);
        for (let i = 0; i < binary.length; i++)
            out[i] = binary.charCodeAt(i);
        return out;
    }

    /* Sorts links by target: the parents of k are parent[first[k]] ... parent[first[k + 1] - 1], and link[] has the
     * link's place in the list by source. */
    function byTarget(n, links) {
        const first = new Uint32Array(n + 1), parent = new Uint32Array(links.target.length);
        const link = new Uint32Array(links.target.length);
        links.target.forEach((k) => first[k + 1]++);
        for (let k = 0; k < n; k++)
            first[k + 1] += first[k];
        const at = first.slice();
        for (let source = 0; source < n; source++)
            for (let e = links.first[source]; e < links.first[source + 1]; e++) {
                const place = at[links.target[e]]++;
                parent[place] = source;
                link[place] = e;
            }
        return {first, parent, link};
    }

    function read(json) {
        let n = 0;
        const layers = json.layers.map(function (layer, number) {
            const selected = new Int32Array(bytes(layer.selected).buffer);
            const relevance = new Float32Array(bytes(layer.relevance).buffer);
            n += selected.length;
            return {number, name: layer.name, op: layer.op, depth: layer.depth, channels: layer.channels,
                    selected, relevance, first: n - selected.length, count: selected.length, tube: null, parts: null};
        });
        const layerOf = new Uint32Array(n), kernelOf = new Uint32Array(n);
        layers.forEach(function (layer) {
            layerOf.fill(layer.number, layer.first, layer.first + layer.count);
            kernelOf.set(layer.selected, layer.first);
        });
        const links = {first: new Uint32Array(bytes(json.links.first).buffer),
                       target: new Uint32Array(bytes(json.links.target).buffer),
                       value: new Float32Array(bytes(json.links.value).buffer), asked: null,
                       total: json.links.total, deciding: json.links.deciding, weakest: json.links.weakest};
        links.asked = json.links.asked ? new Float32Array(bytes(json.links.asked).buffer) : links.value;
        const kernelTube = new Map();
        json.tubes.forEach(function (tube) {
            const layer = layers[tube.layer], raw = bytes(tube.levels);
            const voxels = tube.size[0] * tube.size[1] * tube.size[2];
            const levels = raw.length === voxels ? raw : new Uint16Array(raw.buffer);
            const made = {layer, kernel: tube.kernel, size: tube.size, min: tube.min, max: tube.max, levels};
            if (tube.kernel < 0)
                layer.tube = made;
            else
                kernelTube.set(layer.first + layer.selected.indexOf(tube.kernel), made);
        });
        (json.apart || []).forEach(function (part) {
            const layer = layers[part.layer];
            layer.parts = cfp.tubes.read(part, layer, part.size[0] * part.size[1] * part.size[2]);
        });
        const tables = {};
        Object.keys(json.overlay.tables).forEach((map) => { tables[map] = bytes(json.overlay.tables[map]); });
        return {n, layers, layerOf, kernelOf, links, parents: byTarget(n, links), kernelTube, tables,
                tubesLeftOut: json.tubes_left_out, frames: json.frames, run: json.run, query: json.query,
                top: json.top, overlay: json.overlay, canvas: json.canvas};
    }

    return {read, byTarget, bytes};
}());
