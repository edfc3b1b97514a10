/* routes.c - finds where a channel comes from (SPEC "Routing").
 *
 * Only kernel layers mix channels.  Every other op passes each channel on, and this file knows to
 * where.  The descent, the links of a pyramid and the maps of tubes use it. */
#include "model.h"

static int concat_offset(const cfp_model *model, const cfp_node *node, int k)
{
    int offset = 0;
    for (int i = 0; i < k; i++)
        offset += model->node[node->input[i]].shape.c;
    return offset;
}

int cfp_route(const cfp_model *model, int index, int k, int j)
{
    const cfp_node *node = &model->node[index];
    const cfp_shape in = model->node[node->input[k]].shape;

    switch (node->op) {
    case CFP_OP_FLATTEN:
        return (int)(j / cfp_positions(in));
    case CFP_OP_ADD:
    case CFP_OP_MUL:
        return in.c == 1 ? 0 : j;
    case CFP_OP_CONCAT: {
        if (cfp_concat_axis(node) != 1)
            return j;
        const int i = j - concat_offset(model, node, k);
        return i >= 0 && i < in.c ? i : -1;
    }
    case CFP_OP_SLICE:
        return node->axis == 1 ? node->start + j * node->step : j;
    case CFP_OP_PAD: {
        const int i = j - node->channels_begin;
        return i >= 0 && i < in.c ? i : -1;
    }
    case CFP_OP_CHANNEL_SHUFFLE: {
        /* forward: (groups, C/groups) transposed, so output i * groups + g is input
         * g * C/groups + i */
        const int per_group = in.c / node->groups;
        return j % node->groups * per_group + j / node->groups;
    }
    default: /* norms, activations, pools, softmax, identity */
        return j;
    }
}

int cfp_map_node(const cfp_model *model, int index)
{
    for (;;) {
        const cfp_node *node = &model->node[index];
        if (node->n_consumers != 1 || index == model->logits)
            return index;
        const cfp_node *next = &model->node[node->consumer[0]];
        const bool follows = next->op == CFP_OP_BATCHNORM || next->op == CFP_OP_IDENTITY ||
                             cfp_is_clip_norm(next->op) || cfp_is_activation(next) ||
                             /* one channel that is added to many cannot hold their map */
                             (next->op == CFP_OP_ADD && next->shape.c == node->shape.c);
        if (!follows)
            return index;
        index = node->consumer[0];
    }
}
