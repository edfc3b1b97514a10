/* other_files.c - see other_files.h.  libav says of such files only that they are invalid, or
 * worse: of a playlist, that memory is out. */
#include "other_files.h"
#include <string.h>

static const char playlist[] =
    "a playlist, which names other files; those are not opened: give the video itself";
static const char npz[] =
    "an .npz archive of arrays: save the array of frames alone, by numpy.save, "
    "as .npy";
static const char packed[] =
    "a packed file (zip, gzip, 7z, rar, xz, bzip2 or zstd): unpack it first";

typedef struct known {
    const char *head; /* how the file begins */
    int bytes;
    const char *suffix; /* and how its name ends; NULL: in any way */
    const char *what;
} known;

static const known files[] = {
    {"#EXTM3U", 7, NULL, playlist},
    {"\xef\xbb\xbf#EXTM3U", 10, NULL, playlist},
    {"ffconcat", 8, NULL, playlist},
    {"[playlist]", 10, NULL, playlist},
    {"", 0, ".m3u", playlist},
    {"", 0, ".m3u8", playlist},
    {"", 0, ".pls", playlist},
    {"<", 1, ".mpd", playlist},
    {"<", 1, ".xspf", playlist},
    {"<", 1, ".asx", playlist},
    {"PK", 2, ".npz", npz},
    {"PK\3\4", 4, NULL, packed},
    {"\x1f\x8b\x08", 3, NULL, packed},
    {"7z\xbc\xaf\x27\x1c", 6, NULL, packed},
    {"Rar!\x1a\x07", 6, NULL, packed},
    {"\xfd"
     "7zXZ",
     5, NULL, packed},
    {"BZh", 3, ".bz2", packed},
    {"\x28\xb5\x2f\xfd", 4, NULL, packed},
};

const char *cfp_other_file(const cfp_path_facts *facts)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const known *k = &files[i];
        if (facts->head_bytes >= k->bytes && memcmp(facts->head, k->head, (size_t)k->bytes) == 0 &&
            (k->suffix == NULL || cfp_has_suffix(facts->path, k->suffix)))
            return k->what;
    }
    return NULL;
}
