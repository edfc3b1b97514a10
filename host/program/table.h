/* table.h - the table that a command writes (sweep, evaluate).  It goes to --csv FILE, else to
 * standard output.  With --json it goes to standard output as JSON, and also to FILE if --csv is
 * given.
 *
 * If the command stops early, the complete rows are kept (csv.h), and its message says where. */
#pragma once
#include "../files/csv.h"
#include "commands.h"

typedef struct cfp_table {
    cfp_session *session;
    cfp_csv csv; /* ctx NULL: no CSV is written */
    cfp_json json;
} cfp_table;

/* CFP_USAGE if the file that an option names is the model or a clip, which it would overwrite. path
 * NULL: CFP_OK. */
CFP_CHECKED cfp_status cfp_session_spare_inputs(cfp_session *session, const char *option,
                                                const char *path);

CFP_CHECKED cfp_status cfp_table_open(cfp_table *table, cfp_session *session);
/* Begins the array of rows in JSON; NULL without --json. */
cfp_json *cfp_table_begin(cfp_table *table);
CFP_CHECKED cfp_status cfp_table_end(cfp_table *table);
/* Gives the file its final name, and logs how many rows it has. */
CFP_CHECKED cfp_status cfp_table_commit(cfp_table *table, int64_t rows);
/* True if no more rows can be written. */
bool cfp_table_is_broken(const cfp_table *table);
/* status: how the command ended.  If it failed, the rows so far are kept.  Accepts {0}. */
void cfp_table_close(cfp_table *table, cfp_status status);

/* Write a field of the current row to csv and to json; either may be NULL.  NULL, -1 and NaN give
 * an empty field in CSV and null in JSON.  Numbers have the same digits in both. */
void cfp_put_text(cfp_csv *csv, cfp_json *json, const char *key, const char *text);
void cfp_put_int(cfp_csv *csv, cfp_json *json, const char *key, int64_t value);
void cfp_put_number(cfp_csv *csv, cfp_json *json, const char *key, double value);
