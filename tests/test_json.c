/* test_json.c - checks that the JSON writer writes valid JSON, which reads back as the same values.
 */
#include "../host/base/json.h"
#include "test.h"
#include <stdlib.h>

/* The text of what `say` emits. */
static void check_text(void (*say)(cfp_json *), int lines, const char *expected)
{
    cfp_ctx ctx = {0};
    cfp_json json;
    cfp_json_to_memory(&json, &ctx, lines);
    say(&json);
    CHECK_EQ(cfp_json_close(&json), CFP_OK);
    CHECK_STR(json.text, expected);
    cfp_json_free(&json);
}

static void say_all(cfp_json *json)
{
    cfp_json_object(json);
    cfp_json_put_string(json, "s", "x");
    cfp_json_key(json, "list");
    cfp_json_array(json);
    cfp_json_int(json, -9223372036854775807LL - 1);
    cfp_json_bool(json, true);
    cfp_json_string(json, NULL);
    cfp_json_array(json);
    cfp_json_array_end(json);
    cfp_json_object(json);
    cfp_json_object_end(json);
    cfp_json_array_end(json);
    cfp_json_put_bool(json, "no", false);
    cfp_json_object_end(json);
}

static void commas_and_lines_stand_where_they_should(void)
{
    check_text(say_all, 0,
               "{\"s\":\"x\",\"list\":[-9223372036854775808,true,null,[],{}],\"no\":false}\n");
    check_text(say_all, 1,
               "{\n  \"s\": \"x\",\n  \"list\": [-9223372036854775808, true, null, [], {}],\n"
               "  \"no\": false\n}\n");
    check_text(
        say_all, 2,
        "{\n  \"s\": \"x\",\n  \"list\": [\n    -9223372036854775808,\n    true,\n    null,\n"
        "    [],\n    {}\n  ],\n  \"no\": false\n}\n");
}

static void say_base64(cfp_json *json)
{
    cfp_json_array(json);
    for (size_t n = 0; n <= 4; n++)
        cfp_json_base64(json, "\xff\x00\xfe>", n);
    cfp_json_array_end(json);
}

/* Of several pieces: as many digits as there should be, and the last ones. */
static void bytes_go_out_in_base64(void)
{
    static const char bytes[10000] = {[9999] = 'M'};
    check_text(say_base64, 0, "[\"\",\"/w==\",\"/wA=\",\"/wD+\",\"/wD+Pg==\"]\n");
    cfp_json json;
    cfp_json_to_memory(&json, &(cfp_ctx){0}, 0);
    cfp_json_base64(&json, bytes, sizeof bytes);
    CHECK_EQ(json.length, 2 + (sizeof bytes + 2) / 3 * 4);
    CHECK_STR(json.text + json.length - 5, "TQ==\"");
    cfp_json_free(&json);
}

/* Characters that a terminal obeys or hides are written as ASCII; a reader gets them back. */
static void what_may_not_be_shown_goes_out_escaped(void)
{
    static const char *const cases[][2] = {
        {"\xc2\x9b"
         "31m",
         "\"\\u009b31m\""},
        {"a\xe2\x80\xae"
         "b",
         "\"a\\u202eb\""},
        {"\xe2\x81\xa6\xe2\x81\xa9", "\"\\u2066\\u2069\""},
        {"\xe2\x80\x8b\xe2\x80\x8e\xd8\x9c", "\"\\u200b\\u200e\\u061c\""},
        {"\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\""},
        {"\xef\xbb\xbf", "\"\\ufeff\""},
        {"\xf3\xa0\x80\x81", "\"\\udb40\\udc01\""},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        cfp_json json;
        cfp_json_to_memory(&json, &(cfp_ctx){0}, 0);
        cfp_json_string(&json, cases[k][0]);
        CHECK_STR(json.text, cases[k][1]);
        cfp_json_free(&json);
    }
}

static void in_a_page_no_tag_can_start(void)
{
    cfp_json json;
    cfp_json_to_memory(&json, &(cfp_ctx){0}, 0);
    json.in_html = true;
    cfp_json_object(&json);
    cfp_json_put_string(&json, "<!--", "</script>&");
    cfp_json_object_end(&json);
    CHECK_STR(json.text, "{\"\\u003c!--\":\"\\u003c/script>&\"}");
    cfp_json_free(&json);
}

static void say_strings(cfp_json *json)
{
    cfp_json_array(json);
    cfp_json_string(json, "a\"b\\c\n\t\x01\x1f/\x7f");
    cfp_json_string(json, "é\xe2\x82\xac\xf0\x9f\x98\x80");
    cfp_json_string(json,
                    "\xff|\xc0\x80|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82"); /* none is UTF-8 */
    cfp_json_array_end(json);
}

