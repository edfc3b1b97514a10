
/* layout.js - where kernels are drawn: a column a layer, by depth, the kernels that theta takes last on top.
 *
 * Within a layer kernels stand by their reach (descent.js), so that at any theta those which are left are the
 * upper part of their column; then by how much is asked of them, the sum of the links into them. */
cfp.layout = (function () {
    "use strict";
    const PLACE = [1, 0, 2]; /* by side */


    /* Kernel numbers of each layer, in the order above. */
    function order(data, reach) {
        const asked = new Float64Array(data.n);
        data.links.target.forEach((k, e) => { asked[k] += data.links.asked[e]; });
        return data.layers.map(function (layer) {
            const kernels = Array.from({length: layer.count}, (_, i) => layer.first + i);
            return kernels.sort((a, b) => reach[b] - reach[a] || asked[b] - asked[a] || a - b);
        });
    }

    /* Where each layer's column stands, from 0 to 1: a step from layer to layer and a wider one from depth to depth. */
    function columns(data) {
        const x = [0];
        for (let l = 1; l < data.layers.length; l++)
            x.push(x[l - 1] + (data.layers[l].depth === data.layers[l - 1].depth ? 0.8 : 1.2));
        const last = x.length > 0 ? x[x.length - 1] : 0;
        return x.map((v) => last > 0 ? v / last : 0.5);
    }

    /* Kernels that are drawn: at most `limit` a layer, the last of them giving way to those that are wanted.
     * {x, y: of each kernel in [0, 1], NaN: not drawn, drawn: their numbers, rows: in the longest column}. */
    function place(data, ordered, limit, wanted) {
        const x = new Float64Array(data.n).fill(NaN), y = x.slice(), drawn = [];
        const across = columns(data);
        const lists = ordered.map((kernels) => kernels.slice(0, limit));
        wanted.forEach(function (k) {
            const list = lists[data.layerOf[k]];
            if (list.includes(k))
                return;
            for (let row = list.length - 1; row >= 0; row--) /* from the bottom, sparing what is wanted itself */
                if (!wanted.includes(list[row])) {
                    list.splice(row, 1);
                    list.push(k);
                    return;
                }
        });
        if (data.side !== undefined) /* two classes: A above, both in the middle, B below */
            lists.forEach((list) => list.sort((a, b) => PLACE[data.side[a]] - PLACE[data.side[b]]));
        const rows = lists.reduce((most, list) => Math.max(most, list.length), 1);
        lists.forEach(function (list, l) {
            list.forEach(function (k, row) {
                x[k] = across[l];
                y[k] = rows > 1 ? (row + (rows - list.length) / 2) / (rows - 1) : 0.5;
                drawn.push(k);
            });
        });
        return {x, y, drawn, rows, across};
    }

    return {order, place};
}());
