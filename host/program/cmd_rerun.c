/* cmd_rerun.c - cfp-gpu rerun: runs again what a run.json records, with other options.
 *
 * It makes the command line that would have the same result, "explain MODEL CLIP --option value
 * ...", and appends the options that the user typed: the last one counts.  The program then goes on
 * as if that line had been typed.  Options that have their default are left out, since giving one
 * can contradict another (--start and --sample uniform). */
#include "../base/hash.h"
#include "../files/run_json.h"
#include "commands.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct rerunning {
    cfp_session *session;
    cfp_ctx *ctx;
    cfp_run_json *run;
    char *path; /* of run.json */
    unsigned command;
    int n;
    char **word; /* the new command line */
} rerunning;

/* Options of the question beside --rule: another rule may not have them. */
static const char *const of_question[] = {"theta",           "mask",   "baseline",  "turn-down",
                                          "steps",           "target", "propagate", "normalise",
                                          "class-relevance", "seed"};

static cfp_status add_word(rerunning *r, const char *word)
{
    r->word[r->n] = cfp_strdup(r->ctx, word);
    return r->word[r->n] == NULL ? CFP_NOMEM : (r->n++, CFP_OK);
}

static cfp_status add_option(rerunning *r, const char *name, const char *value)
{
    char *option = cfp_format(r->ctx, "--%s", name);
    const cfp_status status = option == NULL ? CFP_NOMEM : add_word(r, option);
    cfp_free(option);
    return status == CFP_OK ? add_word(r, value) : status;
}

static cfp_status recorded(char **out, rerunning *r, const char *name)
{
    char path[112];
    snprintf(path, sizeof path, "$.%s", name);
    return cfp_run_json_text(out, r->run, path);
}

static cfp_status recorded_option(char **out, rerunning *r, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "options.\"%s\"", name);
    return recorded(out, r, path);
}

/* The operand may be the folder of run.json. */
static cfp_status open_record(rerunning *r)
{
    const cfp_session *session = r->session;
    struct stat about;
    if (session->argc < 3 || session->argv[2][0] == '-')
        return cfp_fail(r->ctx, CFP_USAGE,
                        "RUN.JSON: comes first; usage: cfp-gpu rerun RUN.JSON [options]");
    const char *given = session->argv[2];
    const bool folder = stat(given, &about) == 0 && S_ISDIR(about.st_mode);
    r->path = folder ? cfp_format(r->ctx, "%s/run.json", given) : cfp_strdup(r->ctx, given);
    if (r->path == NULL)
        return CFP_NOMEM;
    CFP_TRY(cfp_run_json_open(&r->run, r->ctx, r->path));
    return r->run != NULL ? CFP_OK
                          : cfp_fail(r->ctx, CFP_IO, "%s: No such file or directory", r->path);
}

/* The command tells itself by what it records. */
static cfp_status find_command(rerunning *r)
{
    char *clip, *against, *format, *list;
    CFP_TRY(recorded(&clip, r, "clip"));
    cfp_status status = recorded_option(&against, r, "against");
    if (status == CFP_OK)
        status = recorded_option(&format, r, "format");
    else
        format = NULL;
    if (status == CFP_OK)
        status = recorded(&list, r, "list_sha256");
    else
        list = NULL;
    r->command = against != NULL ? CFP_CMD_CONTRAST : CFP_CMD_EXPLAIN;
    if (status == CFP_OK && list != NULL)
        status =
            cfp_fail(r->ctx, CFP_USAGE,
                     "%s: is of batch, which goes on by itself: give its command again", r->path);
    else if (status == CFP_OK && (clip == NULL || format == NULL))
        status =
            cfp_fail(r->ctx, CFP_USAGE,
                     "%s: is not of explain or contrast: only these can be run again", r->path);
    cfp_free(clip);
    cfp_free(against);
    cfp_free(format);
    cfp_free(list);
    return status;
}

/* Adds the recorded file, which must be the one of that time.  A clip that is a folder has no sum
 * of its own: it is not compared. */
static cfp_status add_file(rerunning *r, const char *what)
{
    char *path, *sum, name[64], now[65];
    struct stat about;
    snprintf(name, sizeof name, "%s_sha256", what);
    CFP_TRY(recorded(&path, r, what));
    cfp_status status = recorded(&sum, r, name);
    if (status == CFP_OK && (path == NULL || sum == NULL))
        status = cfp_fail(r->ctx, CFP_FORMAT, "%s: does not name its %s", r->path, what);
    if (status == CFP_OK && stat(path, &about) != 0)
        status = cfp_fail(r->ctx, CFP_IO,
                          "%s: its %s %s is not there (paths are from the current "
                          "folder)",
                          r->path, what, path);
    if (status == CFP_OK && S_ISREG(about.st_mode)) {
        status = cfp_sha256_file(now, r->ctx, path);
        if (status == CFP_OK && strcmp(now, sum) != 0)
            status = cfp_fail(r->ctx, CFP_FORMAT,
                              "%s: has changed since %s was written (SHA-256 %.12s..., then "
                              "%.12s...)",
                              path, r->path, now, sum);
    }
    if (status == CFP_OK)
        status = add_word(r, path);
    cfp_free(path);
    cfp_free(sum);
    return status;
}

