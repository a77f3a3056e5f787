/* `caisson-launcher run PLAN -- argv`: one sandbox, one command, no Node. */
#ifndef CAISSON_RUN_H
#define CAISSON_RUN_H

#include "err.h"

/* Sets *exit_code to the guest's own, 128 + signal, or 124 (time limit), 137 (memory limit). */
struct err run_plan(const char *plan_path, char **argv, int *exit_code);

#endif
