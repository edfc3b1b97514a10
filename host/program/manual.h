/* manual.h - man pages and shell completions, written from the tables of commands and options.
 *
 * The build runs cfp-manual (manual.c), which writes them; cmake --install installs them.  A new
 * command or option needs no change here. */
#pragma once
#include "commands.h"

/* Writes the words that an option accepts as its value, separated by spaces, into out[bytes]; ""
 * if there is no list of them. */
void manual_words(char *out, size_t bytes, const cfp_option *option);
/* True if the value may be a file or a folder. */
bool manual_takes_path(const cfp_option *option);
/* True if the value is a list of words, separated by commas. */
bool manual_takes_list(const cfp_option *option);

/* Write the page of the program, cfp-gpu(1), and the page of one command. */
void manual_page(FILE *file);
void manual_page_of(FILE *file, const cfp_command *command);

void manual_bash(FILE *file);
void manual_zsh(FILE *file);
void manual_fish(FILE *file);
