# Wrong usage: one line that names the option and says what is right; status 2; nothing is opened.
try
try explian
try --json
try nothinglikeit
try evaluate model.h5
try evaluate model.h5 clip.npy --metrics kernl-drop
try evaluate model.h5 clip.npy --metrics energy
try evaluate model.h5 clip.npy --methods gard
try evaluate model.h5 clip.npy --methods gradcam
try evaluate model.h5 clip.npy --methods grad:baseline=blonk
try evaluate model.h5 clip.npy --share 0.1,1.5
try evaluate model.h5 clip.npy --draws 0
try batch
try explain
try explain model.h5
try contrast model.h5 clip.mp4 another.mp4
try predict model.h5
try inspect
try inspect model.h5 clip.mp4
try devices ref
try explain model.h5 ''
# names
try explain model.h5 clip.mp4 --thta 0.5
try explain model.h5 clip.mp4 --clas_relevance weights
try explain model.h5 clip.mp4 --nothing-at-all
try explain model.h5 clip.mp4 -x
try explain model.h5 clip.mp4 -qx
try inspect model.h5 --theta 0.5
try predict model.h5 clip.mp4 --output out
# values
try explain model.h5 clip.mp4 --theta
try explain model.h5 clip.mp4 --theta --json
try explain model.h5 clip.mp4 -o
try explain model.h5 clip.mp4 --json=yes
try explain model.h5 clip.mp4 --theta 1.5
try explain model.h5 clip.mp4 --theta nan
try explain model.h5 clip.mp4 --theta=0,5
try explain model.h5 clip.mp4 --theta=
try explain model.h5 clip.mp4 --depth -1
try explain model.h5 clip.mp4 --depth 1e3
try explain model.h5 clip.mp4 --top 99999999999999999999
try explain model.h5 clip.mp4 --rule gradcam
try explain model.h5 clip.mp4 --class_relevance gradients
try explain model.h5 clip.mp4 --colormap rainbow
try explain model.h5 clip.mp4 --alpha -0.1
try explain model.h5 clip.mp4 --alpha salience
try explain model.h5 clip.mp4 --fps 0
try explain model.h5 clip.mp4 --fps fast
try contrast model.h5 clip.mp4 --class 0 --against 1 --fps nan
try explain model.h5 clip.mp4 --stride 0
try explain model.h5 clip.mp4 --start -5
try explain model.h5 clip.mp4 --threads 0
try explain model.h5 clip.mp4 --seed 99999999999999999
try explain model.h5 clip.mp4 --output=
try predict model.h5 clip.mp4 --top all
try predict model.h5 clip.mp4 --check-input perhaps
try explain model.h5 clip.mp4 --check-input never
try bench model.h5 --runs 0
# what is well-formed but has no meaning here
try explain model.h5 clip.mp4 --format h5,jpeg
try explain model.h5 clip.mp4 --format ''
try explain model.h5 clip.mp4 --rule grad --propagate path
try explain model.h5 clip.mp4 --rule grad --class-relevance contrast
try explain model.h5 clip.mp4 --rule cfp --mask none
try explain model.h5 clip.mp4 --rule cfp --baseline freeze
try explain model.h5 clip.mp4 --rule reference --steps 3
try explain model.h5 clip.mp4 --rule cfp --target margin
try explain model.h5 clip.mp4 --rule grad --steps 0
try explain model.h5 clip.mp4 --rule cfp --turn-down 0.5
try explain model.h5 clip.mp4 --rule grad --turn-down 0.5
try explain model.h5 clip.mp4 --rule grad --baseline blank --steps 2 --turn-down 0.5
try explain model.h5 clip.mp4 --turn-down 0
try explain model.h5 clip.mp4 --rule grad --steps 1001
try explain model.h5 clip.mp4 --rule grad --mask some
try explain model.h5 clip.mp4 --rule grad --target odd
try explain model.h5 clip.mp4 --rule grad --baseline=
try explain "$model" "$data/up.mp4" --rule grad --baseline nowhere.npy --device cpu -q
try bench "$model" --rule grad --baseline "$data/up.mp4" --device cpu
try explain "$model" clip.mp4 --device gpu
try explain "$model" clip.mp4 --device cpu:1
try bench model.h5 --batch 0
try predict model.h5 clip.mp4 --profile
# sweep: thresholds, lists of words, what does not go together
try sweep "$model" clip.mp4
try sweep "$model" --theta 0.5
for thetas in 0:1:0 0:1:-0.1 0:1:nan 0:1:inf 0.9:0.1:0.1 nan:1:0.1 0:nan:0.1 -0.1:1:0.1 0:1.1:0.1 0:1:1e-9 0:1 0:1:0.1:2 0::0.1 \
    1.5 0.5,nan 0.5,-1 0.5,,0.6 '0.5,' ,0.5 0.5:0.6 half 0.1,0:1:0.5 ''; do
    try sweep "$model" clip.mp4 --theta "$thetas"
