/* main.c - cfp-gpu: finds the command, runs it, turns its status into an exit status.
 *
 * Everything that belongs to a process rather than to the method is here: argv, signals, standard
 * output's health, the exit status.  What a command does reads straight down in cmd_NAME.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "commands.h"
#include "libraries.h"
#include "version.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* The one global: a signal handler has nothing else to write to. */
static volatile int interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* The first signal asks the run to end and clean up; a second one ends it at once.  Who started us
 * with a signal ignored (nohup, a shell's background) wants it to stay so. */
static void catch_signal(int number)
{
    struct sigaction before;
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

static int exit_status(cfp_status status)
{
    switch (status) {
    case CFP_OK:
        return EXIT_DONE;
    case CFP_USAGE:
        return EXIT_USAGE;
    case CFP_INTERRUPTED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_FAILED;
    }
}

static bool given(int argc, char **argv, const char *option)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], option) == 0)
            return true;
    return false;
}

static void print_version(bool json)
{
    const char *const before = json ? "{\"cfp_gpu\":\"" CFP_GPU_VERSION "\",\"libraries\":{"
                                    : "cfp-gpu " CFP_GPU_VERSION "\nbuilt with ";
    printf("%s", before);
    for (int i = 0; i < CFP_N_LIBRARIES; i++)
        printf(json ? "%s\"%s\":\"%s\"" : "%s%s %s",
               i == 0 ? ""
               : json ? ","
                      : ", ",
               cfp_libraries[i].name, cfp_libraries[i].version);
    printf("%s\n", json ? "}}" : "");
}

static const cfp_command *find_command(const char *name)
{
    for (int i = 0; i < cfp_n_commands; i++)
        if (strcmp(cfp_commands[i].name, name) == 0)
            return &cfp_commands[i];
    return NULL;
}

static cfp_status unknown_command(cfp_ctx *ctx, const char *name)
{
    static const char *const planned[] = {"evaluate", "batch", "contrast"};
    for (size_t i = 0; i < sizeof planned / sizeof *planned; i++)
        if (strcmp(name, planned[i]) == 0)
            return cfp_fail(ctx, CFP_USAGE, "%s: not in this version", name);
    if (name[0] == '-')
        return cfp_fail(ctx, CFP_USAGE, "%s: the command comes first; see cfp-gpu --help", name);
    const char *near = cfp_nearest(name, cfp_commands, cfp_n_commands, sizeof *cfp_commands);
    if (near != NULL)
        return cfp_fail(ctx, CFP_USAGE, "%s: unknown command; did you mean %s?", name, near);
    return cfp_fail(ctx, CFP_USAGE, "%s: unknown command; see cfp-gpu --help", name);
}

static cfp_status run_command(cfp_session *session)
{
    cfp_ctx *ctx = &session->ctx;
    cfp_config *config = &session->config;
    if (session->argc < 2)
        return cfp_fail(ctx, CFP_USAGE, "COMMAND: missing; see cfp-gpu --help");
    config->command = find_command(session->argv[1]);
    if (config->command == NULL)
        return unknown_command(ctx, session->argv[1]);
    CFP_TRY(cfp_options_parse(config, ctx, session->argc, session->argv));
    cfp_terminal_open(&session->terminal, (cfp_progress_mode)config->progress, config->quiet);
    return config->command->run(session);
}

/* What went to standard output is only written when it is flushed: a full disk shows here. */
static cfp_status flush_results(cfp_ctx *ctx)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CFP_OK;
    return cfp_fail(ctx, CFP_IO, "standard output: %s",
                    errno != 0 ? strerror(errno) : "write failed");
}

int main(int argc, char **argv)
{
    cfp_session session = {.argc = argc, .argv = argv};
    session.ctx = (cfp_ctx){.log = cfp_terminal_log,
                            .progress = cfp_terminal_progress,
                            .cookie = &session.terminal,
                            .interrupted = &interrupted};
    const bool asks_help = given(argc, argv, "--help") || given(argc, argv, "-h");
    cfp_status status = CFP_OK;
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a failed write, like a full disk */
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGHUP); /* a terminal that goes away must leave no half-written file either */
    if (asks_help)
        cfp_help(find_command(argv[1]));
    else if (given(argc, argv, "--version"))
        print_version(given(argc, argv, "--json"));
    else
        status = run_command(&session);
    cfp_terminal_clear(&session.terminal);
    if (status == CFP_OK) /* else the message says already what went wrong */
        status = flush_results(&session.ctx);
    if (status != CFP_OK && session.ctx.message[0] != '\0')
        cfp_terminal_error(&session.terminal, session.ctx.message);
    cfp_session_close(&session);
    return exit_status(status);
}
