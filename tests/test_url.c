/* test_url.c - checks that a browser reads the URL of a path as the same path. */
#include "../host/program/url.h"
#include "test.h"

static void bytes_that_mean_something_in_a_url_are_escaped(void)
{
    cfp_ctx ctx = {0};
    char *url = cfp_url_encode(&ctx, "/a b/%41#?&=;:+'\"<>\\/\xc3\xa9~._-/x");
    CHECK_STR(url, "/a%20b/%2541%23%3F%26%3D%3B%3A%2B%27%22%3C%3E%5C/%C3%A9~._-/x");
    cfp_free(url);
}

static void between(const char *from, const char *to, const char *expected)
{
    cfp_ctx ctx = {0};
    char *url = cfp_url_between(&ctx, from, to);
    CHECK_STR(url, expected);
    cfp_free(url);
}

static void links_are_relative(void)
{
    between("/a/b", "/a/b/report.html", "report.html");
    between("/a/b", "/a/b/c d/report.html", "c%20d/report.html");
    between("/a/b", "/a/c/report.html", "../c/report.html");
    between("/a/b", "/a/bc/report.html", "../bc/report.html");
    between("/a/bc", "/a/b/report.html", "../b/report.html");
    between("/a/b/c", "/x/report.html", "../../../x/report.html");
    between("/", "/a/report.html", "a/report.html");
    between("/a/b", "/report.html", "../../report.html");
}

int main(void)
{
    bytes_that_mean_something_in_a_url_are_escaped();
    links_are_relative();
    return test_result();
}
