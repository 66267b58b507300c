/* sql_text - where in a text of several SQL statements an error is.
 *
 * The server tells a position for some errors and none for others; for those the first line of the statement that
 * failed is the best answer. Lines count from 1; 0 means that the text has no such place. Knows comments, strings,
 * dollar quotes, parentheses and `begin atomic` bodies; it finds lines and decides nothing.
 */
#ifndef POSTRIDER_SHARED_SQL_TEXT_H
#define POSTRIDER_SHARED_SQL_TEXT_H

#include "shared/base.h"

/* position counts characters from 1, as the server does. */
size_t sql_text_line_of_position(const char *sql, size_t position);
/* index counts statements from 0; empty ones do not count, as the server answers none for them. */
size_t sql_text_line_of_statement(const char *sql, size_t index);

#endif
