#pragma once

// The only place that includes libsolv. `LIBSOLV_SOLVABLE_PREPEND_DEP` keeps its `requires` member
// from clashing with the keyword.
#define LIBSOLV_SOLVABLE_PREPEND_DEP
extern "C" {
#include <solv/pool.h>
#include <solv/poolid.h>
#include <solv/queue.h>
#include <solv/repo.h>
#include <solv/solver.h>
}
