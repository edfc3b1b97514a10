/* test_clip_sources.c - checks every source of clips but video: what it reads, what it refuses, and
 * the messages. */
#include "../host/base/hash.h"
#include "../host/clip/npy_header.h"
#include "clip_files.h"
#include <hdf5.h>
#include <sqlite3.h>

static void npy_headers_are_read(void)
{
    static const char *const good[] = {
        NPY("'|u1'", "False", "(4, 2, 2, 3)"),
        "{'shape':(4,2,2,3),'fortran_order':False,'descr':'<u1'}",
        "{\"descr\": \"|u1\", \"shape\": (4L, 2L, 2L, 3L), \"fortran_order\": False}\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        for (int version = 1; version <= 3; version++) {
            cfp_ctx ctx = {0};
            int level[4] = {0};
            write_npy("good.npy", version, good[i], 4);
            CHECK_EQ(levels_of(level, &ctx, "good.npy", 4), CFP_OK);
            CHECK_STR(ctx.message, "");
            for (int k = 0; k < 4; k++)
                CHECK_EQ(level[k], k);
        }
}

static void broken_npy_files_are_refused(void)
{
    static const struct {
        const char *header;
        cfp_status status;
        const char *words;
    } bad[] = {
        {NPY("'<f4'", "False", "(4, 2, 2, 3)"), CFP_UNSUPPORTED, "'<f4'"},
        {NPY("'|i1'", "False", "(4, 2, 2, 3)"), CFP_UNSUPPORTED, "'|i1'"},
        {NPY("'|u1x'", "False", "(4, 2, 2, 3)"), CFP_UNSUPPORTED, "type"},
        {NPY("[('a', '|u1'), ('b', '|u1')]", "False", "(4, 2, 2, 3)"), CFP_UNSUPPORTED, "record"},
        {NPY("'|u1'", "True", "(4, 2, 2, 3)"), CFP_UNSUPPORTED, "Fortran"},
        {NPY("'|u1'", "Maybe", "(4, 2, 2, 3)"), CFP_FORMAT, "fortran_order"},
        {NPY("'|u1'", "False", "(4, 2, 2)"), CFP_SHAPE, "(4, 2, 2)"},
        {NPY("'|u1'", "False", "(4, 3, 2, 2)"), CFP_SHAPE, "(4, 3, 2, 2)"},
        {NPY("'|u1'", "False", "()"), CFP_SHAPE, "()"},
        {NPY("'|u1'", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)"), CFP_SHAPE, "shape"},
        {NPY("'|u1'", "False", "(0, 2, 2, 3)"), CFP_FORMAT, "empty"},
        {NPY("'|u1'", "False", "(4, -2, 2, 3)"), CFP_FORMAT, "shape"},
        {NPY("'|u1'", "False", "(4 2 2 3)"), CFP_FORMAT, "shape"},
        {NPY("'|u1'", "False", "4"), CFP_FORMAT, "shape"},
        {NPY("'|u1'", "False", "(4, 2, 2, 3"), CFP_FORMAT, "shape"},
        {NPY("'|u1'", "False", "(5, 2, 2, 3)"), CFP_FORMAT, "truncated"},
        {NPY("'|u1'", "False", "(2147483647, 65536, 2048, 3)"), CFP_FORMAT, "truncated"},
        {NPY("'|u1'", "False", "(4, 65536, 65536, 3)"), CFP_FORMAT, "larger"},
        {NPY("'|u1'", "False", "(4, 2, 99999999999999999999999999, 3)"), CFP_FORMAT, "larger"},
        {NPY("'|u1'", "False", "(9999999999, 2, 2, 3)"), CFP_FORMAT, "larger"},
        {NPY("'|u1", "False", "(4, 2, 2, 3)"), CFP_FORMAT, "broken header"},
        {NPY("u1", "False", "(4, 2, 2, 3)"), CFP_FORMAT, "descr"},
        {"{'descr': '|u1', 'fortran_order': False, }", CFP_FORMAT, "missing"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 2, 2, 3)", CFP_FORMAT, "not end"},
        {"{'descr': '|u1', 'order': False, 'shape': (4, 2, 2, 3)}", CFP_FORMAT, "key"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 2, 2, 3)} 1", CFP_FORMAT,
         "follows"},
        {"[1]", CFP_FORMAT, "dictionary"},
        {"", CFP_FORMAT, "dictionary"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_npy("bad.npy", 1, bad[i].header, 4);
        check_refusal("bad.npy", bad[i].status, bad[i].words);
    }
    write_file("bad.npy", "PK\3\4 this is a zip", 19);
    check_refusal("bad.npy", CFP_FORMAT, "not an .npy file");
    write_file("bad.npy", "\x93NUMPY\4\0\0\0", 10);
    check_refusal("bad.npy", CFP_UNSUPPORTED, "version 4.0");
    write_file("bad.npy", "\x93NUMPY\1\0\x80\0{'descr", 17);
    check_refusal("bad.npy", CFP_FORMAT, "truncated");
    write_file("bad.npy", "\x93NUMPY\2\0\xff\xff\xff\xff", 12);
    check_refusal("bad.npy", CFP_FORMAT, "broken header");
    write_file("bad.npy", "\x93NUMPY\1\0\4\0{\0\0}", 14);
    check_refusal("bad.npy", CFP_FORMAT, "zero byte");
    write_file("bad.npy", "\x93NUMPY\1", 7);
    check_refusal("bad.npy", CFP_FORMAT, "bad.npy");
    write_file("bad.npy", "", 0);
    check_refusal("bad.npy", CFP_FORMAT, "empty");
}

