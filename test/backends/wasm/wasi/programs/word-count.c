/**
 * Counts lines, words and bytes as wc does, of files and of all files below directories:
 *
 *   word-count [-o FILE] [PATH]...      standard input without a path; the counts go to FILE
 *
 * Exits with 1 where a path cannot be read, and with 2 where FILE cannot be written.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct count {
  unsigned long lines, words, bytes;
};

static struct count total;
static bool failed;

static struct count count_stream(FILE *stream) {
  struct count count = {0, 0, 0};
  bool in_word = false;
  for (int byte; (byte = getc(stream)) != EOF;) {
    count.bytes++;
    count.lines += byte == '\n';
    bool space = isspace(byte) != 0;
    count.words += in_word && space;
    // A word has at least one character that is printed, as wc of coreutils has it in the C locale.
    in_word = !space && (in_word || isprint(byte));
  }
  count.words += in_word;
  return count;
}

static void complain(const char *path) {
  fprintf(stderr, "word-count: %s: %s\n", path, strerror(errno));
  failed = true;
}

static void show(FILE *out, struct count count, const char *path) {
  fprintf(out, "%lu %lu %lu %s\n", count.lines, count.words, count.bytes, path);
}

static void count_path(FILE *out, const char *path);

static void count_directory(FILE *out, const char *path) {
  DIR *directory = opendir(path);
  if (directory == NULL) {
    complain(path);
    return;
  }
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char *below = malloc(strlen(path) + strlen(entry->d_name) + 2);
    if (below == NULL) abort();
    sprintf(below, "%s/%s", path, entry->d_name);
    count_path(out, below);
    free(below);
  }
  closedir(directory);
}

static void count_path(FILE *out, const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) {
    complain(path);
    return;
  }
  if (S_ISDIR(status.st_mode)) {
    count_directory(out, path);
    return;
  }
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    complain(path);
    return;
  }
  struct count count = count_stream(file);
  fclose(file);
  show(out, count, path);
  total.lines += count.lines;
  total.words += count.words;
  total.bytes += count.bytes;
}

int main(int argc, char **argv) {
  FILE *out = stdout;
  int first = 1;
  if (argc > 2 && strcmp(argv[1], "-o") == 0) {
    out = fopen(argv[2], "w");
    if (out == NULL) {
      complain(argv[2]);
      return 2;
    }
    first = 3;
  }
  if (first == argc) show(out, count_stream(stdin), "-");
  for (int index = first; index < argc; index++) count_path(out, argv[index]);
  if (argc > first) show(out, total, "total");
  if (fclose(out) != 0) return 2;
  return failed;
}