static void strings_are_escaped_and_broken_utf8_is_replaced(void)
{
#define R "\xef\xbf\xbd"
    check_text(say_strings, 0,
               "[\"a\\\"b\\\\c\\n\\t\\u0001\\u001f/\\u007f\",\"é\xe2\x82\xac\xf0\x9f\x98\x80\","
               "\"" R "|" R R "|" R R R "|" R R R R "|" R R "\"]\n");
#undef R
}

static void say_numbers(cfp_json *json)
{
    cfp_json_array(json);
    cfp_json_float(json, 0.6f);
    cfp_json_float(json, 1.0f);
    cfp_json_float(json, 0.0f);
    cfp_json_float(json, 16777216.0f);
    cfp_json_float(json, NAN);
    cfp_json_float(json, -INFINITY);
    cfp_json_double(json, 0.1);
    cfp_json_double(json, 1.0 / 3.0);
    cfp_json_double(json, INFINITY);
    cfp_json_array_end(json);
}

static void numbers_are_short_and_nan_is_null(void)
{
    check_text(say_numbers, 0, "[0.6,1,0,16777216,null,null,0.1,0.3333333333333333,null]\n");
}

static void floats_read_back_as_they_were(void)
{
    cfp_ctx ctx = {0};
    uint32_t bits = 1;
    for (int k = 0; k < 20000; k++) {
        bits = bits * 1664525u + 1013904223u;
        float value;
        memcpy(&value, &bits, sizeof value);
        if (k % 2 == 0) /* as relevances are */
            value = (float)(bits >> 8) / 16777216.0f;
        if (!isfinite(value))
            continue;
        cfp_json json;
        cfp_json_to_memory(&json, &ctx, 0);
        cfp_json_float(&json, value);
        CHECK_EQ(cfp_json_close(&json), CFP_OK);
        if (strtof(json.text, NULL) != value || (float)strtod(json.text, NULL) != value)
            CHECK_STR(json.text, "a text that reads back");
        cfp_json_free(&json);
    }
}

static void a_long_file_goes_out_in_pieces(void)
{
    cfp_ctx ctx = {0};
    FILE *file = tmpfile();
    CHECK(file != NULL);
    if (file == NULL)
        return;
    cfp_json json;
    cfp_json_to_file(&json, &ctx, file, "file", 0);
    char *wide = calloc(1, 200001); /* longer than the buffer */
    CHECK(wide != NULL);
    if (wide == NULL)
        return;
    memset(wide, 'w', 200000);
    cfp_json_array(&json);
    for (int k = 0; k < 100000; k++)
        cfp_json_int(&json, k);
    cfp_json_raw(&json, wide, 200000);
    cfp_json_array_end(&json);
    CHECK(json.capacity <= 1 << 18);
    CHECK_EQ(cfp_json_close(&json), CFP_OK);
    cfp_json_free(&json);
    free(wide);
    CHECK_EQ(ftell(file),
             2 + 588889 + 1 + 200000 + 1); /* brackets, numbers and commas, w, newline */
    fclose(file);
}

static void a_full_disk_is_reported(void)
{
    cfp_ctx ctx = {0};
    FILE *file = fopen("/dev/full", "wb");
    if (file == NULL)
        return; /* not everywhere */
    cfp_json json;
    cfp_json_to_file(&json, &ctx, file, "out.json", 0);
    for (int k = 0; k < 100000; k++)
        cfp_json_int(&json, k);
    CHECK_EQ(cfp_json_close(&json), CFP_IO);
    CHECK_STR(ctx.message, "out.json: No space left on device");
    cfp_json_free(&json);
    fclose(file);
}

static void no_memory_is_reported(void)
{
    cfp_ctx ctx = {.fail_allocation = 2};
    cfp_json json;
    cfp_json_to_memory(&json, &ctx, 0);
    for (int k = 0; k < 100000; k++)
        cfp_json_int(&json, k);
    CHECK_EQ(cfp_json_close(&json), CFP_NOMEM);
    cfp_json_free(&json);
}

int main(void)
{
    commas_and_lines_stand_where_they_should();
    strings_are_escaped_and_broken_utf8_is_replaced();
    bytes_go_out_in_base64();
    what_may_not_be_shown_goes_out_escaped();
    in_a_page_no_tag_can_start();
    numbers_are_short_and_nan_is_null();
    floats_read_back_as_they_were();
    a_long_file_goes_out_in_pieces();
    a_full_disk_is_reported();
    no_memory_is_reported();
    return test_result();
}
