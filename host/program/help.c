/* help.c - --help: written from the rows of commands.c, options_table.c and the writers' table. */
#include <stdio.h>
#include <string.h>
#include "../evaluate/evaluate.h"
#include "commands.h"
#include "help_brief.h"

const char cfp_about[] =
    "Explains 3-D CNN video classifiers with Class Feature Pyramids: from the class down, layer by "
    "layer, which kernels the prediction rests on, and where and when in the clip they fire.";

const cfp_operand cfp_operands[] = {
    {"MODEL", "a network with its weights, in an HDF5 model file (.h5)"},
    {"CLIP", "a video file; a folder of frame images, in the natural order of their names (9 "
             "before 10), or a tar of them; a TIFF file, whose pages are the frames; a folder with "
             "a frames.db; an "
             ".npy or .h5 array of T x H x W x 3 bytes, RGB (x 2, u and v, for a model of optical "
             "flow)"},
    {"LIST", "an annotation file of Kinetics, UCF-101, HMDB-51, EPIC-KITCHENS or EGTEA Gaze+ as "
             "published, or a text file with a clip on each line: a path, then perhaps a label; "
             "several files as a pattern in quotes, such as 'splits/*_test_split1.txt'"},
    {"DIR|FILE",
     "a folder that explain has filled, or one with shards of batch (shard-*.h5), or one "
     "that holds such folders; an explanation.h5; a shard"},
    {"DIR", "a folder that explain has filled"},
    {"RUN.JSON", "the run.json of a folder that explain or contrast has filled, or the folder"},
    {NULL, NULL},
};

bool cfp_takes_operand(const cfp_command *command, const cfp_operand *operand)
{
    const bool files =
        strstr(command->operands, "DIR|FILE") != NULL; /* then "DIR" is only a part of that word */
    return strstr(command->operands, operand->name) != NULL &&
           !(files && strcmp(operand->name, "DIR") == 0);
}

enum {
    INDENT = 30,       /* all of a command: where the texts of options begin, */
    WIDTH = 92,        /* and the last column */
    SHORT_INDENT = 22, /* the short help */
    SHORT_WIDTH = 80
};

/* Prints a text in lines from column `indent` to column `width`.  The cursor is in column `at`; if
 * that is too far right, the text starts on a new line. */
static void print_within(const char *text, int at, int indent, int width)
{
    if (at > indent - 2 && at != indent) {
        printf("\n");
        at = 0;
    }
    printf("%*s", indent - at, "");
    int column = indent;
    while (*text != '\0') {
        const int length = (int)strcspn(text, " ");
        if (column > indent && column + 1 + length > width) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            printf(" ");
            column++;
        }
        printf("%.*s", length, text);
        column += length;
        text += length + (text[length] == ' ');
    }
    printf("\n");
}

static void print_wrapped(const char *text, int at, int indent)
{
    print_within(text, at, indent, WIDTH);
}

const char *cfp_default_shown(const cfp_option *option)
{
    return option->default_shown != NULL ? option->default_shown : option->default_text;
}

static void print_option(const cfp_option *option)
{
    char left[128], right[768];
    int used = option->letter != 0
                   ? snprintf(left, sizeof left, "  -%c, --%s", option->letter, option->name)
                   : snprintf(left, sizeof left, "      --%s", option->name);
    if (option->type == CFP_OPTION_CHOICE)
        for (int i = 0; i < option->n_choices; i++)
            used += snprintf(left + used, sizeof left - (size_t)used, "%c%s", i == 0 ? ' ' : '|',
                             option->choice[i]);
    else if (option->argument != NULL)
        used += snprintf(left + used, sizeof left - (size_t)used, " %s%s%s", option->argument,
                         option->word == NULL ? "" : "|", option->word == NULL ? "" : option->word);

    int length = snprintf(right, sizeof right, "%s", option->help);
    char *const end = right + sizeof right;
    if (option->type == CFP_OPTION_REAL)
        length +=
            snprintf(right + length, (size_t)(end - right - length), " [%g to %g, default: %s]",
                     option->min, option->max, option->default_text);
    else if (option->default_text != NULL)
        snprintf(right + length, (size_t)(end - right - length), " [default: %s]",
                 cfp_default_shown(option));
    printf("%s", left);
    print_wrapped(right, used, INDENT);
}

