/* list_process.h - what a process sets up that works through a whole list. */
#pragma once

/* To be called first, by the command `batch`.  May start the program again in this process, with
 * the same arguments: OpenMP reads its environment only when it is loaded. */
void cfp_list_process_begin(char **argv);
