/* manual_shells.c - completions for bash, zsh and fish: commands, options, words for values.
 *
 * Each shell gets a file in its own language.  It has all words in it, so that the shell need not
 * run cfp-gpu while the user types. */
#include "manual.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { WORDS = 512 };

static void add(char *out, size_t bytes, const char *word, size_t length)
{
    const size_t used = strlen(out);
    snprintf(out + used, bytes - used, "%s%.*s", used == 0 ? "" : " ", (int)length, word);
}

/* Adds the words in lower case, such as auto and cuda of "auto|cuda[:N]|CLIP". */
static void add_parts(char *out, size_t bytes, const char *argument)
{
    for (const char *part = argument; *part != '\0';) {
        const size_t length = strcspn(part, "|"), word = strcspn(part, "|[");
        if (islower((unsigned char)*part))
            add(out, bytes, part, word);
        part += length + (part[length] == '|');
    }
}

static void add_choices(char *out, size_t bytes, const cfp_option *option)
{
    for (int i = 0; i < option->n_choices; i++)
        add(out, bytes, option->choice[i], strlen(option->choice[i]));
}

/* The option of that name that takes a single word: sweep takes lists of such words. */
static const cfp_option *single_of(const cfp_option *list)
{
    for (int i = 0; i < cfp_n_options; i++)
        if (cfp_options[i].n_choices > 0 && strcmp(cfp_options[i].name, list->name) == 0)
            return &cfp_options[i];
    return list;
}

void manual_words(char *out, size_t bytes, const cfp_option *option)
{
    out[0] = '\0';
    add_choices(out, bytes, manual_takes_list(option) ? single_of(option) : option);
    if (option->word != NULL)
        add(out, bytes, option->word, strlen(option->word));
    if (option->type == CFP_OPTION_TEXT && option->argument != NULL)
        add_parts(out, bytes, option->argument);
    if (strcmp(option->name, "format") == 0 && option->type == CFP_OPTION_TEXT)
        for (int i = 0; cfp_writers[i] != NULL; i++)
            add(out, bytes, cfp_writers[i]->format, strlen(cfp_writers[i]->format));
}

bool manual_takes_list(const cfp_option *option)
{
    return option->type == CFP_OPTION_TEXT && option->argument != NULL &&
           strstr(option->argument, "LIST") != NULL;
}

bool manual_takes_path(const cfp_option *option)
{
    static const char *const paths[] = {"FILE", "DIR", "CLIP", "FOLDER", "MODEL", "PATH"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths && option->argument != NULL; i++)
        if (strstr(option->argument, paths[i]) != NULL)
            return true;
    return false;
}

/* Writes the first sentence of a help text, which shells show beside the option; a long one is cut.
 * Each character of `escape` gets a backslash; a single quote is replaced by `quote`. */
static void put_brief(FILE *file, const char *help, const char *escape, const char *quote)
{
    enum { MAX_LENGTH = 72 };
    const char *const sentence = strstr(help, ". "), *const default_at = strstr(help, " [default");
    size_t length = strlen(help);
    if (sentence != NULL)
        length = (size_t)(sentence - help);
    if (default_at != NULL && default_at < help + length)
        length = (size_t)(default_at - help);
    const bool cut = length > MAX_LENGTH;
    for (length = cut ? MAX_LENGTH : length; cut && length > 0 && help[length] != ' ';)
        length--;
    for (; cut && length > 0 && ispunct((unsigned char)help[length - 1]);)
        length--;
    for (size_t i = 0; i < length; i++) {
        if (strchr(escape, help[i]) != NULL)
            fputc('\\', file);
        if (help[i] == '\'')
            fputs(quote, file);
        else
            fputc(help[i], file);
    }
    fputs(cut ? " ..." : "", file);
}

/* --- bash --- */

static void bash_value(FILE *file, const cfp_option *option)
{
    char words[WORDS];
    manual_words(words, sizeof words, option);
    fprintf(file, "        --%s", option->name);
    if (option->letter != 0)
        fprintf(file, " | -%c", option->letter);
    fprintf(file, ") values='%s'; kind=%s ;;\n", words,
            manual_takes_path(option)   ? "path"
            : manual_takes_list(option) ? "list"
                                        : "word");
}

static void bash_command(FILE *file, const cfp_command *command)
{
    fprintf(file, "    %s)\n        options='--help", command->name);
    for (int i = 0; i < cfp_n_options; i++)
        if (cfp_option_shown(&cfp_options[i], command->bit)) {
            fprintf(file, " --%s", cfp_options[i].name);
            if (cfp_options[i].letter != 0)
                fprintf(file, " -%c", cfp_options[i].letter);
        }
    fprintf(file, "'\n        operands=%s\n        case $before in\n",
            *command->operands == '\0' ? "none" : "path");
    for (int i = 0; i < cfp_n_options; i++)
        if (cfp_option_shown(&cfp_options[i], command->bit) &&
            cfp_options[i].type != CFP_OPTION_FLAG)
            bash_value(file, &cfp_options[i]);
    fprintf(file, "        esac\n        ;;\n");
}