/* Every byte of a header replaced by every byte, and every cut: an answer, never a crash. */
static void damaged_npy_headers_do_no_harm(void)
{
    static const char header[] = NPY("'|u1'", "False", "(4, 2, 2, 3)");
    int good = 0;
    for (size_t at = 0; at < sizeof header - 1; at++)
        for (int value = 0; value < 256; value++) {
            char text[sizeof header];
            memcpy(text, header, sizeof text);
            text[at] = (char)value;
            cfp_npy_header parsed;
            good += cfp_npy_parse(&parsed, text);
            CHECK(parsed.wrong != NULL && memchr(parsed.descr, 0, sizeof parsed.descr) != NULL);
        }
    CHECK(good > 0);
    for (size_t length = 0; length < sizeof header - 4; length++) {
        char text[sizeof header] = "";
        memcpy(text, header, length);
        cfp_npy_header parsed;
        CHECK(!cfp_npy_parse(&parsed, text));
    }
}

static void folders_are_read_in_the_order_of_numbers(void)
{
    mkdir("frames", 0777);
    write_ppm("frames/frame_10.ppm", 100);
    write_ppm("frames/frame_2.ppm", 20);
    write_ppm("frames/frame_1.PPM", 10);
    write_ppm("frames/frame_0300.ppm", 200);
    write_ppm("frames/poster.ppm", 1);    /* no number */
    write_ppm("frames/._frame_3.ppm", 1); /* hidden */
    write_file("frames/notes_4.txt", "text", 4);
    cfp_ctx ctx = {0};
    int level[4] = {0};
    CHECK_EQ(levels_of(level, &ctx, "frames", 4), CFP_OK);
    CHECK_EQ(level[0], 10);
    CHECK_EQ(level[1], 20);
    CHECK_EQ(level[2], 100);
    CHECK_EQ(level[3], 200);
    CHECK_EQ(levels_of(level, &ctx, "frames/", 4), CFP_OK);

    write_ppm("frames/flow_x_0010.ppm", 1);
    check_refusal("frames", CFP_FORMAT, "'flow_x_0010.ppm' and 'frame_10.ppm'");
    remove("frames/flow_x_0010.ppm");

    write_file("frames/frame_2.ppm", "<html>", 6);
    check_refusal("frames", CFP_FORMAT, "frames/frame_2.ppm: not an image");
    write_file("frames/frame_2.ppm", "", 0);
    check_refusal("frames", CFP_FORMAT, "frames/frame_2.ppm: not an image");
    write_file("frames/frame_2.ppm", "P6\n60000 60000\n255\n1234", 23);
    check_refusal("frames", CFP_FORMAT, "frames/frame_2.ppm: cannot be decoded");
    write_ppm("frames/frame_2.ppm", 20);

    mkdir("nothing", 0777);
    check_refusal("nothing", CFP_FORMAT, "no frame images");
    write_ppm("nothing/poster.ppm", 1);
    check_refusal("nothing", CFP_FORMAT, "no frame images");
    check_refusal("absent", CFP_IO, "No such file");
}

