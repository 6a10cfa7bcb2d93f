#pragma once

namespace envtool {

/// Tells the allocator that this process is about to make tens of megabytes of small things: it takes them
/// from the system in one piece, of large pages where the system has them. To be called from the main
/// thread; changes nothing but the time that it takes.
void expect_many_allocations();

/// How many threads of its own a piece of work may start: as many as there are cores, at most `most`, and one
/// where the process may have little address space (`ulimit -v`), of which each thread takes a good deal.
unsigned worthwhile_threads(unsigned most);

}  // namespace envtool
