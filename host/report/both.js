/* both.js - merges the pyramids of two classes of one clip into one: layers, kernels and links of either.
 *
 * side: 0 for both classes, 1 for A alone, 2 for B alone.  A kernel or link that a class does not have has the value -1
 * for it.  If the page holds a link of only one class, the link counts as that class's alone (kept_links.h says which
 * links of a large pyramid are left out). */
cfp.both = (function () {
    "use strict";
    const NOTHING = {size: [1, 1, 1], min: 0, max: 0, levels: new Uint8Array(1)};

    /* Pairs the layers of A and B by name.  Both lists are sorted by depth, and so is the result. */
    function pairs(a, b) {
        const names = new Set(b.layers.map((layer) => layer.name)), made = [];
        for (let i = 0, k = 0; i < a.layers.length || k < b.layers.length;) {
            const x = a.layers[i] || null, y = b.layers[k] || null;
            const alone = x !== null && !names.has(x.name);
            const same = x !== null && y !== null && x.name === y.name;
            made.push({a: same || alone ? x : null, b: alone ? null : y});
            i += same || alone ? 1 : 0;
            k += alone ? 0 : 1;
        }
        return made;
    }

    /* Merges the kernels of one layer, ascending.  into[0] and into[1] get the place of each kernel of A and of B. */
    function merge(pair, number, first, into) {
        const any = pair.a || pair.b, selected = [], side = [], relevance = [[], []], counts = [0, 0, 0];
        const list = [pair.a, pair.b].map((layer) => layer === null ? [] : Array.from(layer.selected));
        for (let i = 0, k = 0; i < list[0].length || k < list[1].length;) {
            const x = i < list[0].length ? list[0][i] : Infinity, y = k < list[1].length ? list[1][k] : Infinity;
            const here = first + selected.length, s = x === y ? 0 : x < y ? 1 : 2;
            relevance[0].push(x <= y ? pair.a.relevance[i] : -1);
            relevance[1].push(y <= x ? pair.b.relevance[k] : -1);
            if (x <= y)
                into[0][pair.a.first + i++] = here;
            if (y <= x)
                into[1][pair.b.first + k++] = here;
            selected.push(Math.min(x, y));
            side.push(s);
            counts[s]++;
        }
        const tubes = [pair.a, pair.b].map((layer) => layer === null ? null : layer.tube);
        const tube = tubes[0] === null && tubes[1] === null ? null
            : {...(tubes[0] || NOTHING), minus: tubes[1] || NOTHING};
        return {number, name: any.name, op: any.op, depth: any.depth, channels: any.channels, first,
                selected: Int32Array.from(selected), count: selected.length, side, relevance, counts, tubes, tube};
    }

    /* Adds the links of kernel k of one class to `found`, by their target in the merged pyramid. */
    function gather(data, k, to, which, found) {
        for (let e = data.links.first[k]; e < data.links.first[k + 1]; e++) {
            if (data.links.value[e] < 0)
                continue; /* rule grad: this pair selects, but is no edge */
            const target = to[data.links.target[e]], link = found.get(target) || {value: [-1, -1], asked: 0};
            link.value[which] = data.links.value[e];
            link.asked = Math.max(link.asked, data.links.asked[e]);
            found.set(target, link);
        }
    }

    function mergeLinks(n, sources, into, from) {
        const first = new Uint32Array(n + 1), target = [], value = [[], []], asked = [], side = [];
        for (let k = 0; k < n; k++) {
            const found = new Map();
            sources.forEach(function (data, which) {
                if (from[which][k] >= 0)
                    gather(data, from[which][k], into[which], which, found);
            });
            found.forEach(function (link, to) {
                target.push(to);
                value[0].push(link.value[0]);
                value[1].push(link.value[1]);
                asked.push(link.asked);
                side.push(link.value[1] < 0 ? 1 : link.value[0] < 0 ? 2 : 0);
            });
            first[k + 1] = target.length;
        }
        const of = value.map((list) => Float32Array.from(list));
        return {first, target: Uint32Array.from(target), of, value: of[0].map((v, e) => Math.max(v, of[1][e])),
                asked: Float32Array.from(asked), side: Uint8Array.from(side)};
    }

    /* The tubes of a kernel, in the same form as a layer's; null if neither class has one. */
    function kernelTube(data, k) {
        const tubes = data.sources.map((source, which) => source.kernelTube.get(data.from[which][k]) || null);
        return tubes[0] === null && tubes[1] === null ? null
            : {tubes, tube: {...(tubes[0] || NOTHING), minus: tubes[1] || NOTHING}};
    }

    function read(json) {
        const sources = [json.a, json.b].map((part) => cfp.data.read({...json, ...part}));
        const into = sources.map((data) => new Int32Array(data.n));
        let n = 0;
        const layers = pairs(...sources).map(function (pair, number) {
            const layer = merge(pair, number, n, into);
            n += layer.count;
            return layer;
        });
        const from = into.map(function (list) {
            const back = new Int32Array(n).fill(-1);
            list.forEach((k, own) => { back[k] = own; });
            return back;
        });
        const all = (field) => layers.flatMap((layer) => Array.from(field(layer)));
        const layerOf = Uint32Array.from(all((layer) => layer.side.map(() => layer.number)));
        const links = mergeLinks(n, sources, into, from), [a] = sources;
        return {n, layers, layerOf, kernelOf: Uint32Array.from(all((layer) => layer.selected)), sources, from,
                side: Uint8Array.from(all((layer) => layer.side)),
                relevance: [0, 1].map((which) => Float32Array.from(all((layer) => layer.relevance[which]))),
                links, parents: cfp.data.byTarget(n, links),
                classes: n > 1 ? [0, 1] : [], tables: a.tables, frames: a.frames, run: a.run, top: a.top,
                query: {...a.query, propagate: "edge"}, overlay: a.overlay, canvas: a.canvas};
    }

    return {read, kernelTube};
}());

