/* rules.h - describes a kernel layer and a query as backends take them (../backend/relevance.h),
 * and says which layers get tubes. */
#pragma once
#include "../model/model.h"
#include "query.h"

/* The members of a layer's back-step that are the same for every clip and theta: the layer's shape,
 * its mean kernels in host memory, and the query's choices. */
cfp_back_step cfp_rule_step(const cfp_model *model, const cfp_node *node, const cfp_query *query);

/* True: `node` is a conv3d layer within --depth whose name matches --layers (SPEC section 1,
 * Tubes). */
bool cfp_tube_wanted(const cfp_model *model, const cfp_query *query, int node);
