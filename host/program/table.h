/* table.h - where the rows of a command go (sweep, evaluate): --csv FILE, else standard output; or
 * with --json standard output as JSON, and FILE besides where it is given.
 *
 * A run that breaks off leaves whole rows (csv.h), and its message says where. */
#pragma once
#include "../write/csv.h"
#include "commands.h"

typedef struct cfp_table {
    cfp_session *session;
    cfp_csv csv; /* ctx NULL: there is none */
    cfp_json json;
} cfp_table;

/* Files that are written must not take the place of what is read.  path NULL: CFP_OK. */
CFP_CHECKED cfp_status cfp_session_spare_inputs(cfp_session *session, const char *option,
                                                const char *path);

CFP_CHECKED cfp_status cfp_table_open(cfp_table *table, cfp_session *session);
/* The array of rows begins, and ends; NULL without --json. */
cfp_json *cfp_table_begin(cfp_table *table);
CFP_CHECKED cfp_status cfp_table_end(cfp_table *table);
/* The file gets its name, and the log says how many rows it has. */
CFP_CHECKED cfp_status cfp_table_commit(cfp_table *table, int64_t rows);
/* No row can be written any more. */
bool cfp_table_is_broken(const cfp_table *table);
/* status: how the run ended; where it failed, what is there of a file is kept.  Accepts {0}. */
void cfp_table_close(cfp_table *table, cfp_status status);

/* A field of the row at hand, in whichever of the two is not NULL.  NULL, -1 and NaN are an empty
 * field, and null.  Numbers have the same digits in both. */
void cfp_put_text(cfp_csv *csv, cfp_json *json, const char *key, const char *text);
void cfp_put_int(cfp_csv *csv, cfp_json *json, const char *key, int64_t value);
void cfp_put_number(cfp_csv *csv, cfp_json *json, const char *key, double value);
