/* rules.h - a kernel layer and a query as what backends score (relevance.h, relevance_math.h). */
#pragma once
#include "../model/model.h"
#include "query.h"

/* What CFP_TARGET_BY_HEAD is for this model goes into the query; a target that the model lacks is
 * refused (CFP_USAGE, the message starts with the option). */
CFP_CHECKED cfp_status cfp_resolve_target(cfp_query *query, cfp_ctx *ctx, const cfp_model *model);

/* The part of a layer's back-step that is the same for every clip and theta: its geometry and
 * kernels, in host memory, and the query's choices. */
cfp_back_step cfp_rule_step(const cfp_model *model, const cfp_node *node, const cfp_query *query);
