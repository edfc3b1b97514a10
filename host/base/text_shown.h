/* text_shown.h - makes text from outside safe to show on a terminal or in a message.
 *
 * These are escaped: bytes that are not UTF-8; control characters (C0, DEL, C1), which move the
 * cursor; line and paragraph separators; marks that change the direction of writing; tags and
 * characters of zero width, which are invisible.  A byte becomes \xNN, a character \uNNNN or
 * \UNNNNNNNN. */
#pragma once
#include "base.h"

/* Looks at the first character of a text that is not empty.  Returns its length in bytes if it may
 * be shown, and minus that length if it must be escaped. */
int cfp_shown_length(const char *text);

/* Writes the escape of a character of n bytes; returns the length of the escape. */
enum { CFP_ESCAPE_ROOM = 12 };
int cfp_shown_escape(char escape[CFP_ESCAPE_ROOM], const char *text, int n);

/* The length in bytes (1 to 4) of the UTF-8 sequence at `text`; 0 if it is not valid UTF-8. */
int cfp_utf8_length(const char *text);

/* The code point of a UTF-8 sequence of n bytes. */
uint32_t cfp_utf8_code(const char *text, int n);

/* Copies the text with escapes; cuts it so that it fits into `capacity` bytes with its final '\0'.
 */
void cfp_shown_text(char *to, size_t capacity, const char *text);