static void print_operand(const char *name, const char *meaning)
{
    printf("      %s", name);
    print_wrapped(meaning, 6 + (int)strlen(name), INDENT);
}

static void print_input(const cfp_command *command)
{
    for (int i = 0; cfp_operands[i].name != NULL; i++)
        if (cfp_takes_operand(command, &cfp_operands[i]))
            print_operand(cfp_operands[i].name, cfp_operands[i].meaning);
}

const cfp_writer *const *cfp_command_writers(const cfp_command *command)
{
    return command->bit == CFP_CMD_CONTRAST ? cfp_contrast_writers : cfp_writers;
}

static void print_formats(const cfp_command *command)
{
    const cfp_writer *const *writers = cfp_command_writers(command);
    for (int i = 0; writers[i] != NULL; i++) {
        printf("%*s%-8s", INDENT + 2, "", writers[i]->format);
        print_wrapped(writers[i]->summary, INDENT + 10, INDENT + 12);
    }
}

/* Prints the words that a list may have: "what: name, name, ...". */
static void print_names(const char *what, const char *const *names, int n)
{
    char text[512];
    int used = snprintf(text, sizeof text, "%s: ", what);
    for (int i = 0; i < n; i++)
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "%s%s", i == 0 ? "" : ", ", names[i]);
    print_wrapped(text, 0, INDENT);
}

static void print_lists(const char *option)
{
    if (strcmp(option, "metrics") == 0) {
        print_names("about kernels", cfp_kernel_metric_names, CFP_KERNEL_METRIC_COUNT);
        print_names("about volumes", cfp_volume_metric_names, CFP_METRIC_COUNT);
    } else if (strcmp(option, "methods") == 0) {
        print_wrapped("explain: grad, asked as explain asks without --rule", 0, INDENT);
        print_names("a score for each kernel", cfp_score_names, CFP_SCORE_COUNT);
        print_names("a volume", cfp_volume_names, CFP_VOLUME_COUNT);
    }
}

static void help_command(const cfp_command *command)
{
    printf("cfp-gpu %s %s%s[options]\n\n", command->name, command->operands,
           *command->operands == '\0' ? "" : " ");
    print_wrapped(command->about, 0, 2);
    const char *group = "";
    if (*command->operands != '\0') {
        group = "Input";
        printf("\n%s\n", group);
        print_input(command);
    }
    for (int i = 0; i < cfp_n_options; i++) {
        const cfp_option *option = &cfp_options[i];
        if (!cfp_option_shown(option, command->bit))
            continue;
        if (strcmp(option->group, group) != 0)
            printf("\n%s\n", option->group);
        group = option->group;
        print_option(option);
        if (strcmp(option->name, "format") == 0)
            print_formats(command);
        if (command->bit == CFP_CMD_EVALUATE)
            print_lists(option->name);
    }
    printf("\nExamples\n");
    for (int i = 0; i < 2; i++)
        printf("  cfp-gpu %s\n", command->examples[i]);
}

/* --- one screen --- */

/* Prints the sentences of a text that begin within the first characters. */
static void print_beginning(const char *text)
{
    enum { ENOUGH = 150, ROOM = 512 };
    char part[ROOM];
    size_t length = 0;
    while (text[length] != '\0' && length < ENOUGH) {
        const char *stop = strstr(text + length, ". ");
        length = stop != NULL ? (size_t)(stop - text) + 2 : strlen(text);
    }
    snprintf(part, sizeof part, "%.*s", (int)length, text);
    print_within(part, 0, 2, SHORT_WIDTH);
}

static void print_brief_operand(const char *operands, const char *name, const char *brief)
{
    if (strstr(operands, name) == NULL)
        return;
    const int at = printf("  %s", name);
    print_within(brief, at, SHORT_INDENT, SHORT_WIDTH);
}

