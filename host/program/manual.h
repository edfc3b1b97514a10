/* manual.h - man pages and shell completions, written from the tables of commands and options.
 *
 * A program of the build, cfp-manual (manual.c), writes them; cmake --install puts them down.  A
 * new command or option needs nothing here. */
#pragma once
#include "commands.h"

/* The words that may stand for an option's value, with blanks between: "" where there is no list
 * of them.  `bytes` of out. */
void manual_words(char *out, size_t bytes, const cfp_option *option);
/* The value may be a file or a folder. */
bool manual_takes_path(const cfp_option *option);
/* The words may be put together, with commas between. */
bool manual_takes_list(const cfp_option *option);

/* cfp-gpu(1), and the page of one command. */
void manual_page(FILE *file);
void manual_page_of(FILE *file, const cfp_command *command);

void manual_bash(FILE *file);
void manual_zsh(FILE *file);
void manual_fish(FILE *file);
