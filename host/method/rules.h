/* rules.h - a kernel layer and a query as what backends score (relevance.h, relevance_math.h). */
#pragma once
#include "../model/model.h"
#include "query.h"

/* The part of a layer's back-step that is the same for every clip and theta: its geometry and
 * kernels, in host memory, and the query's choices. */
cfp_back_step cfp_rule_step(const cfp_model *model, const cfp_node *node, const cfp_query *query);

/* SPEC section 1, Tubes: true for conv3d layers within --depth whose name --layers matches. */
bool cfp_tube_wanted(const cfp_model *model, const cfp_query *query, int node);