void manual_bash(FILE *file)
{
    fputs("# bash completion for cfp-gpu; made from its tables of commands and options\n"
          "_cfp_gpu() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local options='' values='' kind='' operands=path known=''\n"
          "    COMPREPLY=()\n"
          "    # bash takes --rule=grad apart at the sign\n"
          "    if [ \"$word\" = '=' ]; then\n"
          "        word=''\n"
          "    elif [ \"$before\" = '=' ] && [ \"$COMP_CWORD\" -ge 2 ]; then\n"
          "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    fi\n"
          "    if [ \"$COMP_CWORD\" -le 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '--help --version",
          file);
    for (int i = 0; i < cfp_n_commands; i++)
        fprintf(file, " %s", cfp_commands[i].name);
    fputs("' -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    case ${COMP_WORDS[1]} in\n",
          file);
    for (int i = 0; i < cfp_n_commands; i++)
        bash_command(file, &cfp_commands[i]);
    fputs("    *) return ;;\n"
          "    esac\n"
          "    case $kind in\n"
          "    list) # the last word of those between commas\n"
          "        [[ $word != *,* ]] || known=${word%,*},\n"
          "        COMPREPLY=($(compgen -P \"$known\" -W \"$values\" -- \"${word##*,}\"))\n"
          "        ;;\n"
          "    path) COMPREPLY=($(compgen -W \"$values\" -- \"$word\") $(compgen -f -- \"$word\")) "
          ";;\n"
          "    word) COMPREPLY=($(compgen -W \"$values\" -- \"$word\")) ;;\n"
          "    *)\n"
          "        if [[ $word == -* ]]; then\n"
          "            COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
          "        elif [ \"$operands\" = path ]; then\n"
          "            COMPREPLY=($(compgen -f -- \"$word\"))\n"
          "        fi\n"
          "        ;;\n"
          "    esac\n"
          "}\n"
          "complete -o filenames -F _cfp_gpu cfp-gpu\n",
          file);
}

/* --- zsh --- */

static const char zsh_quote[] = "'\\''";

static void zsh_option(FILE *file, const cfp_option *option)
{
    char words[WORDS];
    const bool flag = option->type == CFP_OPTION_FLAG;
    manual_words(words, sizeof words, option);
    if (option->letter != 0)
        fprintf(file, "            '(-%c --%s)'{-%c%s,--%s%s}'[", option->letter, option->name,
                option->letter, flag ? "" : "+", option->name, flag ? "" : "=");
    else
        fprintf(file, "            '--%s%s[", option->name, flag ? "" : "=");
    put_brief(file, option->help, "[]:\\", zsh_quote);
    fputc(']', file);
    if (flag)
        ;
    else if (manual_takes_list(option) && words[0] != '\0')
        fprintf(file, ":value:_values -s , value %s", words);
    else if (manual_takes_path(option))
        fprintf(file, ":value:_files");
    else
        fprintf(file, ":value:(%s)", words);
    fprintf(file, "' \\\n");
}

static void zsh_command(FILE *file, const cfp_command *command)
{
    fprintf(file, "    %s)\n        _arguments -s \\\n", command->name);
    for (int i = 0; i < cfp_n_options; i++)
        if (cfp_option_shown(&cfp_options[i], command->bit))
            zsh_option(file, &cfp_options[i]);
    fprintf(file, "            '--help[what the command does, and its options]'%s\n        ;;\n",
            *command->operands == '\0' ? "" : " \\\n            '*:file:_files'");
}

void manual_zsh(FILE *file)
{
    fputs("#compdef cfp-gpu\n"
          "# zsh completion for cfp-gpu; made from its tables of commands and options\n"
          "_cfp_gpu() {\n"
          "    local -a commands\n"
          "    commands=(\n",
          file);
    for (int i = 0; i < cfp_n_commands; i++) {
        fprintf(file, "        '%s:", cfp_commands[i].name);
        put_brief(file, cfp_commands[i].summary, ":\\", zsh_quote);
        fputs("'\n", file);
    }
    fputs("        '--help:commands and examples'\n"
          "        '--version:version of the program and its libraries'\n"
          "    )\n"
          "    if ((CURRENT == 2)); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    shift words\n"
          "    ((CURRENT--))\n"
          "    case $words[1] in\n",
          file);
    for (int i = 0; i < cfp_n_commands; i++)
        zsh_command(file, &cfp_commands[i]);
    fputs("    esac\n"
          "}\n"
          "_cfp_gpu \"$@\"\n",
          file);
}

/* --- fish --- */

static const char fish_quote[] = "\\'";

static void fish_option(FILE *file, const cfp_command *command, const cfp_option *option)
{
    char words[WORDS];
    manual_words(words, sizeof words, option);
    fprintf(file, "complete -c cfp-gpu -n '__fish_seen_subcommand_from %s' -l %s", command->name,
            option->name);
    if (option->letter != 0)
        fprintf(file, " -s %c", option->letter);
    if (option->type != CFP_OPTION_FLAG)
        fputs(manual_takes_path(option) ? " -r -F" : " -x", file);
    if (words[0] != '\0' && manual_takes_list(option))
        fprintf(file, " -a '(__fish_append , %s)'", words);
    else if (words[0] != '\0')
        fprintf(file, " -a '%s'", words);
    fputs(" -d '", file);
    put_brief(file, option->help, "\\", fish_quote);
    fputs("'\n", file);
}

void manual_fish(FILE *file)
{
    fputs("# fish completion for cfp-gpu; made from its tables of commands and options\n", file);
    for (int i = 0; i < cfp_n_commands; i++) {
        fprintf(file, "complete -c cfp-gpu -f -n __fish_use_subcommand -a %s -d '",
                cfp_commands[i].name);
        put_brief(file, cfp_commands[i].summary, "\\", fish_quote);
        fputs("'\n", file);
    }
    fputs("complete -c cfp-gpu -l help -s h -d 'what a command does, and its options'\n"
          "complete -c cfp-gpu -f -n __fish_use_subcommand -l version -d 'version of the program "
          "and its libraries'\n",
          file);
    for (int i = 0; i < cfp_n_commands; i++)
        for (int k = 0; k < cfp_n_options; k++)
            if (cfp_option_shown(&cfp_options[k], cfp_commands[i].bit))
                fish_option(file, &cfp_commands[i], &cfp_options[k]);
}
