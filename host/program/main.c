/* main.c - cfp-gpu: finds the command, runs it, turns its status into an exit status.
 *
 * Everything that belongs to a process rather than to the method is here: argv, signals, standard
 * output's health, the exit status.  What a command does reads straight down in cmd_NAME.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../files/versions.h"
#include "commands.h"
#include "crash.h"
#include "helper_process.h"
#include "interrupt.h"
#include "libraries.h"
#include "list_process.h"
#include "version.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

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

/* If the caller closed a standard stream, the next file that is opened would get its number, and
 * messages would be written into that file.  So /dev/null takes its place.  Standard output is
 * opened for reading only: results that cannot be written are an error. */
static void hold_standard_streams(void)
{
    static const int how[] = {O_WRONLY, O_RDONLY, O_WRONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", how[fd]) != fd)
            _exit(EXIT_FAILED); /* without /dev/null no file can be opened safely */
}

static bool given(int argc, char **argv, const char *option)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], option) == 0)
            return true;
    return false;
}

static bool asks_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
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

/* Must be called before any other function of HDF5.  HDF5 loads code that environment variables
 * name, and prints errors by itself, already when it starts: both are turned off. */
static cfp_status begin_hdf5(cfp_ctx *ctx)
{
    static const char *const names[] = {"HDF5_PLUGIN_PATH", "HDF5_VOL_CONNECTOR", "HDF5_DRIVER",
                                        "HDF5_DRIVER_CONFIG", "HDF5_DEBUG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    return cfp_h5_begin() ? CFP_OK : cfp_fail(ctx, CFP_NOMEM, "out of memory: HDF5 cannot start");
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
    if (name[0] == '-')
        return cfp_fail(ctx, CFP_USAGE, "%s: the command comes first; see cfp-gpu --help", name);
    const char *near = cfp_nearest(name, cfp_commands, cfp_n_commands, sizeof *cfp_commands);
    if (near != NULL)
        return cfp_fail(ctx, CFP_USAGE, "%s: unknown command; did you mean %s?", name, near);
    return cfp_fail(ctx, CFP_USAGE, "%s: unknown command; see cfp-gpu --help", name);
}

/* For `help [COMMAND] [all]`, `--help [COMMAND] [all]` and `COMMAND ... --help [all]`. */
static cfp_status show_help(cfp_ctx *ctx, int argc, char **argv)
{
    const bool first = asks_help(argv[1]);
    const int named = first ? 2 : 1; /* where the command stands */
    const cfp_command *command = NULL;
    bool all = false;
    for (int i = 2; i < argc; i++)
        all |= (asks_help(argv[i - 1]) || (first && i == 3)) && strcmp(argv[i], "all") == 0;
    if (named < argc && argv[named][0] != '-' && strcmp(argv[named], "all") != 0 &&
        (command = find_command(argv[named])) == NULL)
        return unknown_command(ctx, argv[named]);
    cfp_help(command, all);
    return CFP_OK;
}

/* Some options are accepted everywhere, so that a script can give them to every command. */
static void tell_of_useless_options(cfp_session *session)
{
    const cfp_config *config = &session->config;
    for (int i = 0; i < cfp_n_options; i++)
        if (config->given[i] && (cfp_options[i].ignoring & config->command->bit))
            cfp_log(&session->ctx, CFP_LOG_INFO, "--%s: has no effect on %s", cfp_options[i].name,
                    config->command->name);
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
    const bool again = config->command->bit == CFP_CMD_RERUN;
    if (again) {
        CFP_TRY(cfp_rerun_prepare(session));
        config->command = find_command(session->argv[1]);
    }
    CFP_TRY(cfp_options_parse(config, ctx, session->argc, session->argv));
    if (again)
        CFP_TRY(cfp_rerun_check(session));
    ctx->max_memory = config->max_memory;
    CFP_TRY(begin_hdf5(ctx));
    cfp_terminal_open(&session->terminal, (cfp_progress_mode)config->progress, config->quiet);
    tell_of_useless_options(session);
    return config->command->run(session);
}

/* Standard output is buffered, so an error such as a full disk may only show when it is flushed. */
static cfp_status flush_results(cfp_ctx *ctx, cfp_status status)
{
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || status != CFP_OK) /* another error goes first */
        return status;
    CFP_TRY(cfp_check_interrupt(ctx)); /* the write may have failed because a signal came */
    return cfp_fail(ctx, CFP_IO, "standard output: %s",
                    errno != 0 ? strerror(errno) : "write failed");
}

int main(int argc, char **argv)
{
    cfp_session session = {.argc = argc, .argv = argv};
    session.ctx = (cfp_ctx){.log = cfp_terminal_log,
                            .progress = cfp_terminal_progress,
                            .cookie = &session.terminal,
                            .partial = cfp_interrupt_partial,
                            .interrupted = cfp_interrupt_flag()};
    hold_standard_streams();
    if (argc == 3 && cfp_helper_process(argv[1], argv[2]))
        return EXIT_DONE;
    if (argc > 2 && strcmp(argv[1], "batch") == 0)
        cfp_list_process_begin(argv);
    cfp_crash_begin();
    const bool wants_help = given(argc, argv, "--help") || given(argc, argv, "-h") ||
                            (argc > 1 && strcmp(argv[1], "help") == 0);
    cfp_status status = CFP_OK;
    signal(SIGPIPE, SIG_IGN); /* so that a closed pipe is a failed write, which is reported */
    signal(SIGXFSZ, SIG_IGN); /* so that a limit on the size of files is a failed write */
    cfp_interrupt_catch();
    if (wants_help)
        status = show_help(&session.ctx, argc, argv);
    else if (given(argc, argv, "--version") || given(argc, argv, "-V"))
        print_version(given(argc, argv, "--json"));
    else
        status = run_command(&session);
    cfp_terminal_clear(&session.terminal);
    status = flush_results(&session.ctx, status);
    if (status != CFP_OK && session.ctx.message[0] != '\0')
        cfp_terminal_error(&session.terminal, session.ctx.message);
    cfp_interrupt_said();
    cfp_crash_end(exit_status(status));
    cfp_session_close(&session);
    return exit_status(status);
}