static void print_brief_option(const cfp_option *option, const char *brief)
{
    char text[256];
    const char *const shown = option->default_text;
    const size_t length = strlen(brief);
    const bool with_default = shown != NULL && brief[length - 1] != ']';
    snprintf(text, sizeof text, "%s%s%s%s", brief, with_default ? " [" : "",
             with_default ? shown : "", with_default ? "]" : "");
    int at = option->letter != 0 ? printf("  -%c, --%s", option->letter, option->name)
                                 : printf("  --%s", option->name);
    if (option->type == CFP_OPTION_CHOICE)
        at += printf(" WORD");
    else if (option->argument != NULL && strlen(option->argument) <= 10)
        at += printf(" %s", option->argument);
    else if (option->argument != NULL)
        at += printf(" X");
    print_within(text, at, SHORT_INDENT, SHORT_WIDTH);
}

/* The line about an option of a command; NULL: there is none. */
static const char *brief_of(const cfp_option *option, unsigned command)
{
    for (int i = 0; i < cfp_n_briefs; i++)
        if ((cfp_briefs[i].commands & command) && strcmp(cfp_briefs[i].option, option->name) == 0)
            return cfp_briefs[i].text;
    return NULL;
}

static void print_brief_options(const cfp_command *command)
{
    for (int b = 0; b < cfp_n_briefs; b++)
        for (int i = 0; i < cfp_n_options; i++)
            if ((cfp_briefs[b].commands & command->bit) &&
                cfp_option_shown(&cfp_options[i], command->bit) &&
                strcmp(cfp_options[i].name, cfp_briefs[b].option) == 0)
                print_brief_option(&cfp_options[i], cfp_briefs[b].text);
}

/* The names of the options that have no line of their own. */
static void print_more(const cfp_command *command)
{
    char text[1024] = "More: ";
    const size_t before = strlen(text);
    for (int i = 0; i < cfp_n_options; i++) {
        const size_t used = strlen(text);
        if (cfp_option_shown(&cfp_options[i], command->bit) &&
            brief_of(&cfp_options[i], command->bit) == NULL)
            snprintf(text + used, sizeof text - used, "--%s ", cfp_options[i].name);
    }
    if (strlen(text) > before)
        print_within(text, 0, 2, SHORT_WIDTH);
    printf("  cfp-gpu %s --help all describes every option\n", command->name);
}

static void help_short(const cfp_command *command)
{
    printf("cfp-gpu %s %s%s[options]\n\n", command->name, command->operands,
           *command->operands == '\0' ? "" : " ");
    print_beginning(command->about);
    printf("\n");
    print_brief_operand(command->operands, "MODEL", "a model file (.h5); tools/import-* make one");
    print_brief_operand(command->operands, "CLIP",
                        strstr(command->operands, "CLIP...") != NULL
                            ? "a video, a folder of frames or of clips, an array ..."
                            : "a video, a folder of frames, an array ...");
    print_brief_operand(command->operands, "LIST", "a list of clips, as data sets publish it");
    print_brief_operand(command->operands, "RUN.JSON", "of explain or contrast, or its folder");
    print_brief_operand(command->operands, "DIR", "a folder that explain has filled");
    print_brief_options(command);
    printf("\n");
    print_more(command);
    printf("\n");
    for (int i = 0; i < 2; i++) {
        printf("  cfp-gpu ");
        print_within(command->examples[i], 10, 10, SHORT_WIDTH);
    }
}

static void help_program(void)
{
    printf("cfp-gpu COMMAND [options]\n\n");
    print_within(cfp_about, 0, 2, SHORT_WIDTH);
    printf("\nCommands\n");
    for (int i = 0; i < cfp_n_commands; i++) {
        const int at = printf("  %-10s%-14s", cfp_commands[i].name, cfp_commands[i].operands);
        print_within(cfp_commands[i].summary, at, 28, SHORT_WIDTH);
    }
    printf("\n"
           "  help COMMAND, COMMAND --help   one screen; --help all: every option\n"
           "  --version, -V                  of the program and its libraries; --json too\n"
           "\n"
           "Exit status: 0 done; 1 it failed; 2 wrong usage; 130 interrupted\n"
           "\n"
           "  cfp-gpu explain weights/motion.h5 datasets/motion/clockwise.mp4 -o clockwise\n"
           "  cfp-gpu predict weights/motion.h5 datasets/motion/*.mp4 --top 3\n");
}

void cfp_help(const cfp_command *command, bool all)
{
    if (command == NULL)
        help_program();
    else if (all)
        help_command(command);
    else
        help_short(command);
}
