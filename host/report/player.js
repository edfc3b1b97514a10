
/* player.js - shows the clip with a tube over it: alpha * colour + (1 - alpha) * frame, as the program draws it.
 *
 * A tube with another tube in `minus` is shown as the difference of the two, from -1 to 1. */
cfp.player = (function () {
    "use strict";
    const KEPT = 6; /* volumes that are kept in memory */

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

    /* canvas: where to draw.  changed(t) is called when playing moves to frame t. */
    function create(data, canvas, changed) {
        const clip = data.run.frames, T = data.frames.length, H = clip.height, W = clip.width;
        const context = canvas.getContext("2d", {willReadFrequently: true}), picture = context.createImageData(W, H);
        const volumes = new Map(); /* tube -> Float32Array, the most recent last */
        const self = {t: 0, alpha: data.overlay.alpha, colormap: data.overlay.colormap, tube: null, playing: false};
        let frames = null, timer = 0;
        canvas.width = W;
        canvas.height = H;

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

        self.draw = function () {
            if (frames === null)
                return;
            const from = frames[self.t].data, to = picture.data, colours = data.tables[self.colormap];
            const volume = self.tube === null ? null : volumeOf(self.tube), start = self.t * H * W;
            const most = volume === null ? 0 : self.alpha, follows = data.overlay.follows;
            const differs = volume !== null && self.tube.minus !== undefined; /* over a grey frame, as the program does */
            const look = differs ? differenceIndex : indexOf;
            for (let p = 0; p < H * W; p++) {
                const v = volume === null ? 0 : volume[start + p];
                const index = 3 * look(v), alpha = follows ? most * Math.min(Math.abs(v), 1) : most;
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
        self.ready = decodeFrames(data, H, W).then(function (decoded) {
            frames = decoded;
            self.draw();
        });
        return self;
    }

    return {create};
}());
