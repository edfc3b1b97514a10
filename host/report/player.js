
/* player.js - shows the clip with a tube over it: alpha * colour + (1 - alpha) * frame, as the program draws it.
 *
 * With --canvas source the frames are those of the source.  The tube covers the part that the model saw.
 *
 * A tube with another tube in `minus` is shown as the difference of the two, from -1 to 1. */
cfp.player = (function () {
    "use strict";
    const KEPT = 6; /* volumes that are kept in memory */
    const UNSEEN = -2; /* of pixels that the model did not see */

    function decodeFrames(data, height, width) {
        const canvas = document.createElement("canvas");
        canvas.width = width;
        canvas.height = height;
        const context = canvas.getContext("2d", {willReadFrequently: true});
        return Promise.all(data.frames.map(function (jpeg) {
            const image = new Image();
            image.src = "data:image/jpeg;base64," + jpeg;
            return image.decode().then(() => image);
        })).then((images) => images.map(function (image) {
            context.drawImage(image, 0, 0);
            return context.getImageData(0, 0, width, height);
        }));
    }

    /* For each of `to` pixels of the source: its place among the n pixels of the crop, null if it is outside.  As
     * host/backend/render_math.h; `pixel` pixels of the source were averaged for one. */
    function cropAxis(to, n, pixel, begin, step) {
        return Array.from({length: to}, function (_, x) {
            const at = ((x + 0.5) * pixel - begin) / step - 0.5, low = Math.floor(at);
            return at < -0.5 || at > n - 0.5 ? null : {low: Math.max(0, low), high: Math.min(n - 1, low + 1), part: at - low};
        });
    }

    /* canvas: where to draw.  changed(t) is called when playing moves to frame t. */
    function create(data, canvas, changed) {
        const clip = data.run.frames, T = data.frames.length, H = clip.height, W = clip.width;
        const high = data.canvas === null ? H : data.canvas.height, wide = data.canvas === null ? W : data.canvas.width;
        const crop = data.canvas === null ? null : {
            rows: cropAxis(high, H, data.canvas.pixel, data.canvas.top, data.canvas.step_y),
            columns: cropAxis(wide, W, data.canvas.pixel, data.canvas.left, data.canvas.step_x)};
        const context = canvas.getContext("2d", {willReadFrequently: true}), picture = context.createImageData(wide, high);
        const volumes = new Map(); /* tube -> Float32Array, the most recent last */
        const self = {t: 0, alpha: data.overlay.alpha, colormap: data.overlay.colormap, tube: null, playing: false};
        let frames = null, timer = 0;
        canvas.width = wide;
        canvas.height = high;

        function render(tube) {
            const volume = cfp.volume.render(tube, [T, H, W], data.query.interp);
            if (tube.minus !== undefined)
                cfp.volume.render(tube.minus, [T, H, W], data.query.interp).forEach((v, p) => { volume[p] -= v; });
            return volume;
        }

        /* For a difference, colour 128 is 0. */
        const indexOf = (v) => v >= 1 ? 255 : v > 0 ? Math.floor(v * 255 + 0.5) : 0;
        const differenceIndex = (v) => v >= 1 ? 255 : v <= -1 ? 1 : Math.floor(v * 127 + 128.5);

        function volumeOf(tube) {
            const volume = volumes.get(tube) || render(tube);
            volumes.delete(tube);
            volumes.set(tube, volume);
            if (volumes.size > KEPT)
                volumes.delete(volumes.keys().next().value);
            return volume;
        }

        /* The values of one frame of a volume, at every pixel that is drawn. */
        function planeOf(seen) {
            if (crop === null)
                return seen;
            const plane = new Float32Array(high * wide).fill(UNSEEN);
            crop.rows.forEach(function (r, y) {
                crop.columns.forEach(function (c, x) {
                    if (r === null || c === null)
                        return;
                    const above = seen[r.low * W + c.low] * (1 - c.part) + seen[r.low * W + c.high] * c.part;
                    const below = seen[r.high * W + c.low] * (1 - c.part) + seen[r.high * W + c.high] * c.part;
                    plane[y * wide + x] = above * (1 - r.part) + below * r.part;
                });
            });
            return plane;
        }

        self.draw = function () {
            if (frames === null)
                return;
            const from = frames[self.t].data, to = picture.data, colours = data.tables[self.colormap];
            const plane = self.tube === null ? null : planeOf(volumeOf(self.tube).subarray(self.t * H * W, (self.t + 1) * H * W));
            const differs = plane !== null && self.tube.minus !== undefined; /* over a grey frame, as the program does */
            const look = differs ? differenceIndex : indexOf, follows = data.overlay.follows;
            for (let p = 0; p < high * wide; p++) {
                const v = plane === null ? UNSEEN : plane[p];
                const alpha = v <= UNSEEN ? 0 : follows ? self.alpha * Math.min(Math.abs(v), 1) : self.alpha;
                const index = 3 * look(v);
                const grey = Math.floor((299 * from[4 * p] + 587 * from[4 * p + 1] + 114 * from[4 * p + 2] + 500) / 1000);
                for (let c = 0; c < 3; c++)
                    to[4 * p + c] = Math.floor(alpha * colours[index + c]
                        + (1 - alpha) * (differs ? grey : from[4 * p + c]) + 0.5);
                to[4 * p + 3] = 255;
            }
            context.putImageData(picture, 0, 0);
        };
        self.show = function (tube) {
            self.tube = tube;
            self.draw();
        };
        self.go = function (t) {
            self.t = (t % T + T) % T;
            self.draw();
        };
        self.play = function (on) {
            self.playing = on;
            window.clearInterval(timer);
            /* As in the mp4: at least a second for the loop, at most a second for a frame. */
            const fps = Math.max(1, Math.min(T, (clip.source_fps > 0 ? clip.source_fps : 25) / Math.max(1, clip.stride)));
            if (on)
                timer = window.setInterval(function () {
                    self.go(self.t + 1);
                    changed(self.t);
                }, 1000 / Math.min(fps, 60));
        };
        self.ready = decodeFrames(data, high, wide).then(function (decoded) {
            frames = decoded;
            self.draw();
        });
        return self;
    }

    return {create};
}());
