/* Counts the words of the file that its first argument names. */
#include <ctype.h>
#include <stdio.h>

int main(int argc, char **argv) {
  FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
  if (file == NULL) return 1;
  long words = 0;
  int inside = 0;
  for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
    if (!isspace(c) && !inside) words++;
    inside = !isspace(c);
  }
  printf("%ld\n", words);
  return 0;
}
