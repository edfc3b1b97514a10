/* session_threads.c - how many threads a command runs on: --threads, or what the machine has. */
#include <string.h>
#include "../base/threads.h"
#include "commands.h"

cfp_status cfp_session_choose_threads(cfp_session *session)
{
    const int asked = (int)session->config.threads;
    const int wanted = asked > 0 ? asked : cfp_usable_threads();
    int error;
    session->threads = cfp_threads_that_start(wanted, &error);
    if (session->threads == wanted)
        return CFP_OK;
    if (asked > 0)
        return cfp_fail(&session->ctx, CFP_NOMEM, "--threads: %d: only %d can be started: %s",
                        asked, session->threads, strerror(error));
    cfp_log(&session->ctx, CFP_LOG_WARNING, "%d threads instead of %d: no more can be started: %s",
            session->threads, wanted, strerror(error));
    return CFP_OK;
}
