/* picture.js - the pictures that the page saves.  They say what they show: class, theta, legend.  They are in the light
 * colours, on paper, also if the page is dark. */
cfp.picture = (function () {
    "use strict";
    const MARGIN = 16, LINE = 18, WIDTH = 1100; /* pixels; the least width of the pyramid */
    const SHARP = 2; /* pixels of the file for one of the picture */

    /* The light colours, by the names that page.css gives them. */
    function lightColours() {
        const sample = document.createElement("span");
        sample.className = "light";
        document.body.append(sample);
        const style = getComputedStyle(sample), found = new Map();
        return {
            of(name) {
                if (!found.has(name))
                    found.set(name, style.getPropertyValue("--" + name).trim());
                return found.get(name);
            },
            end: () => sample.remove(),
        };
    }

    /* Breaks lines of text that are too long; a letter takes about 6.4 pixels. */
    function wrap(lines, width) {
        const most = Math.max(20, Math.floor((width - 2 * MARGIN) / 6.4)), out = [];
        lines.forEach(function (line) {
            let row = "";
            line.split(" ").forEach(function (word) {
                if (row !== "" && row.length + word.length >= most) {
                    out.push(row);
                    row = "";
                }
                row += (row === "" ? "" : " ") + word;
                for (; row.length > most; row = row.slice(most))
                    out.push(row.slice(0, most));
            });
            out.push(row);
        });
        return out;
    }

    function drawWords(pen, colour, about, rows) {
        pen.text(MARGIN, MARGIN + 6, about.title, colour("ink"), 17, "start", 0, true);
        rows.forEach((row, i) => pen.text(MARGIN, MARGIN + 30 + i * LINE, row, colour("faint"), 12, "start", 0));
    }

    const marks = {circle: "circles", peak: "peaks", well: "wells"};

    /* items: [shape, name of its colour, words].  The shape "ring" is a circle that is not filled. */
    function drawLegend(pen, colour, items, y) {
        let x = MARGIN;
        items.forEach(function ([shape, name, words]) {
            if (shape === "line")
                pen.curves([x - 4, y, x + 10, y], colour(name), 0.7, 1.5);
            else if (shape === "ring")
                pen.circles([x + 3, y, 5], null, colour(name), 1.5);
            else
                pen[marks[shape]]([x + 3, y, 5], colour(name), null, 0);
            pen.text(x + 15, y, words, colour("ink"), 12, "start", 0);
            x += 15 + words.length * 6.6 + 22;
        });
    }

    /* paper(width, height) gives the pen.  about: {title, lines, legend}.  Returns what the pen made. */
    function pyramid(graph, about, paper) {
        const light = lightColours(), width = Math.max(WIDTH, graph.size().width), height = Math.max(520, graph.size().height);
        const rows = wrap(about.lines, width), top = MARGIN + 30 + rows.length * LINE;
        const pen = paper(width, top + height + LINE + MARGIN, light.of("card"));
        drawWords(pen, light.of, about, rows);
        pen.shift(0, top);
        graph.paintPlain(pen, light.of, width, height);
        pen.back();
        drawLegend(pen, light.of, about.legend, top + height + LINE / 2);
        light.end();
        return pen.end();
    }

    function canvasPen(width, height, paper) {
        const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
        canvas.width = width * SHARP;
        canvas.height = height * SHARP;
        context.scale(SHARP, SHARP);
        context.fillStyle = paper;
        context.fillRect(0, 0, width, height);
        return Object.assign(cfp.pens.canvas(context), {context, end: () => canvas});
    }

    function save(name, url) {
        const link = document.createElement("a");
        link.href = url;
        link.download = name;
        link.click();
    }

    const url = (canvas) => canvas.toDataURL("image/png");
    const pyramidPng = (graph, about) => url(pyramid(graph, about, canvasPen));
    const pyramidSvg = (graph, about) => pyramid(graph, about, cfp.pens.svg);

    /* Small frames are enlarged a whole number of times, so that their pixels stay squares. */
    const timesOf = (wide) => wide < 200 ? Math.max(1, Math.round(448 / wide)) : Math.max(1, 448 / wide);

    /* The frame that is shown, enlarged, with its colours below.  about: {title, lines, ends: words below the colours} */
    function frame(shown, scale, about) {
        const light = lightColours(), times = timesOf(shown.width);
        const wide = shown.width * times, high = shown.height * times, width = wide + 2 * MARGIN;
        const rows = wrap(about.lines, width), top = MARGIN + 30 + rows.length * LINE;
        const pen = canvasPen(width, top + high + 3 * LINE + MARGIN, light.of("card")), {context} = pen;
        drawWords(pen, light.of, about, rows);
        context.imageSmoothingEnabled = shown.width >= 200;
        context.drawImage(shown, MARGIN, top, wide, high);
        context.drawImage(scale, MARGIN, top + high + LINE / 2, wide, 10);
        about.ends.forEach(function (words, i) {
            pen.text(MARGIN + i * wide / 2, top + high + 2 * LINE, words, light.of("ink"), 12, ["start", "middle", "end"][i], 0);
        });
        light.end();
        return url(pen.end());
    }

    return {pyramidPng, pyramidSvg, frame, save};
}());
