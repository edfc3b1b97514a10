/* fuzz_options.c - fuzzes command lines.  Each line is a word, the first is the command.  All
 * values must be within their ranges, or the command line be refused in one line. */
#include "../../host/program/commands.h"
#include "fuzz.h"

enum { MOST_WORDS = 64 };

/* The table of commands has none to run here. */
#define COMMAND(name)                                                                              \
    cfp_status cfp_cmd_##name(cfp_session *session)                                                \
    {                                                                                              \
        (void)session;                                                                             \
        return CFP_OK;                                                                             \
    }
COMMAND(explain)
COMMAND(predict)
COMMAND(inspect)
COMMAND(bench)
COMMAND(devices)
COMMAND(dataset)
COMMAND(view)
COMMAND(report)
COMMAND(sweep)
COMMAND(evaluate)
COMMAND(contrast)
COMMAND(aggregate)
COMMAND(batch)

static void check_values(const cfp_config *config)
{
    for (int i = 0; i < cfp_n_options; i++) {
        const cfp_option *o = &cfp_options[i];
        const void *field = (const char *)config + o->field;
        if ((o->commands & config->command->bit) == 0 || config->text[i] == NULL)
            continue;
        const bool word = o->word != NULL && strcmp(config->text[i], o->word) == 0;
        if (o->type == CFP_OPTION_INT)
            MUST(word ? *(const int64_t *)field == o->word_value
                      : (double)*(const int64_t *)field >= o->min &&
                            (double)*(const int64_t *)field <= o->max);
        if (o->type == CFP_OPTION_MOMENT)
            MUST(config->start_seconds >= 0 ? config->start_seconds < 1e13
                                            : config->start_seconds >= -1 && config->start >= -1 &&
                                                  (double)config->start <= o->max);
        if (o->type == CFP_OPTION_REAL)
            MUST(word ? *(const double *)field == (double)o->word_value
                      : *(const double *)field >= o->min && *(const double *)field <= o->max);
        if (o->type == CFP_OPTION_CHOICE)
            MUST(*(const int64_t *)field >= 0 && *(const int64_t *)field < o->n_choices);
    }
}

int fuzz_good;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *argv[MOST_WORDS + 2] = {text};
    const int argc = 1 + fuzz_lines(text, argv + 1, MOST_WORDS);
    cfp_config config = {.command = &cfp_commands[0]};
    cfp_ctx ctx = {0};
    for (int i = 0; i < cfp_n_commands; i++)
        if (strcmp(argv[1], cfp_commands[i].name) == 0)
            config.command = &cfp_commands[i];
    const cfp_status status = cfp_options_parse(&config, &ctx, argc, argv);
    MUST(status == CFP_OK || (status == CFP_USAGE && ctx.message[0] != '\0'));
    if (status == CFP_OK) {
        fuzz_good++;
        check_values(&config);
        (void)cfp_config_query(&config);
        const cfp_sampling sampling = cfp_config_sampling(&config);
        MUST(sampling.by_time ? sampling.seconds >= 0 : sampling.start >= -1);
        MUST(sampling.windows < 2 || !sampling.by_time);
        const cfp_status known =
            cfp_formats_check(&ctx, cfp_writers, config.formats != NULL ? config.formats : "h5");
        MUST(known == CFP_OK || known == CFP_USAGE);
    }
    cfp_config_free(&config);
    free(text);
    return 0;
}
