
/* descent.js - the walk of the method once more, over the links of the page: which kernels stay at a higher theta.
 *
 * As the program does it: from the class, R = 1, down; a link of a selected kernel selects its target where what it
 * asks for (--propagate path: R of its source times that) is at least theta, and R of the target is the highest of
 * these.  A link asks for its value; under rule grad for the relevance of its channel, with or without an edge (whose
 * value is below 0 then).  These are the program's float32, products are doubles: the comparison is the program's own.  What the page
 * leaves out of the links decides nothing (host/report/kept_links.h). */
cfp.descent = (function () {
    "use strict";

    /* {theta, relevance: R of each kernel (-1: not selected), selected: how many a layer} */
    function at(data, theta) {
        const paths = data.query.propagate === "path";
        const relevance = new Float64Array(data.n).fill(-1);
        const {first, target, asked: ask} = data.links;
        if (data.n > 0)
            relevance[0] = 1;
        for (let k = 0; k < data.n; k++) {
            if (relevance[k] < 0)
                continue;
            const gain = paths ? relevance[k] : 1;
            for (let e = first[k]; e < first[k + 1]; e++) {
                const asked = gain * ask[e];
                if (asked >= theta && asked > relevance[target[e]])
                    relevance[target[e]] = asked;
            }
        }
        const selected = data.layers.map(function (layer) {
            let n = 0;
            for (let k = layer.first; k < layer.first + layer.count; k++)
                n += relevance[k] >= 0 ? 1 : 0;
            return n;
        });
        return {theta, relevance, selected};
    }

    /* A link that the descent followed. */
    function follows(data, now, source, e) {
        const gain = data.query.propagate === "path" ? now.relevance[source] : 1;
        return data.links.value[e] >= 0 && now.relevance[source] >= 0 && gain * data.links.asked[e] >= now.theta;
    }

    /* Of each kernel the theta above which it is lost. */
    function reach(data) {
        const paths = data.query.propagate === "path";
        const reached = new Float64Array(data.n);
        const {first, target, asked} = data.links;
        (data.classes || [0]).forEach((k) => { reached[k] = 1; }); /* nothing where there are no kernels */
        for (let k = 0; k < data.n; k++)
            for (let e = first[k]; e < first[k + 1]; e++) {
                const through = paths ? reached[k] * asked[e] : Math.min(reached[k], asked[e]);
                if (through > reached[target[e]])
                    reached[target[e]] = through;
            }
        return reached;
    }

    return {at, follows, reach};
}());
