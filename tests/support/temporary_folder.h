/* temporary_folder - a folder of small files for one test.
 *
 *     char *folder = temporary_folder_new();
 *     temporary_folder_write(folder, "functions/claim.sql", "...");  // makes what lies between
 *     temporary_folder_remove(&folder);
 */
#ifndef POSTRIDER_TESTS_TEMPORARY_FOLDER_H
#define POSTRIDER_TESTS_TEMPORARY_FOLDER_H

#include "shared/base.h"

char *temporary_folder_new(void) MUST_CHECK;
void temporary_folder_write(const char *folder, const char *path, const char *text);
void temporary_folder_delete(const char *folder, const char *path);
void temporary_folder_remove(char **folder);

#endif
