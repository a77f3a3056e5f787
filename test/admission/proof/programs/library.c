/* Much of a C library: indirect calls, recursion, allocation, formatted output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node { struct node *left, *right; int value; };

static struct node *insert(struct node *tree, int value) {
  if (tree == NULL) {
    tree = calloc(1, sizeof *tree);
    tree->value = value;
  } else if (value < tree->value) tree->left = insert(tree->left, value);
  else tree->right = insert(tree->right, value);
  return tree;
}

static long sum(const struct node *tree) {
  return tree == NULL ? 0 : sum(tree->left) + tree->value + sum(tree->right);
}

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(int count, char **words) {
  int numbers[1000];
  unsigned seed = count > 1 ? (unsigned)atoi(words[1]) : 1;
  struct node *tree = NULL;
  for (int i = 0; i < 1000; i++) {
    seed = seed * 1103515245 + 12345;
    numbers[i] = (int)(seed >> 16 & 0x7fff);
    tree = insert(tree, numbers[i]);
  }
  qsort(numbers, 1000, sizeof *numbers, ascending);
  char *text = malloc(100);
  snprintf(text, 100, "%d %d %ld %.3f", numbers[0], numbers[999], sum(tree), numbers[500] / 7.0);
  printf("%s %zu\n", text, strlen(text));
  return 0;
}
