/* Feeds each file of the directories that are named to the target, once: the corpus as a regression test, without libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static size_t replay_directory(const char *path) {
  DIR *dir = opendir(path);
  size_t count = 0;
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    char name[1024];
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    FILE *file = fopen(name, "re");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) abort();
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    if (fread(bytes, 1, size, file) != size) abort();
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    count++;
  }
  if (dir != NULL) closedir(dir);
  return count;
}

int main(int argc, char **argv) {
  size_t count = 0;
  for (int i = 1; i < argc; i++) count += replay_directory(argv[i]);
  printf("%zu inputs\n", count);
  return count == 0;
}
