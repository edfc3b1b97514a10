
/* graph.js - draws the pyramid as a graph: kernels are dots, whose size is their relevance, and links are curves.
 *
 * With two pyramids in one graph (both.js), data.side says whether a kernel or link belongs to both classes (0), to A
 * alone (1) or to B alone (2).  Colour and shape show it, and self.hides[side] hides one of the three.
 *
 * The graph is drawn on a canvas: at most `limits.kernels` dots per layer and `limits.links` links between them, the
 * strongest of each layer.  `counts` says how many are drawn.  D3 provides pan, zoom and the quadtree that finds the dot
 * under the pointer. */
cfp.graph = (function () {
    "use strict";
    const MARGIN = {left: 46, right: 26, top: 30, bottom: 16};
    const BUCKETS = 1024, TOGETHER = 40; /* links with similar values are drawn together */
    const SIDES = ["both", "only-a", "only-b"], ORDER = [0, 1, 2]; /* the names of their colours in CSS */
    const KIN = 12; /* so many parents and children of the chosen kernel are always drawn */
    const FIRST = [40, 20, 12], DOTS = 700; /* kernels per layer at first: so many that the dots can be told apart */
    const TURNED = {slanted: -52, upright: -90}, APART = {slanted: 14, upright: 11.5}; /* the names of the layers */

    /* on: {hover(kernel or -1, x, y), choose(kernel or -1)} */
    function create(data, canvas, on) {
        const ordered = cfp.layout.order(data, cfp.descent.reach(data));
        const dots = (limit) => data.layers.reduce((sum, layer) => sum + Math.min(limit, layer.count), 0);
        const first = FIRST.find((limit) => dots(limit) <= DOTS) || FIRST[FIRST.length - 1];
        const self = {limits: {kernels: first, links: first === FIRST[0] ? 4000 : 1000}, chosen: -1, cursor: -1, layer: -1, counts: null,
                      hides: [false, false, false]};
        const two = data.side !== undefined; /* true for two classes */
        let now = null, placed = null, links = [], tree = null, size = {width: 0, height: 0}, waiting = false;
        let names = 0;       /* pixels that the layers' names take below */
        let plain = false;   /* for a saved picture: nothing is grey because something else is chosen */
        const zoom = d3.behavior.zoom().scaleExtent([1, 60]).on("zoom", () => { clamp(); redraw(); });

        let colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
        const inner = () => ({width: size.width - MARGIN.left - MARGIN.right,
                              height: size.height - MARGIN.top - MARGIN.bottom - names});
        /* From [0, 1] to pixels of the canvas. */
        const px = (x) => MARGIN.left + zoom.translate()[0] + x * inner().width * zoom.scale();
        const py = (y) => MARGIN.top + zoom.translate()[1] + y * inner().height * zoom.scale();

        const point = (k) => [px(placed.x[k]), py(placed.y[k])];

        /* Limits panning, so that the canvas stays filled. */
        function clamp() {
            const k = zoom.scale(), [x, y] = zoom.translate(), {width, height} = inner();
            zoom.translate([Math.min(0, Math.max(x, width * (1 - k))), Math.min(0, Math.max(y, height * (1 - k)))]);
        }

        /* The largest radius at which dots of neighbouring columns and rows do not touch. */
        function radius() {
            const {width, height} = inner(), k = zoom.scale();
            const steps = placed.across.slice(1).map((x, l) => x - placed.across[l]), across = Math.min(1, ...steps);
            const row = placed.rows > 1 ? height / (placed.rows - 1) : height;
            return Math.max(0.8, Math.min(9, k * Math.min(row * 0.46, across * width * 0.3)));
        }

        const shows = (e) => !two || !self.hides[data.links.side[e]];

        /* The links between dots, one list per layer: [source, link, source, link ...]. */
        function candidates() {
            const {first, target} = data.links, lists = data.layers.map(() => []);
            placed.drawn.forEach(function (k) {
                for (let e = first[k]; e < first[k + 1]; e++)
                    if (!isNaN(placed.x[target[e]]) && shows(e) && cfp.descent.follows(data, now, k, e))
                        lists[data.layerOf[k]].push(k, e);
            });
            return lists;
        }

        /* Adds the `limit` strongest links of a list to `chosen`.  From the last bucket of values, which may not fit
         * as a whole, links are taken at equal distances. */
        function strongest(list, limit, chosen) {
            const {target, value} = data.links, counts = new Uint32Array(BUCKETS + 1);
            const bucket = (e) => Math.floor(Math.max(0, Math.min(1, value[e])) * BUCKETS);
            for (let i = 1; i < list.length; i += 2)
                counts[bucket(list[i])]++;
            let low = BUCKETS, above = 0;
            while (low > 0 && above + counts[low] < limit)
                above += counts[low--];
            const fraction = counts[low] > 0 ? Math.min(1, (limit - above) / counts[low]) : 0;
            for (let i = 0, due = 0; i < list.length; i += 2) {
                const b = bucket(list[i + 1]);
                due += b === low ? fraction : 0;
                if (b > low || (b === low && due >= 1 - 1e-9)) {
                    chosen.push({source: list[i], target: target[list[i + 1]], value: value[list[i + 1]],
                                 side: two ? data.links.side[list[i + 1]] : 0});
                    due -= b === low ? 1 : 0;
                }
            }
        }

        /* Each layer gets an equal part of the links that may be drawn.  What a layer does not need goes to the
         * others. */
        function chooseLinks() {
            const lists = candidates().filter((list) => list.length > 0).sort((a, b) => a.length - b.length);
            const chosen = [];
            lists.forEach(function (list, i) {
                strongest(list, Math.floor((self.limits.links - chosen.length) / (lists.length - i)), chosen);
            });
            chosen.sort((a, b) => a.value - b.value);
            return {chosen, between: lists.reduce((sum, list) => sum + list.length / 2, 0)};
        }

        function relatives() {
            const kin = {parents: [], children: []};
            if (self.chosen < 0)
                return kin;
            const {first, target} = data.links, {first: pfirst, parent, link} = data.parents;
            for (let e = first[self.chosen]; e < first[self.chosen + 1]; e++)
                if (cfp.descent.follows(data, now, self.chosen, e))
                    kin.children.push({kernel: target[e], value: data.links.value[e]});
            for (let i = pfirst[self.chosen]; i < pfirst[self.chosen + 1]; i++)
                if (cfp.descent.follows(data, now, parent[i], link[i]))
                    kin.parents.push({kernel: parent[i], value: data.links.value[link[i]]});
            const byValue = (a, b) => b.value - a.value || a.kernel - b.kernel;
            kin.parents.sort(byValue);
            kin.children.sort(byValue);
            return kin;
        }
        self.relatives = relatives;

        function drawLinks(pen, dim) {
            if (!two)
                drawSomeLinks(pen, dim, links.chosen, colour("link"));
            else
                ORDER.forEach((s) => drawSomeLinks(pen, dim, links.chosen.filter((l) => l.side === s), colour(SIDES[s])));
        }

        function drawSomeLinks(pen, dim, some, ink) {
            const span = 1 - now.theta;
            for (let i = 0; i < some.length; i += TOGETHER) {
                const part = some.slice(i, i + TOGETHER), list = [];
                part.forEach((l) => list.push(...point(l.source), ...point(l.target)));
                const strength = span > 0 ? Math.max(0, Math.min(1, (part[part.length - 1].value - now.theta) / span)) : 1;
                const crowd = Math.min(1, Math.sqrt(400 / links.chosen.length));
                pen.curves(list, ink, (0.1 + 0.5 * strength) * crowd * (dim ? 0.3 : 1) + 0.02, 0.4 + 0.6 * strength);
            }
        }

        function drawKin(pen, kin) {
            const lines = (list) => list.filter((l) => !isNaN(placed.x[l.kernel]))
                .flatMap((l) => [...point(self.chosen), ...point(l.kernel)]);
            pen.curves(lines(kin.parents), colour(two ? "accent" : "parent"), 0.7, 1.2);
            pen.curves(lines(kin.children), colour(two ? "accent" : "child"), 0.7, 1.2);
        }

        function drawDots(pen, kin) {
            const largest = radius(), groups = {node: [], dim: [], gone: [], parent: [], child: [], chosen: []};
            const sides = [[], [], []];
            const parents = new Set(kin.parents.map((l) => l.kernel)), children = new Set(kin.children.map((l) => l.kernel));
            placed.drawn.forEach(function (k) {
                const there = now.relevance[k] >= 0;
                const group = k === self.chosen ? "chosen" : parents.has(k) ? "parent" : children.has(k) ? "child"
                    : !there ? "gone" : self.chosen >= 0 && !plain ? "dim" : "node";
                const r = there ? Math.max(0.8, largest * now.relevance[k]) : Math.max(0.7, largest * 0.6);
                const list = two && group !== "gone" && group !== "dim" ? sides[data.side[k]] : groups[group];
                list.push(...point(k), r);
                if (two && group === "chosen")
                    groups.ring = [...point(k), Math.max(r, 4) + 2];
            });
            pen.circles(groups.gone, null, colour("gone"), 1);
            pen.circles(groups.dim, colour("gone"), null, 0);
            pen.circles(groups.node, colour("node"), null, 0);
            pen.circles(groups.child, colour("child"), null, 0);
            pen.circles(groups.parent, colour("parent"), null, 0);
            pen.circles(groups.chosen.map((v, i) => i % 3 === 2 ? Math.max(v, 4) : v), colour("chosen"), colour("card"), 1.5);
            ORDER.forEach((s) => pen[["circles", "peaks", "wells"][s]](sides[s], colour(SIDES[s]), null, 0));
            pen.circles(groups.ring || [], null, colour("chosen"), 2);
            if (self.cursor >= 0 && !isNaN(placed.x[self.cursor]))
                pen.circles([...point(self.cursor), largest + 4], null, colour("accent"), 2);
        }

        /* How the names of the layers stand below: slanted if there is room for every one. */
        function standing() {
            const steps = placed === null ? [Infinity] : placed.across.slice(1).map((x, l) => px(x) - px(placed.across[l]));
            return Math.min(Infinity, ...steps) >= APART.slanted ? "slanted" : "upright";
        }

        /* The names that do not overlap: that of the shown layer first, then from the class down. */
        function drawNames(pen) {
            const faint = colour("faint"), ink = colour("ink"), how = standing(), taken = [];
            const order = data.layers.map((layer) => layer.number);
            if (self.layer >= 0)
                order.unshift(self.layer);
            order.forEach(function (l) {
                const x = px(placed.across[l]);
                if (x < MARGIN.left - 20 || x > size.width - 4 || taken.some((other) => Math.abs(other - x) < APART[how]))
                    return;
                taken.push(x);
                pen.text(x + (how === "slanted" ? 2 : 0), size.height - names - 2, short(data.layers[l].name),
                         l === self.layer ? ink : faint, 10.5, "end", TURNED[how]);
            });
        }

        /* The numbers of the kernels beside their dots, if there is room. */
        function drawNumbers(pen) {
            const {width, height} = inner(), k = zoom.scale(), steps = placed.across.slice(1).map((x, l) => x - placed.across[l]);
            const across = Math.min(1, ...steps) * width * k, row = placed.rows > 1 ? height * k / (placed.rows - 1) : height;
            if (across < 44 || row < 13)
                return;
            placed.drawn.forEach(function (kernel) {
                const [x, y] = point(kernel);
                if (x > 0 && x < size.width && y > 0 && y < size.height)
                    pen.text(x + radius() + 3, y, String(data.kernelOf[kernel]), colour("faint"), 9.5, "start", 0);
            });
        }

        /* Draws depths above and names of layers below. */
        function drawLabels(pen) {
            const faint = colour("faint"), ink = colour("ink");
            let last = -Infinity;
            data.layers.forEach(function (layer, l) {
                const x = px(placed.across[l]);
                if (x < MARGIN.left - 20 || x > size.width - 4)
                    return;
                if ((l === 0 || data.layers[l - 1].depth !== layer.depth) && x - last > 20) {
                    pen.text(x, 14, String(layer.depth), l === self.layer ? ink : faint, 11, "middle", 0);
                    last = x;
                }
            });
            pen.text(6, 14, "depth", faint, 11, "start", 0);
            drawNames(pen);
        }
        function short(name) {
            const letters = Array.from(name);
            return letters.length > 22 ? letters.slice(0, 10).join("") + "\u2026" + letters.slice(-11).join("") : name;
        }

        function paint(pen) {
            const kin = relatives(), column = self.layer >= 0 ? px(placed.across[self.layer]) : NaN;
            if (!isNaN(column))
                pen.curves([column, MARGIN.top - 6, column, size.height - MARGIN.bottom - names + 6], colour("accent"), 0.35, 2);
            const {width, height} = inner(), edge = 12; /* when zoomed in, nothing is drawn over the labels */
            pen.within(MARGIN.left - edge, MARGIN.top - edge / 2, width + 2 * edge, height + edge + 4);
            drawLinks(pen, self.chosen >= 0 && !plain);
            if (self.chosen >= 0 && !isNaN(placed.x[self.chosen]))
                drawKin(pen, kin);
            drawDots(pen, kin);
            drawNumbers(pen);
            pen.outside();
            drawLabels(pen);
        }

        function draw() {
            const ratio = window.devicePixelRatio || 1, context = canvas.getContext("2d");
            waiting = false;
            if (canvas.width !== Math.round(size.width * ratio) || canvas.height !== Math.round(size.height * ratio)) {
                canvas.width = Math.round(size.width * ratio);
                canvas.height = Math.round(size.height * ratio);
            }
            context.setTransform(ratio, 0, 0, ratio, 0, 0);
            context.clearRect(0, 0, size.width, size.height);
            paint(cfp.pens.canvas(context));
        }
        function redraw() {
            if (!waiting && now !== null)
                window.requestAnimationFrame(draw);
            waiting = now !== null;
        }
        self.redraw = redraw;

        function arrange() {
            const kin = relatives(), wanted = self.chosen < 0 ? [] : [self.chosen];
            [kin.parents, kin.children].forEach((list) => list.slice(0, KIN).forEach((l) => wanted.push(l.kernel)));
            const seen = (k) => !two || !self.hides[data.side[k]];
            placed = cfp.layout.place(data, ordered.map((list) => list.filter(seen)), self.limits.kernels, wanted.filter(seen));
            const tall = size.height, wide = size.width, points = d3.geom.quadtree();
            points.x((dot) => placed.x[dot.kernel] * wide).y((dot) => placed.y[dot.kernel] * tall);
            tree = points(placed.drawn.map((kernel) => ({kernel}))); /* objects, because D3 ignores a point that is 0 */
            links = chooseLinks();
            self.counts = {kernels: placed.drawn.length, links: links.chosen.length, between: links.between};
            redraw();
        }
        self.arrange = arrange;

        self.show = function (descent) {
            now = descent;
            arrange();
        };
        self.choose = function (kernel) {
            const changes = self.chosen !== kernel;
            self.chosen = kernel;
            self.cursor = -1;
            if (changes)
                arrange();
        };
        /* Finds how much room the names take below. */
        function measure() {
            const longest = Math.max(0, ...data.layers.map((layer) => short(layer.name).length));
            const across = cfp.layout.columns(data), steps = across.slice(1).map((x, l) => (x - across[l]) * inner().width);
            names = Math.min(Infinity, ...steps) >= APART.slanted ? Math.min(110, 12 + longest * 5) : Math.min(size.height * 0.3, 12 + longest * 5.7);
        }
        self.resize = function () {
            const box = canvas.getBoundingClientRect();
            size = {width: box.width, height: box.height};
            measure();
            clamp();
            if (now !== null)
                arrange();
        };
        self.zoomTo = function (k) {
            const to = Math.min(60, Math.max(1, k)), by = to / zoom.scale(), [x, y] = zoom.translate(), {width, height} = inner();
            zoom.translate([width / 2 - by * (width / 2 - x), height / 2 - by * (height / 2 - y)]).scale(to);
            clamp();
            redraw();
        };
        self.zoom = () => zoom.scale();
        /* The position of a kernel in pixels of the canvas; null if it is not drawn. */
        self.at = (kernel) => isNaN(placed.x[kernel]) ? null : [px(placed.x[kernel]), py(placed.y[kernel])];
        self.size = () => size;
        /* Paints the graph for a picture of another size, in the colours of a palette. */
        self.paintPlain = function (pen, palette, width, height) {
            const kept = {size, names, colour, cursor: self.cursor, at: zoom.translate(), inner: inner()};
            size = {width, height};
            measure();
            const now = inner();
            zoom.translate([kept.at[0] * now.width / kept.inner.width, kept.at[1] * now.height / kept.inner.height]);
            colour = palette;
            plain = true;
            self.cursor = -1;
            paint(pen);
            plain = false;
            ({size, names, colour} = kept);
            self.cursor = kept.cursor;
            zoom.translate(kept.at);
        };

        /* The dot at a point of the canvas, or -1. */
        function find(x, y) {
            const {width, height} = inner(), k = zoom.scale(), reachable = Math.max(7, radius() + 3);
            const [left, top] = zoom.translate();
            const u = (x - MARGIN.left - left) / (width * k), v = (y - MARGIN.top - top) / (height * k);
            const kernel = placed.drawn.length > 0 ? tree.find([u * size.width, v * size.height]).kernel : -1;
            return kernel >= 0 && Math.hypot(px(placed.x[kernel]) - x, py(placed.y[kernel]) - y) <= reachable ? kernel : -1;
        }

        /* For the arrow keys: the nearest dot in the same column, or in the next column that has any. */
        function step(across, down) {
            const from = self.cursor >= 0 ? self.cursor : self.chosen >= 0 ? self.chosen : 0;
            const there = (k) => !isNaN(placed.x[k]) && now.relevance[k] >= 0;
            const away = (k) => Math.abs(placed.y[k] - placed.y[from]);
            let best = -1;
            const column = (l) => placed.drawn.filter((k) => data.layerOf[k] === l && there(k));
            if (across !== 0) {
                for (let l = data.layerOf[from] + across; l >= 0 && l < data.layers.length && best < 0; l += across)
                    column(l).forEach((k) => { best = best < 0 || away(k) < away(best) ? k : best; });
            } else {
                const list = column(data.layerOf[from]).sort((a, b) => placed.y[a] - placed.y[b]), at = list.indexOf(from);
                best = at < 0 ? -1 : list[Math.min(list.length - 1, Math.max(0, at + down))];
            }
            self.cursor = best >= 0 ? best : from;
            on.hover(self.cursor, ...(self.at(self.cursor) || [0, 0]));
            redraw();
        }
        const keys = {ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0),
                      ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
                      Enter: () => on.choose(self.cursor), " ": () => on.choose(self.cursor), Escape: () => on.choose(-1),
                      "+": () => self.zoomTo(zoom.scale() * 1.4), "=": () => self.zoomTo(zoom.scale() * 1.4),
                      "-": () => self.zoomTo(zoom.scale() / 1.4), 0: () => self.zoomTo(1)};

        const selection = d3.select(canvas).call(zoom).on("dblclick.zoom", null);
        const wheel = selection.on("wheel.zoom");
        selection.on("wheel.zoom", function () { /* so that scrolling the page past the graph does not zoom */
            if (d3.event.ctrlKey || d3.event.metaKey || document.activeElement === canvas)
                wheel.apply(this, arguments);
        });
        function place(event) {
            const box = canvas.getBoundingClientRect();
            return [event.clientX - box.left, event.clientY - box.top];
        }
        let pressed = null;
        canvas.addEventListener("mousedown", (event) => { pressed = place(event); canvas.focus({preventScroll: true}); });
        canvas.addEventListener("click", function (event) {
            const [x, y] = place(event);
            if (pressed === null || Math.hypot(x - pressed[0], y - pressed[1]) < 4) /* otherwise it was dragged */
                on.choose(find(x, y));
        });
        canvas.addEventListener("mousemove", function (event) {
            const [x, y] = place(event), kernel = event.buttons === 0 ? find(x, y) : -1;
            canvas.style.cursor = kernel >= 0 ? "pointer" : zoom.scale() > 1 ? "grab" : "default";
            on.hover(kernel, x, y);
        });
        canvas.addEventListener("mouseleave", () => on.hover(-1, 0, 0));
        canvas.addEventListener("blur", () => { self.cursor = -1; on.hover(-1, 0, 0); redraw(); });
        canvas.addEventListener("keydown", function (event) {
            if (keys[event.key] === undefined || event.ctrlKey || event.metaKey || event.altKey)
                return;
            event.preventDefault();
            keys[event.key]();
        });
        self.resize();
        return self;
    }

    return {create};
}());
