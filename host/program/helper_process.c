/* helper_process.c - see helper_process.h. */
#include "helper_process.h"
#include "../batch/decoder.h"
#include "../batch/packer.h"
#include "../files/versions.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MEMORY_FD = 3 };

bool cfp_helper_process(const char *word, const char *parent)
{
    const bool decodes = strcmp(word, CFP_HELPER_DECODES) == 0;
    const struct rlimit no_core = {0};
    if (!decodes && strcmp(word, CFP_HELPER_PACKS) != 0)
        return false;
    /* A terminal sends Ctrl-C to this process too; batch decides what becomes of it.  It ends with
     * the thread that started it, even while it waits for a file. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != atoi(parent)) /* it has died already */
        return true;
    setrlimit(RLIMIT_CORE, &no_core); /* crashes are expected here */
    if (!cfp_h5_begin())
        return true;
    if (decodes)
        cfp_decoder_serve(STDIN_FILENO, MEMORY_FD);
    else
        cfp_pack_serve(STDIN_FILENO);
    return true;
}
