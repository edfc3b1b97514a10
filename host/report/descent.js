
/* descent.js - repeats the descent of the method over the links of the page: which kernels stay at a higher theta.
 *
 * It starts at the class, with R = 1.  A link of a selected kernel selects its target if its value is at least theta.
 * With --propagate path the value is first multiplied by the R of the source.  The R of the target is the largest such
 * value.  Under rule grad the relevance of the link's channel takes the place of the value, also if the pair is not an
 * edge (then its value is negative).  The numbers are the program's float32 and products are doubles, so each comparison gives the same
 * result as in the program.  Links that the page does not hold decide nothing (host/report/kept_links.h). */
cfp.descent = (function () {
    "use strict";

    /* Returns {theta, relevance: R of each kernel or -1, selected: the number of selected kernels of each layer}. */
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

    /* True if the descent follows link e of `source`. */
    function follows(data, now, source, e) {
        const gain = data.query.propagate === "path" ? now.relevance[source] : 1;
        return data.links.value[e] >= 0 && now.relevance[source] >= 0 && gain * data.links.asked[e] >= now.theta;
    }

    /* For each kernel the theta above which it is lost. */
    function reach(data) {
        const paths = data.query.propagate === "path";
        const reached = new Float64Array(data.n);
        const {first, target, asked} = data.links;
        (data.classes || [0]).forEach((k) => { reached[k] = 1; }); /* ignored if there are no kernels */
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
