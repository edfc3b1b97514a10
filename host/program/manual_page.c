/* manual_page.c - man pages in the macros of man(7).
 *
 * Text from the tables is escaped: a hyphen that is typed is a minus sign (\-), and no line of
 * text begins with a dot or a quote, which would be a macro. */
#include "manual.h"
#include "version.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void put(FILE *file, const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c == '\\')
            fputs("\\e", file);
        else if (*c == '-')
            fputs("\\-", file);
        else if ((*c == '.' || *c == '\'') && (c == text || c[-1] == '\n'))
            fprintf(file, "\\&%c", *c);
        else
            fputc(*c, file);
}

static void put_line(FILE *file, const char *text)
{
    put(file, text);
    fputc('\n', file);
}

static void put_upper(FILE *file, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '-')
            fputs("\\-", file);
        else
            fputc(toupper((unsigned char)*text), file);
}

/* .TH has no date, so that the same source always gives the same page. */
static void begin(FILE *file, const char *name, const char *summary)
{
    fputs(".\\\" made from the tables of commands and options; changes go there\n.TH \"", file);
    put_upper(file, name);
    fputs("\" \"1\" \"\" \"cfp\\-gpu " CFP_GPU_VERSION "\" \"User Commands\"\n.SH NAME\n", file);
    put(file, name);
    fputs(" \\- ", file);
    put_line(file, summary);
}

static void section(FILE *file, const char *name)
{
    fputs(".SH ", file);
    put_upper(file, name);
    fputc('\n', file);
}

/* A term in bold, and what it means. */
static void entry(FILE *file, const char *term, const char *meaning)
{
    fputs(".TP\n\\fB", file);
    put(file, term);
    fputs("\\fR\n", file);
    put_line(file, meaning);
}

static void exit_status(FILE *file)
{
    section(file, "Exit status");
    entry(file, "0", "It is done.");
    entry(file, "1", "It failed. One line on standard error says what and why.");
    entry(file, "2", "Wrong usage.");
    entry(file, "130", "It was interrupted.");
}

static void example(FILE *file, const char *line)
{
    fputs(".PP\n.nf\n.RS\n", file);
    fputs("cfp\\-gpu ", file);
    put_line(file, line);
    fputs(".RE\n.fi\n", file);
}

static void see_also(FILE *file, const cfp_command *but)
{
    bool first = true;
    section(file, "See also");
    if (but != NULL) {
        fputs(".BR cfp\\-gpu (1)", file);
        first = false;
    }
    for (int i = 0; i < cfp_n_commands; i++) {
        if (&cfp_commands[i] == but)
            continue;
        fputs(first ? "" : ",\n", file);
        fputs(".BR cfp\\-gpu\\-", file);
        put(file, cfp_commands[i].name);
        fputs(" (1)", file);
        first = false;
    }
    fputc('\n', file);
}

void manual_page(FILE *file)
{
    begin(file, "cfp-gpu", "explain video classifiers with Class Feature Pyramids");
    section(file, "Synopsis");
    fputs(".B cfp\\-gpu\n.I COMMAND\n[options]\n", file);
    section(file, "Description");
    put_line(file, cfp_about);
    section(file, "Commands");
    for (int i = 0; i < cfp_n_commands; i++) {
        char term[128];
        const cfp_command *command = &cfp_commands[i];
        snprintf(term, sizeof term, "%s %s", command->name, command->operands);
        entry(file, term, command->summary);
    }
    section(file, "Options");
    entry(file, "--help",
          "One screen about a command: cfp-gpu COMMAND --help. Every option: --help all.");
    entry(file, "--version", "Version of the program and of its libraries; with --json, too.");
    exit_status(file);
    section(file, "Environment");
    entry(file, "CFP_LANES",
          "Which instructions the cpu device keeps to: avx512, avx2 or plain. By default it takes "
          "the widest that the machine has.");
    section(file, "Examples");
    for (int i = 0; i < cfp_n_commands; i++)
        if (cfp_commands[i].examples[0] != NULL)
            example(file, cfp_commands[i].examples[0]);
    see_also(file, NULL);
}

static void put_term(FILE *file, const cfp_option *option)
{
    fputs(".TP\n", file);
    if (option->letter != 0)
        fprintf(file, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", file);
    put(file, option->name);
    fputs("\\fR", file);
    for (int i = 0; i < option->n_choices; i++) {
        fputs(i == 0 ? " " : "|", file);
        put(file, option->choice[i]);
    }
    if (option->n_choices == 0 && option->argument != NULL) {
        fputs(" \\fI", file);
        put(file, option->argument);
        fputs("\\fR", file);
        if (option->word != NULL)
            fprintf(file, "|%s", option->word);
    }
    fputc('\n', file);
}

static void put_option(FILE *file, const cfp_option *option)
{
    put_term(file, option);
    put_line(file, option->help);
    if (option->type == CFP_OPTION_REAL)
        fprintf(file, "[%g to %g]\n", option->min, option->max);
    if (option->default_text != NULL) {
        fputs("[default: ", file);
        put(file, cfp_default_shown(option));
        fputs("]\n", file);
    }
}

static void put_formats(FILE *file, const cfp_command *command)
{
    const cfp_writer *const *writers = cfp_command_writers(command);
    fputs(".RS\n", file);
    for (int i = 0; writers[i] != NULL; i++)
        entry(file, writers[i]->format, writers[i]->summary);
    fputs(".RE\n", file);
}

static void put_options(FILE *file, const cfp_command *command)
{
    const char *group = "";
    for (int i = 0; i < cfp_n_options; i++) {
        const cfp_option *option = &cfp_options[i];
        if (!cfp_option_shown(option, command->bit))
            continue;
        if (strcmp(option->group, group) != 0)
            fprintf(file, ".SS %s\n", option->group);
        group = option->group;
        put_option(file, option);
        if (strcmp(option->name, "format") == 0)
            put_formats(file, command);
    }
}

void manual_page_of(FILE *file, const cfp_command *command)
{
    char name[128];
    snprintf(name, sizeof name, "cfp-gpu-%s", command->name);
    begin(file, name, command->summary);
    section(file, "Synopsis");
    fputs(".B cfp\\-gpu ", file);
    put(file, command->name);
    if (*command->operands != '\0') {
        fputs("\n.I ", file);
        put(file, command->operands);
    }
    fputs("\n[options]\n", file);
    section(file, "Description");
    put_line(file, command->about);
    if (*command->operands != '\0')
        section(file, "Arguments");
    for (int i = 0; cfp_operands[i].name != NULL; i++)
        if (cfp_takes_operand(command, &cfp_operands[i]))
            entry(file, cfp_operands[i].name, cfp_operands[i].meaning);
    section(file, "Options");
    put_options(file, command);
    exit_status(file);
    section(file, "Examples");
    for (size_t i = 0; i < sizeof command->examples / sizeof *command->examples; i++)
        if (command->examples[i] != NULL)
            example(file, command->examples[i]);
    see_also(file, command);
}