done
try sweep "$model" clip.mp4 --theta 0.5 --rule cfp,gard
try sweep "$model" clip.mp4 --theta 0.5 --rule cfp,,grad
try sweep "$model" clip.mp4 --theta 0.5 --propagate path,egde
try sweep "$model" clip.mp4 --theta 0.5 --mask all
try sweep "$model" clip.mp4 --theta 0.5 --normalise maximum
try sweep "$model" clip.mp4 --theta 0.5 --class-relevance contrasts
try sweep "$model" clip.mp4 --theta 0.5 --class 1 --top-classes 3
try sweep "$model" clip.mp4 --theta 0.5 --top-classes 0
try sweep "$model" clip.mp4 --theta 0.5 --top 3
try sweep "$model" clip.mp4 --theta 0.5 --target margin
try sweep "$model" clip.mp4 --theta 0.5 --plot figure.pdf
try sweep "$model" clip.mp4 --theta 0.5 --max-memory 1K
try sweep "$model" clip.mp4 --theta 0.5 --plot .png
quietly sweep "$model" clip.mp4 --theta 0.5 --csv table.png --plot table.png -q
quietly sweep "$model" clip.mp4 --theta 0.5 --class clockwise,growing,nothing -q
quietly sweep "$model" clip.mp4 --theta 0.5 --csv no/such/folder/table.csv -q
# contrast: two classes that are not the same one; its own formats and colours
try contrast
try contrast "$model"
try contrast "$model" clip.mp4
try contrast "$model" clip.mp4 --class growing
try contrast "$model" clip.mp4 --against growing
quietly contrast "$model" clip.mp4 --class growing --against growing -q --device cpu
quietly contrast "$model" clip.mp4 --class growing --against 6 -q --device cpu
quietly contrast "$model" clip.mp4 --class growing --against GROWING -q --device cpu
quietly contrast "$model" clip.mp4 --class growing --against shrinkin -q --device cpu
quietly contrast "$model" clip.mp4 --class nothing --against growing -q --device cpu
quietly contrast "$model" clip.mp4 --class growing --against 8 -q --device cpu
quietly contrast "$model" clip.mp4 --class growing --against -1 -q --device cpu
try contrast "$model" clip.mp4 --class growing --against
try contrast "$model" clip.mp4 --class growing --against=
try contrast "$model" clip.mp4 --class growing --against up --format tree
try contrast "$model" clip.mp4 --class growing --against up --colormap jet
try contrast "$model" clip.mp4 --class growing --against up --tubes none --format png
try contrast "$model" clip.mp4 --class growing --against up --theta 2
try contrast "$model" clip.mp4 --class growing --against up --clips 3
quietly contrast "$model" clip.mp4 --class growing --against up -q --device cpu
try explain "$model" clip.mp4 --against up
try explain "$model" clip.mp4 --colormap coolwarm
# aggregate: what it is given
try aggregate
try aggregate nowhere
mkdir empty
try aggregate empty
try aggregate "$model"
try aggregate "$model" --clips -1
try aggregate "$model" --theta 0.5
try aggregate "$model" -o "$model"
