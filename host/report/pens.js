
/* pens.js - draws the same picture in two ways: on a canvas, and as SVG for a paper. */
cfp.pens = (function () {
    "use strict";

    /* Lists: curves are [x0, y0, x1, y1 ...]; circles and triangles are [x, y, radius ...].  The triangles of peaks
     * point up, those of wells down. */
    const corners = (x, y, r, up) => [[x, y - up * 1.3 * r], [x + 1.15 * r, y + up * 0.8 * r], [x - 1.15 * r, y + up * 0.8 * r]];

    function canvas(context) {
        return {
            within(x, y, width, height) { /* clips until outside() */
                context.save();
                context.beginPath();
                context.rect(x, y, width, height);
                context.clip();
            },
            outside() {
                context.restore();
            },
            curves(list, colour, alpha, width) {
                context.globalAlpha = alpha;
                context.strokeStyle = colour;
                context.lineWidth = width;
                context.beginPath();
                for (let i = 0; i < list.length; i += 4) {
                    const middle = (list[i] + list[i + 2]) / 2;
                    context.moveTo(list[i], list[i + 1]);
                    context.bezierCurveTo(middle, list[i + 1], middle, list[i + 3], list[i + 2], list[i + 3]);
                }
                context.stroke();
                context.globalAlpha = 1;
            },
            circles(list, fill, stroke, width) {
                context.beginPath();
                for (let i = 0; i < list.length; i += 3) {
                    context.moveTo(list[i] + list[i + 2], list[i + 1]);
                    context.arc(list[i], list[i + 1], list[i + 2], 0, 2 * Math.PI);
                }
                if (fill !== null) {
                    context.fillStyle = fill;
                    context.fill();
                }
                if (stroke !== null) {
                    context.strokeStyle = stroke;
                    context.lineWidth = width;
                    context.stroke();
                }
            },
            triangles(list, fill, up) {
                context.beginPath();
                for (let i = 0; i < list.length; i += 3) {
                    corners(list[i], list[i + 1], list[i + 2], up).forEach(function (p, n) {
                        context[n === 0 ? "moveTo" : "lineTo"](p[0], p[1]);
                    });
                    context.closePath();
                }
                context.fillStyle = fill;
                context.fill();
            },
            peaks(list, fill) {
                this.triangles(list, fill, 1);
            },
            wells(list, fill) {
                this.triangles(list, fill, -1);
            },
            shift(x, y) { /* until back() */
                context.save();
                context.translate(x, y);
            },
            back() {
                context.restore();
            },
            text(x, y, words, colour, size, anchor, angle, bold) {
                context.save();
                context.translate(x, y);
                context.rotate(angle * Math.PI / 180);
                context.font = (bold ? "600 " : "") + size + "px system-ui, 'DejaVu Sans', sans-serif";
                context.fillStyle = colour;
                context.textAlign = anchor === "middle" ? "center" : anchor;
                context.textBaseline = "middle";
                context.fillText(words, 0, 0);
                context.restore();
            },
        };
    }

    function escaped(words) {
        return words.replace(/[&<>"]/g, (c) => "&#" + c.charCodeAt(0) + ";")
            .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd"); /* XML cannot hold these characters */
    }

    function svg(width, height, paper) {
        const out = [];
        const n = (v) => String(Math.round(v * 100) / 100);
        return {
            within(x, y, across, down) {
                out.push(`<clipPath id="plot"><rect x="${n(x)}" y="${n(y)}" width="${n(across)}" height="${n(down)}"/></clipPath>`,
                         '<g clip-path="url(#plot)">');
            },
            outside() {
                out.push("</g>");
            },
            curves(list, colour, alpha, wide) {
                let path = "";
                for (let i = 0; i < list.length; i += 4) {
                    const middle = n((list[i] + list[i + 2]) / 2), [x0, y0, x1, y1] = list.slice(i, i + 4).map(n);
                    path += `M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`;
                }
                if (path !== "")
                    out.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-opacity="${n(alpha)}" ` +
                             `stroke-width="${n(wide)}"/>`);
            },
            circles(list, fill, stroke, wide) {
                const look = `fill="${fill === null ? "none" : fill}"`
                    + (stroke === null ? "" : ` stroke="${stroke}" stroke-width="${n(wide)}"`);
                if (list.length === 0)
                    return;
                out.push(`<g ${look}>`);
                for (let i = 0; i < list.length; i += 3)
                    out.push(`<circle cx="${n(list[i])}" cy="${n(list[i + 1])}" r="${n(list[i + 2])}"/>`);
                out.push("</g>");
            },
            triangles(list, fill, up) {
                let path = "";
                for (let i = 0; i < list.length; i += 3)
                    path += "M" + corners(list[i], list[i + 1], list[i + 2], up).map((p) => n(p[0]) + " " + n(p[1])).join("L") + "Z";
                if (path !== "")
                    out.push(`<path d="${path}" fill="${fill}"/>`);
            },
            peaks(list, fill) {
                this.triangles(list, fill, 1);
            },
            wells(list, fill) {
                this.triangles(list, fill, -1);
            },
            shift(x, y) {
                out.push(`<g transform="translate(${n(x)} ${n(y)})">`);
            },
            back() {
                out.push("</g>");
            },
            text(x, y, words, colour, size, anchor, angle, bold) {
                const turn = angle === 0 ? "" : ` transform="rotate(${angle} ${n(x)} ${n(y)})"`;
                out.push(`<text x="${n(x)}" y="${n(y)}" fill="${colour}" font-size="${size}" text-anchor="${anchor}" ` +
                         `dominant-baseline="central"${bold ? ' font-weight="600"' : ""}${turn}>${escaped(words)}</text>`);
            },
            end() {
                return `<svg xmlns="http://www.w3.org/2000/svg" width="${n(width)}" height="${n(height)}" ` +
                    `viewBox="0 0 ${n(width)} ${n(height)}" font-family="DejaVu Sans, sans-serif">` +
                    `<rect width="100%" height="100%" fill="${paper}"/>\n` + out.join("\n") + "\n</svg>\n";
            },
        };
    }

    return {canvas, svg};
}());
