
/* layout.js - places the kernels: a column for each layer, by depth.
 *
 * Within a layer, kernels are sorted by their reach (descent.js), largest on top.  So at any theta the selected kernels
 * are the upper part of their column.  Of equal ones, those come first that have a map of their own in the page (tubes.js), then
 * those for which the links ask most in all. */
cfp.layout = (function () {
    "use strict";
    const PLACE = [1, 0, 2]; /* row of each side, from the top */

    /* The kernels of each layer, in the order above. */
    function order(data, reach) {
        const asked = new Float64Array(data.n);
        data.links.target.forEach((k, e) => { asked[k] += data.links.asked[e]; });
        const alone = (k) => data.layers[data.layerOf[k]].parts && data.layers[data.layerOf[k]].parts.alone.has(k) ? 1 : 0;
        return data.layers.map(function (layer) {
            const kernels = Array.from({length: layer.count}, (_, i) => layer.first + i);
            return kernels.sort((a, b) => reach[b] - reach[a] || alone(b) - alone(a) || asked[b] - asked[a] || a - b);
        });
    }

    /* The position of each layer's column, from 0 to 1.  The gap is wider between layers of different depth. */
    function columns(data) {
        const x = [0];
        for (let l = 1; l < data.layers.length; l++)
            x.push(x[l - 1] + (data.layers[l].depth === data.layers[l - 1].depth ? 0.8 : 1.2));
        const last = x.length > 0 ? x[x.length - 1] : 0;
        return x.map((v) => last > 0 ? v / last : 0.5);
    }

    /* Chooses the kernels that are drawn, at most `limit` per layer, and places them.  Wanted kernels replace the
     * last ones of their layer.  Returns {x, y: position of each kernel in [0, 1], NaN if it is not drawn, drawn:
     * numbers of the drawn kernels, rows: length of the longest column, across: positions of the columns}. */
    function place(data, ordered, limit, wanted) {
        const x = new Float64Array(data.n).fill(NaN), y = x.slice(), drawn = [];
        const across = columns(data);
        const lists = ordered.map((kernels) => kernels.slice(0, limit));
        wanted.forEach(function (k) {
            const list = lists[data.layerOf[k]];
            if (list.includes(k))
                return;
            for (let row = list.length - 1; row >= 0; row--) /* from the bottom, but never a wanted one */
                if (!wanted.includes(list[row])) {
                    list.splice(row, 1);
                    list.push(k);
                    return;
                }
        });
        if (data.side !== undefined) /* two classes: A above, both in the middle, B below */
            lists.forEach((list) => list.sort((a, b) => PLACE[data.side[a]] - PLACE[data.side[b]]));
        const rows = Math.max(1, ...lists.map((list) => list.length));
        lists.forEach(function (list, l) {
            list.forEach(function (k, row) {
                x[k] = across[l];
                y[k] = rows > 1 ? (row + (rows - list.length) / 2) / (rows - 1) : 0.5;
                drawn.push(k);
            });
        });
        return {x, y, drawn, rows, across};
    }

    return {order, place, columns};
}());
