/* h5_words.c - see h5_words.h.  Units: "1" is a number without a unit. */
#include "h5_words.h"

#define SCORES                                                                                     \
    {"logits", "output of the network for each class", "1"},                                       \
    {                                                                                              \
        "probabilities", "softmax or sigmoid of the logits", "1"                                   \
    }
#define CLIP                                                                                       \
    {"frames", "frames as the model saw them, before normalisation: time x height x width x RGB",  \
     "0 to 255"},                                                                                  \
    {                                                                                              \
        "indices", "number of each frame in the source", "frame number"                            \
    }
#define PYRAMID                                                                                    \
    {"selected", "selected kernels of the layer, ascending", "index of a kernel"},                 \
        {"relevance", "relevance of each kernel of the layer; 0: it is not selected", "1"},        \
        {"edges", "links: kernel of the layer, input channel that it rests on",                    \
         "index of a kernel, index of a channel"},                                                 \
    {                                                                                              \
        "edge_relevance", "relevance of each row of edges", "1"                                    \
    }

const cfp_h5_words cfp_explanation_words[] = {
    SCORES,
    CLIP,
    PYRAMID,
    {"raw",
     "saliency before it is resized and scaled, in the size of the layer's maps: time x "
     "height x width",
     "of the layer's output"},
    {"tube", "saliency over the clip, scaled to 0 to 1: time x height x width", "1"},
    {NULL, NULL, NULL},
};

const cfp_h5_words cfp_contrast_words[] = {
    SCORES,
    CLIP,
    PYRAMID,
    {"raw", "saliency of the class before it is resized and scaled: time x height x width",
     "of the layer's output"},
    {"tube",
     "in a and b: saliency of the class, 0 to 1; elsewhere: A minus B, -1 to 1; time x "
     "height x width",
     "1"},
    {NULL, NULL, NULL},
};

const cfp_h5_words cfp_class_words[] = {
    {"clip", "the clips of the class", "path"},
    {"probability", "probability of the class in each clip", "1"},
    {"top_clip", "clips in which each kernel is most relevant, -1: none", "index of a clip"},
    {"top_relevance", "relevance of the kernel in each row of top_clip", "1"},
    {"count", "in how many clips each kernel is selected", "clips"},
    {"relevance", "mean relevance of each kernel over the clips that select it", "1"},
    {"edges", "links: kernel of the layer, input channel that it rests on",
     "index of a kernel, index of a channel"},
    {"edge_count", "in how many clips each link is selected", "clips"},
    {"edge_relevance", "mean relevance of each link", "1"},
    {"edge_top_clip", "clips in which each link is most relevant, -1: none", "index of a clip"},
    {"edge_top_relevance", "relevance of the link in each row of edge_top_clip", "1"},
    {NULL, NULL, NULL},
};
