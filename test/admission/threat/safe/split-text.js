export const message =
  'A long sentence that is written ' + 'in two parts, since lines are short, ' + 'or three.';