/* The user's value of --rule, or NULL. */
static const char *typed_rule(const cfp_session *session)
{
    const char *rule = NULL;
    for (int i = 3; i < session->argc; i++)
        if (strncmp(session->argv[i], "--rule=", 7) == 0)
            rule = session->argv[i] + 7;
        else if (strcmp(session->argv[i], "--rule") == 0 && i + 1 < session->argc)
            rule = session->argv[i + 1];
    return rule;
}

static bool is_of_question(const char *name)
{
    for (size_t i = 0; i < sizeof of_question / sizeof *of_question; i++)
        if (strcmp(name, of_question[i]) == 0)
            return true;
    return false;
}

/* True if the recorded value is what the option has if it is not given. */
static bool is_default(const cfp_option *option, const char *value)
{
    char *end_a, *end_b;
    const char *usual = option->default_text;
    if (*value == '\0' || (usual != NULL && strcmp(usual, value) == 0))
        return true;
    if (usual == NULL || option->type != CFP_OPTION_REAL)
        return false;
    const double a = strtod(usual, &end_a), b = strtod(value, &end_b);
    return *end_a == '\0' && *end_b == '\0' && a == b;
}

/* rule: the recorded one. */
static cfp_status add_recorded(rerunning *r, const cfp_option *option, const char *rule,
                               bool other_rule)
{
    char *value, *class_relevance;
    const bool is_rule = strcmp(option->name, "rule") == 0;
    if (option->about_run || strcmp(option->name, "max-memory") == 0 ||
        (other_rule && (is_rule || is_of_question(option->name))))
        return CFP_OK;
    CFP_TRY(recorded_option(&class_relevance, r, "class-relevance"));
    const bool asks_target = strcmp(rule, "grad") == 0 ||
                             (class_relevance != NULL && strcmp(class_relevance, "contrast") == 0);
    cfp_free(class_relevance);
    if (!asks_target && strcmp(option->name, "target") == 0) /* it is refused then */
        return CFP_OK;
    CFP_TRY(recorded_option(&value, r, option->name));
    cfp_status status = CFP_OK;
    /* --rule is always given: without it, the defaults are others. */
    if (value != NULL && (is_rule || !is_default(option, value)))
        status = add_option(r, option->name, value);
    cfp_free(value);
    return status;
}

static cfp_status add_all_recorded(rerunning *r)
{
    char *rule;
    const char *const typed = typed_rule(r->session);
    CFP_TRY(recorded_option(&rule, r, "rule"));
    const bool other = typed != NULL && rule != NULL && strcmp(typed, rule) != 0;
    cfp_status status = CFP_OK;
    for (int i = 0; i < cfp_n_options && status == CFP_OK; i++)
        if (cfp_options[i].commands & r->command)
            status = add_recorded(r, &cfp_options[i], rule != NULL ? rule : "", other);
    cfp_free(rule);
    return status;
}

static bool names_output(const cfp_session *session)
{
    for (int i = 3; i < session->argc; i++)
        if (strncmp(session->argv[i], "-o", 2) == 0 ||
            strncmp(session->argv[i], "--output", 8) == 0)
            return true;
    return false;
}

/* Without --output: the folder of run.json, with "-rerun". */
static cfp_status add_output(rerunning *r)
{
    if (names_output(r->session))
        return CFP_OK;
    char *whole = realpath(r->path, NULL);
    char *const slash = whole == NULL ? NULL : strrchr(whole, '/');
    if (slash == NULL) {
        free(whole);
        return cfp_fail(r->ctx, CFP_IO, "%s: is not there any more", r->path);
    }
    *slash = '\0';
    char *folder = cfp_format(r->ctx, "%s-rerun", whole);
    free(whole); /* it came from realpath */
    const cfp_status status = folder == NULL ? CFP_NOMEM : add_option(r, "output", folder);
    cfp_free(folder);
    return status;
}

static cfp_status make_command_line(rerunning *r)
{
    CFP_TRY(open_record(r));
    CFP_TRY(find_command(r));
    CFP_TRY(add_word(r, r->session->argv[0]));
    CFP_TRY(add_word(r, r->command == CFP_CMD_CONTRAST ? "contrast" : "explain"));
    CFP_TRY(add_file(r, "model"));
    CFP_TRY(add_file(r, "clip"));
    CFP_TRY(add_all_recorded(r));
    CFP_TRY(add_output(r));
    for (int i = 3; i < r->session->argc; i++)
        CFP_TRY(add_word(r, r->session->argv[i]));
    return CFP_OK;
}

cfp_status cfp_rerun_prepare(cfp_session *session)
{
    enum { OTHERS = 16 /* words that are not of an option */ };
    rerunning r = {.session = session, .ctx = &session->ctx};
    CFP_TRY_ALLOC(r.ctx, r.word, session->argc + 2 * cfp_n_options + OTHERS);
    session->words = r.word;
    const cfp_status status = make_command_line(&r);
    cfp_run_json_close(&r.run);
    cfp_free(r.path);
    if (status == CFP_OK) {
        session->argc = r.n;
        session->argv = r.word;
    }
    return status;
}

cfp_status cfp_rerun_check(cfp_session *session)
{
    if (session->config.n_operands == 2)
        return CFP_OK;
    return cfp_fail(&session->ctx, CFP_USAGE,
                    "%s: one too many; usage: cfp-gpu rerun RUN.JSON [options]",
                    session->config.operand[2]);
}
