#pragma once

namespace envtool {

/// Tells the allocator that this process is about to make tens of megabytes of small things: it takes them
/// from the system in one piece, of large pages where the system has them. To be called from the main
/// thread; changes nothing but the time that it takes.
void expect_many_allocations();

}  // namespace envtool
