/* layout.c - sizes and offsets of the structs that explain.py declares a second time. */
#include <cfp/cfp.h>
#include <stdio.h>

#define AT(type, field) printf(" %zu", offsetof(type, field))

int main(void)
{
    printf("cfp_question %zu", sizeof(cfp_question));
    AT(cfp_question, rule);
    AT(cfp_question, theta);
    AT(cfp_question, depth);
    AT(cfp_question, top);
    AT(cfp_question, propagate);
    AT(cfp_question, normalise);
    AT(cfp_question, class_relevance);
    AT(cfp_question, target);
    AT(cfp_question, mask);
    AT(cfp_question, baseline);
    AT(cfp_question, steps);
    AT(cfp_question, turn_down);
    AT(cfp_question, seed);
    AT(cfp_question, tubes);
    AT(cfp_question, layers);
    AT(cfp_question, interp);
    printf("\ncfp_layer_facts %zu", sizeof(cfp_layer_facts));
    AT(cfp_layer_facts, node);
    AT(cfp_layer_facts, name);
    AT(cfp_layer_facts, depth);
    AT(cfp_layer_facts, kernels);
    AT(cfp_layer_facts, relevance);
    AT(cfp_layer_facts, selected);
    AT(cfp_layer_facts, selected_kernel);
    AT(cfp_layer_facts, edges);
    AT(cfp_layer_facts, edge);
    printf("\n");
    return 0;
}
