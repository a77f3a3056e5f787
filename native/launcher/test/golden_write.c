/* `golden_write DIR`: writes each golden message to DIR/NAME.hex; `golden_write DIR raw`: as bytes, to DIR/NAME. */
#include <stdio.h>
#include <string.h>

#include "golden.h"

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  bool raw = argc > 2 && strcmp(argv[2], "raw") == 0;
  for (size_t i = 0; i < golden_count; i++) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s%s", argv[1], goldens[i].name, raw ? "" : ".hex");
    FILE *file = fopen(path, "we");
    if (file == NULL) return 1;
    struct out bytes = golden_bytes(&goldens[i]);
    if (raw) fwrite(bytes.data, 1, bytes.length, file);
    else
      for (size_t j = 0; j < bytes.length; j++)
        fprintf(file, "%02x%s", bytes.data[j], j % 32 == 31 || j + 1 == bytes.length ? "\n" : "");
    out_free(&bytes);
    if (fclose(file) != 0) return 1;
  }
  return 0;
}
