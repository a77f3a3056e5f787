export const multiply = (a, b) =>
  a.map((row) =>
    b[0].map((_, column) => row.reduce((sum, value, i) => sum + value * b[i][column], 0)),
  );