static void write_h5(const char *path, const char *name, hid_t type, int rank, const hsize_t *size)
{
    static const uint8_t data[] = {10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 20, 20, 20, 20,
                                   20, 20, 20, 20, 20, 20, 20, 20, 30, 30, 30, 30, 30, 30, 30, 30,
                                   30, 30, 30, 30, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40};
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(rank, size, NULL);
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hsize_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= size[i];
    CHECK(file >= 0 && space >= 0 && set >= 0);
    if (count == sizeof data)
        CHECK(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Fclose(file);
}

static void hdf5_clips_are_read(void)
{
    cfp_ctx ctx = {0};
    int level[4] = {0};
    write_h5("clip.h5", "frames", H5T_STD_U8LE, 4, (hsize_t[]){4, 2, 2, 3});
    CHECK_EQ(levels_of(level, &ctx, "clip.h5", 4), CFP_OK);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(level[i], 10 * (i + 1));

    write_h5("bad.h5", "frames", H5T_STD_I8LE, 4, (hsize_t[]){4, 2, 2, 3});
    check_refusal("bad.h5", CFP_UNSUPPORTED, "uint8");
    write_h5("bad.h5", "frames", H5T_IEEE_F32LE, 4, (hsize_t[]){4, 2, 2, 3});
    check_refusal("bad.h5", CFP_UNSUPPORTED, "uint8");
    write_h5("bad.h5", "frames", H5T_STD_U8LE, 3, (hsize_t[]){4, 4, 3});
    check_refusal("bad.h5", CFP_SHAPE, "3 axes");
    write_h5("bad.h5", "frames", H5T_STD_U8LE, 4, (hsize_t[]){4, 3, 2, 2});
    check_refusal("bad.h5", CFP_SHAPE, "not 3");
    write_h5("bad.h5", "frames", H5T_STD_U8LE, 4, (hsize_t[]){0, 2, 2, 3});
    check_refusal("bad.h5", CFP_FORMAT, "empty");
    write_h5("bad.h5", "graph", H5T_STD_U8LE, 4, (hsize_t[]){4, 2, 2, 3});
    check_refusal("bad.h5", CFP_FORMAT, "this is a model");
    write_h5("bad.h5", "other", H5T_STD_U8LE, 4, (hsize_t[]){4, 2, 2, 3});
    check_refusal("bad.h5", CFP_FORMAT, "no dataset /frames");
    write_file("bad.h5", "\x89HDF\r\n\x1a\n and no more", 20);
    check_refusal("bad.h5", CFP_FORMAT, "not an HDF5 file");
}

/* A clip of `frames` x 2 x 1 x 2 with bytes 0, 1, 2 ...: u of pixel p of frame t is 4t + 2p, v is
 * one more.  It is not resized. */
static void flow_is(const char *path)
{
    cfp_ctx ctx = {0};
    cfp_clip clip;
    cfp_input_spec spec = spec_of(3, 2, 1, 0);
    spec.channels = 2;
    CHECK_EQ(cfp_clip_open(&clip, &ctx, path, &spec, &(cfp_sampling){.start = 1}), CFP_OK);
    CHECK_STR(ctx.message, "");
    for (int i = 0; clip.rgb != NULL && i < 6; i++) {
        CHECK_EQ(clip.rgb[3 * i], 4 + 2 * i);
        CHECK_EQ(clip.rgb[3 * i + 1], 5 + 2 * i);
        CHECK_EQ(clip.rgb[3 * i + 2], 128);
    }
    cfp_clip_free(&clip);
}

static void flow_refused(const char *path, int channels, cfp_status expected, const char *words)
{
    cfp_ctx ctx = {0};
    cfp_clip clip;
    cfp_input_spec spec = spec_of(3, 2, 1, 0);
    spec.channels = channels;
    CHECK_EQ(cfp_clip_open(&clip, &ctx, path, &spec, &(cfp_sampling){.start = 0}), expected);
    CHECK_HAS(ctx.message, path);
    CHECK_HAS(ctx.message, words);
    CHECK(clip.rgb == NULL);
}

static void optical_flow_is_read_from_arrays_alone(void)
{
    uint8_t bytes[16];
    for (int i = 0; i < 16; i++)
        bytes[i] = (uint8_t)i;
    const hsize_t size[] = {4, 2, 1, 2};
    const hid_t file = H5Fcreate("flow.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(4, size, NULL);
    const hid_t set =
        H5Dcreate2(file, "frames", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    CHECK(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Fclose(file);
    flow_is("flow.h5");

    char npy[10 + 128 + 16] = "\x93NUMPY\1\0\x80\0"; /* a header of 128 bytes */
    const int length = snprintf(npy + 10, 128, "%s", NPY("'|u1'", "False", "(4, 2, 1, 2)"));
    memset(npy + 10 + length, ' ', (size_t)(128 - length));
    memcpy(npy + 10 + 128, bytes, 16);
    write_file("flow.npy", npy, sizeof npy);
    flow_is("flow.npy");

    static const char wanted[] = "the model reads optical flow";
    flow_refused("flow.npy", 3, CFP_SHAPE, "(4, 2, 1, 2), a clip is T x H x W x 3; the model does");
    flow_refused("flow.h5", 3, CFP_SHAPE, "not 3, a clip is T x H x W x 3; the model does not");
    flow_refused("good.npy", 2, CFP_SHAPE, wanted);
    flow_refused("clip.h5", 2, CFP_SHAPE, wanted);
    flow_refused("frames", 2, CFP_UNSUPPORTED, wanted);
    flow_refused("base", 2, CFP_UNSUPPORTED, wanted);
    flow_refused("frames/frame_2.ppm", 2, CFP_UNSUPPORTED, wanted); /* as a video */
    flow_refused("absent.npy", 2, CFP_IO, "No such file");
    write_file("flow.npy", npy, sizeof npy - 1);
    flow_refused("flow.npy", 2, CFP_FORMAT, "need 16 bytes, it holds 15");
}

static void run_sql(sqlite3 *db, const char *sql)
{
    CHECK_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void add_row(sqlite3 *db, const char *id, int level)
{
    char ppm[32];
    const size_t length = make_ppm(ppm, level);
    sqlite3_stmt *insert;
    CHECK_EQ(sqlite3_prepare_v2(db, "INSERT INTO Images VALUES (?, ?, 1)", -1, &insert, NULL),
             SQLITE_OK);
    sqlite3_bind_text(insert, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_blob(insert, 2, ppm, (int)length, SQLITE_STATIC);
    CHECK_EQ(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_finalize(insert);
}

static void databases_are_read(void)
{
    sqlite3 *db;
    cfp_ctx ctx = {0};
    int level[4] = {0};
    mkdir("base", 0777);
    CHECK_EQ(sqlite3_open("base/frames.db", &db), SQLITE_OK);
    check_refusal("base", CFP_FORMAT, "Images");
    run_sql(db, "CREATE TABLE Images(ObjId STRING, frames BLOB, size INT)");
    check_refusal("base", CFP_FORMAT, "no numbered frames");
    add_row(db, "wave_07/frame_00010", 100); /* sorted as text, it would come before 00009 */
    add_row(db, "wave_07/frame_9", 90);
    add_row(db, "wave_07/frame_00001", 10);
    add_row(db, "wave_07/frame_100000", 200);
    static const char *const paths[] = {"base", "base/", "base/frames.db", "base/wave_07"};
    for (int i = 0; i < 4; i++) {
        memset(level, 0, sizeof level);
        CHECK_EQ(levels_of(level, &ctx, paths[i], 4), CFP_OK);
        CHECK_EQ(level[0], 10);
        CHECK_EQ(level[1], 90);
        CHECK_EQ(level[2], 100);
        CHECK_EQ(level[3], 200);
    }
    check_refusal("base/other", CFP_IO, "neither a file nor a video");

    cfp_clip clip; /* --start is a number of the names */
    const cfp_input_spec one = {
        .channels = 3, .frames = 1, .height = 1, .width = 1, .frame_stride = 1};
    CHECK_EQ(cfp_clip_open(&clip, &ctx, "base", &one, &(cfp_sampling){.start = 9}), CFP_OK);
    CHECK_EQ(clip.index[0], 9);
    CHECK_EQ(clip.rgb[0], 90);
    cfp_clip_free(&clip);

    add_row(db, "run/frame_00001", 1);
    check_refusal("base", CFP_FORMAT, "'wave_07', 'run'");
    CHECK_EQ(levels_of(level, &ctx, "base/run", 4), CFP_OK);
    CHECK_EQ(level[0], 1);
    CHECK_EQ(level[3], 1);              /* one frame, looped */
    add_row(db, "base/frame_00001", 5); /* the video that the folder is named after */
    CHECK_EQ(levels_of(level, &ctx, "base", 1), CFP_OK);
    CHECK_EQ(level[0], 5);

    add_row(db, "clock/00_01_00", 30); /* ordered by the whole name */
    add_row(db, "clock/00_00_59", 20);
    add_row(db, "clock/00_00_58", 10);
    CHECK_EQ(levels_of(level, &ctx, "base/clock", 3), CFP_OK);
    CHECK(level[0] == 10 && level[1] == 20 && level[2] == 30);

    run_sql(db, "INSERT INTO Images VALUES ('bad/frame_1', 'text', 1), ('nil/frame_1', NULL, 1)");
    CHECK_EQ(levels_of(level, &ctx, "base/bad", 1), CFP_FORMAT);
    CHECK_STR(ctx.message, "base/frames.db: frame 'bad/frame_1': not an image that can be read");
    CHECK_EQ(levels_of(level, &ctx, "base/nil", 1), CFP_FORMAT);
    CHECK_STR(ctx.message, "base/frames.db: frame 'nil/frame_1' is empty");
    sqlite3_close(db);
    write_file("base/frames.db", "SQLite format 3\0 and no more", 29);
    check_refusal("base", CFP_FORMAT, "SQLite");
    write_file("broken.db", "no database at all", 18);
    check_refusal("broken.db", CFP_FORMAT, "SQLite");
}

/* A database whose only contents are what `sql` makes. */
static void make_db(const char *sql)
{
    sqlite3 *db;
    remove("odd.db");
    CHECK_EQ(sqlite3_open("odd.db", &db), SQLITE_OK);
    run_sql(db, sql);
    sqlite3_close(db);
}

/* What looks like a table of frames and is a program, or has no end. */
static void only_stored_tables_are_read(void)
{
#define ENDLESS                                                                                    \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "                             \
    "SELECT printf('v/frame_%05d', i) AS ObjId, zeroblob(99) AS frames FROM n"
#define ENDLESS_QUOTED                                                                             \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "                             \
    "SELECT i AS ObjId, i AS frames FROM n"
#define TABLE "CREATE TABLE t(ObjId TEXT, frames BLOB, size INT);"
    static const struct {
        const char *sql, *words;
    } odd[] = {
        {"CREATE VIEW Images AS " ENDLESS, "Images is a view"},
        {TABLE "CREATE VIEW Images AS SELECT * FROM t", "Images is a view"},
        {"CREATE VIEW images(objid, FRAMES) AS " ENDLESS, "Images is a view"},
        {"CREATE VIEW Images AS SELECT * FROM absent", "Images"},
        {"CREATE VIRTUAL TABLE Images USING fts5(ObjId, frames)", "Images is a virtual table"},
        {"CREATE TABLE Images(a TEXT, ObjId TEXT AS ('v/frame_' || a), frames BLOB)",
         "a column of Images is computed"},
        {"CREATE TABLE Images(ObjId TEXT, n INT, frames BLOB AS (zeroblob(n)) STORED)",
         "a column of Images is computed"},
        {"CREATE TABLE Other(ObjId TEXT, frames BLOB)", "no table Images"},
        {"CREATE TABLE Images(ObjId TEXT)", "no such column: frames"},
        {"CREATE TABLE Images(id TEXT, frames BLOB)", "no such column: ObjId"},
        {"CREATE TABLE Images(ObjId TEXT, frames BLOB); PRAGMA writable_schema = 1;"
         "UPDATE sqlite_schema SET sql = 'CREATE VIEW Images AS " ENDLESS_QUOTED "'",
         "Images"},
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        make_db(odd[i].sql);
        check_refusal("odd.db", CFP_FORMAT, odd[i].words);
    }
    /* An integer in ObjId is read as text.  Triggers and indices do no harm. */
    sqlite3 *db;
    cfp_ctx ctx = {0};
    int level[2];
    make_db("CREATE TABLE Images(ObjId STRING PRIMARY KEY, frames BLOB, size INT) WITHOUT ROWID;"
            "CREATE TABLE log(x);"
            "CREATE TRIGGER t AFTER INSERT ON Images BEGIN INSERT INTO log VALUES (1); END;"
            "CREATE INDEX i ON Images(length(ObjId)) WHERE size > 0");
    CHECK_EQ(sqlite3_open("odd.db", &db), SQLITE_OK);
    add_row(db, "7", 70);
    add_row(db, "10", 100);
    sqlite3_close(db);
    CHECK_EQ(levels_of(level, &ctx, "odd.db", 2), CFP_OK);
    CHECK_EQ(level[0], 70);
    CHECK_EQ(level[1], 100);
    /* What another process has not yet put into the file itself counts. */
    CHECK_EQ(sqlite3_open("odd.db", &db), SQLITE_OK);
    run_sql(db, "PRAGMA journal_mode = WAL");
    add_row(db, "3", 30);
    CHECK_EQ(levels_of(level, &ctx, "odd.db", 2), CFP_OK);
    CHECK_EQ(level[0], 30);
    sqlite3_close(db);
    mkfifo("odd.db-journal", 0666); /* SQLite would open it, and wait */
    check_refusal("odd.db", CFP_IO, "the -journal beside it is not a regular file");
    remove("odd.db-journal");
    mkdir("we?rd#%41", 0777);
    CHECK_EQ(rename("odd.db", "we?rd#%41/frames.db"), 0);
    CHECK_EQ(levels_of(level, &ctx, "we?rd#%41", 2), CFP_OK);
    CHECK_EQ(level[1], 70);
}

/* A row that says it is stored many times over: the list is no longer than the file. */
static void rows_are_bound_by_the_file(void)
{
    static const char sql[] =
        "CREATE TABLE Images(ObjId TEXT, frames BLOB, size INT);"
        "INSERT INTO Images WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT "
        "40) SELECT printf('v/frame_%05d_', i) || hex(zeroblob(300)), NULL, 1 FROM n;";
    make_db(sql);
    FILE *file = fopen("odd.db", "r+b");
    uint8_t page[4096], *bytes = NULL;
    CHECK(file != NULL);
    if (file == NULL)
        return;
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    bytes = malloc((size_t)size);
    rewind(file);
    CHECK_EQ(fread(bytes, 1, (size_t)size, file), size);
    /* The inner page of the table: all its children become the first one, and once more. */
    for (long at = 0; at + 4096 <= size && bytes != NULL; at += 4096) {
        memcpy(page, bytes + at, sizeof page);
        if (page[0] != 5)
            continue;
        const int cells = page[3] << 8 | page[4], first = page[12] << 8 | page[13];
        for (int i = 0; i < cells; i++) {
            const int cell = page[12 + 2 * i] << 8 | page[13 + 2 * i];
            memcpy(page + cell, page + first, 4);
        }
        memcpy(page + 8, page + first, 4);
        fseek(file, at, SEEK_SET);
        CHECK_EQ(fwrite(page, 1, sizeof page, file), sizeof page);
    }
    free(bytes);
    fclose(file);
    cfp_ctx ctx = {0};
    int level[2];
    CHECK_EQ(levels_of(level, &ctx, "odd.db", 2), CFP_FORMAT); /* one line, whichever */
    CHECK_HAS(ctx.message, "odd.db: ");
}

/* A pipe instead of a file is refused.  The program does not wait for its other end. */
static void nothing_waits_for_a_pipe(void)
{
    mkdir("pipes", 0777);
    write_ppm("pipes/frame_1.ppm", 10);
    mkfifo("pipes/frame_2.ppm", 0666);
    check_refusal("pipes", CFP_IO, "pipes/frame_2.ppm: is not a regular file");
    check_refusal("pipes/frame_2.ppm", CFP_IO, "neither a file nor a folder");
    mkdir("pipes/inner", 0777);
    mkfifo("pipes/inner/frames.db", 0666);
    check_refusal("pipes/inner", CFP_FORMAT, "no frame images");
    remove("pipes/frame_2.ppm");
    mkdir("pipes/frame_2.ppm", 0777);
    check_refusal("pipes", CFP_IO, "pipes/frame_2.ppm: is not a regular file");
    cfp_ctx ctx = {0};
    char hex[65];
    mkfifo("pipe", 0666);
    CHECK_EQ(cfp_sha256_file(hex, &ctx, "pipe"), CFP_IO);
    CHECK_HAS(ctx.message, "pipe: is not a regular file");
}

/* Each allocation fails once: CFP_NOMEM, nothing leaked (the sanitizers see that), then success. */
static void running_out_of_memory_is_reported(void)
{
    static const char *const paths[] = {"good.npy", "clip.h5", "frames", "one/frames.db"};
    sqlite3 *db;
    mkdir("one", 0777);
    CHECK_EQ(sqlite3_open("one/frames.db", &db), SQLITE_OK);
    run_sql(db, "CREATE TABLE Images(ObjId TEXT PRIMARY KEY, frames BLOB, size INT)");
    add_row(db, "v/frame_00001", 1);
    sqlite3_close(db);
    for (int i = 0; i < 4; i++) {
        cfp_status status = CFP_NOMEM;
        int level[4], k = 0;
        while (status == CFP_NOMEM && k < 1000) {
            cfp_ctx ctx = {.fail_allocation = ++k};
            status = levels_of(level, &ctx, paths[i], 4);
            if (status == CFP_NOMEM)
                CHECK_HAS(ctx.message, "out of memory");
        }
        CHECK_EQ(status, CFP_OK);
        CHECK(k > 5);
    }
}

static void keep_last(void *cookie, const char *what, int64_t done, int64_t total)
{
    int64_t *last = cookie;
    CHECK_STR(what, "decode");
    last[0] = done;
    last[1] = total;
}

/* Else the bar of what comes next stands within that of a decoding which never ends. */
static void decoding_is_said_to_be_over(void)
{
    static const char *const paths[] = {"good.npy", "clip.h5", "frames"};
    for (int i = 0; i < 3; i++) {
        int64_t last[2] = {0, 0};
        cfp_ctx ctx = {.progress = keep_last, .cookie = last};
        int level[4];
        CHECK_EQ(levels_of(level, &ctx, paths[i], 4), CFP_OK);
        CHECK(last[1] > 0 && last[0] == last[1]);
    }
}

static void an_interrupt_ends_it(void)
{
    static const char *const paths[] = {"good.npy", "clip.h5", "frames", "one"};
    const volatile int interrupted = 1;
    for (int i = 0; i < 4; i++) {
        cfp_ctx ctx = {.interrupted = &interrupted};
        int level[4];
        CHECK_EQ(levels_of(level, &ctx, paths[i], 4), CFP_INTERRUPTED);
    }
}

/* Twenty frames of one pixel, 8 a second. */
static void a_time_takes_the_frame_that_is_shown(void)
{
    uint8_t pixels[20 * 3] = {0};
    cfp_frames frames = {.pixels = pixels, .count = 20, .height = 1, .width = 1, .fps = 8};
    const cfp_input_spec spec = spec_of(1, 1, 1, 0);
    static const double times[] = {0, 0.12, 0.125, 0.2499, 0.25, 2.4, 2.49};
    static const int shown[] = {0, 0, 1, 1, 2, 19, 19};
    cfp_sampling sampling = {.by_time = true};
    cfp_ctx ctx = {0};
    cfp_clip clip;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        sampling.seconds = times[i];
        CHECK_EQ(cfp_clip_from_frames(&clip, &ctx, "memory", &frames, &spec, &sampling), CFP_OK);
        CHECK_EQ(clip.index[0], shown[i]);
        cfp_clip_free(&clip);
    }
    sampling.seconds = 2.5;
    CHECK_EQ(cfp_clip_from_frames(&clip, &ctx, "memory", &frames, &spec, &sampling), CFP_USAGE);
    CHECK_HAS(ctx.message, "--start: 2.5s is behind the end of the clip, which is 2.5 s long");
    frames.fps = 0;
    CHECK_EQ(cfp_clip_from_frames(&clip, &ctx, "memory", &frames, &spec, &sampling), CFP_USAGE);
    CHECK_HAS(ctx.message, "--start: 2.5s: the frames of memory have no times");
}

int main(void)
{
    a_time_takes_the_frame_that_is_shown();
    char folder[] = "test_clip_sources_XXXXXX";
    if (!enter_folder(folder))
        return 1;
    npy_headers_are_read();
    broken_npy_files_are_refused();
    damaged_npy_headers_do_no_harm();
    folders_are_read_in_the_order_of_numbers();
    hdf5_clips_are_read();
    databases_are_read();
    only_stored_tables_are_read();
    rows_are_bound_by_the_file();
    nothing_waits_for_a_pipe();
    optical_flow_is_read_from_arrays_alone();
    running_out_of_memory_is_reported();
    decoding_is_said_to_be_over();
    an_interrupt_ends_it();
    leave_folder(folder);
    return test_result();
}
