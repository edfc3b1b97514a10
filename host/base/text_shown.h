/* text_shown.h - what of a text from outside may be shown as it is, on a terminal or in a message.
 *
 * Not shown are: what is no UTF-8; control characters (C0, DEL, C1), which move the cursor; line
 * and paragraph separators; marks that turn the direction of writing; characters of no width and
 * tags, which hide.  They are escaped: \xNN a byte, \uNNNN or \UNNNNNNNN a character. */
#pragma once
#include "base.h"

/* Of the character at the beginning of the text, which is not empty: its bytes where it may be
 * shown; less than 0, and the bytes are the other way round, where it must be escaped. */
int cfp_shown_length(const char *text);

/* The escape of the n bytes that cfp_shown_length told; returns its length. */
enum { CFP_ESCAPE_ROOM = 12 };
int cfp_shown_escape(char escape[CFP_ESCAPE_ROOM], const char *text, int n);

/* Bytes of the UTF-8 sequence that starts at text (1..4), or 0 where none does. */
int cfp_utf8_length(const char *text);

/* The code point of a UTF-8 sequence of n bytes. */
uint32_t cfp_utf8_code(const char *text, int n);

/* The text with its escapes, cut where it does not fit into `room` bytes, 0 included. */
void cfp_shown_text(char *to, size_t room, const char *text);
